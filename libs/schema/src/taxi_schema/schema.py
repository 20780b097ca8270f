"""The schema of a model: one description that serving, monitoring and training follow."""

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from taxi_schema.column import Column, FeatureType, Role
from taxi_schema.derived import Cross, Derived
from taxi_schema.slices import Slice
from taxi_schema.target import EventTime, Target

DEFAULT_ID: Final = "id"
REGRESSION: Final = "regression"
MAX_COLUMNS: Final = 64
MAX_DERIVED: Final = 64
MAX_SLICES: Final = 32


class Feature(NamedTuple):
    """One input of the model."""

    name: str
    type: FeatureType


@dataclass(frozen=True, slots=True)
class Fallback:
    """How the robust model is made.

    Attributes:
        monotonic: The number that its answer rises with; None is the median alone.
    """

    monotonic: str | None = None

    def document(self) -> dict[str, Any]:
        """Return the fallback as JSON has it, without defaults."""
        return {} if self.monotonic is None else {"monotonic": self.monotonic}


@dataclass(frozen=True, slots=True)
class Schema:
    """What a model is asked and what it answers; made and checked by `taxi_schema.reading`.

    Attributes:
        target: The number that is predicted.
        columns: All columns, in the order of the file.
        id: Name of a row's id; a request may leave it out.
        event_time: Time of the event; None when rows have none.
        derived: Features that are computed, in the order of the file.
        slices: For errors and drift by group.
        fallback: How the robust model is made.
        title: One line about the model.
        task: "regression".
        inputs: The columns that the model sees.
        features: What the model takes: inputs, then derived features.
        digest: SHA-256 of the canonical JSON, hexadecimal.
    """

    target: Target
    columns: tuple[Column, ...]
    id: str = DEFAULT_ID
    event_time: EventTime | None = None
    derived: tuple[Derived, ...] = ()
    slices: tuple[Slice, ...] = ()
    fallback: Fallback = field(default_factory=Fallback)
    title: str = ""
    task: str = REGRESSION
    inputs: tuple[Column, ...] = field(init=False, repr=False, compare=False)
    features: tuple[Feature, ...] = field(init=False, repr=False, compare=False)
    digest: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Compute what follows from the other attributes."""
        inputs = tuple(column for column in self.columns if column.role is Role.INPUT)
        features = (
            *(Feature(column.name, column.type) for column in inputs),
            *(Feature(derived.name, _type_of(derived)) for derived in self.derived),
        )
        object.__setattr__(self, "inputs", inputs)
        object.__setattr__(self, "features", features)
        object.__setattr__(self, "digest", hashlib.sha256(self.to_json()).hexdigest())

    @property
    def names(self) -> frozenset[str]:
        """Return the fields that a row may have by it: id, event time and columns."""
        times = () if self.event_time is None else (self.event_time.name,)
        return frozenset((self.id, *times, *(column.name for column in self.columns)))

    def to_json(self) -> bytes:
        """Return the canonical JSON: sorted keys, no defaults, groups inline."""
        optional: dict[str, tuple[object, object]] = {
            "id": (self.id, DEFAULT_ID),
            "event_time": (self.event_time and self.event_time.document(), None),
            # An array: the order of features matters, that of a JSON object's members does not.
            "derived": ([derived.document() for derived in self.derived], []),
            "slices": ([slice_.document() for slice_ in self.slices], []),
            "fallback": (self.fallback.document(), {}),
            "title": (self.title, ""),
            "task": (self.task, REGRESSION),
        }
        document = {
            "target": self.target.document(),
            "columns": [column.document() for column in self.columns],
            **{key: value for key, (value, default) in optional.items() if value != default},
        }
        text = json.dumps(
            document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
        )
        return text.encode()


def _type_of(derived: Derived) -> FeatureType:
    if not isinstance(derived, Cross):
        return FeatureType.FLOAT
    return FeatureType.INTEGER if derived.digits else FeatureType.STRING
