"""A column: what a request may send for it and what the model sees of it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from taxi_domain.numbers import MAX_NUMBER

#: A category of integers or strings, a number, a boolean; None is missing.
Value = float | int | str | bool | None
#: What the model sees; what is missing is one of `MISSING`.
FeatureValue = float | int | str

#: Characters of a string category.
MAX_TEXT: Final = 64
DEFAULT_MAX_CATEGORIES: Final = 10_000
#: The smallest 64-bit integer stands for a missing one.
MISSING_INTEGER: Final = -(2**63)
MIN_INTEGER: Final = MISSING_INTEGER + 1
MAX_INTEGER: Final = 2**63 - 1
#: Size of the largest integer of a category whose drift is measured: codes are floats, and those
#: of larger integers would be alike.
MAX_MEASURED_INTEGER: Final = 2**53


class Kind(StrEnum):
    """What the values of a column are."""

    NUMBER = "number"
    CATEGORY = "category"
    BOOLEAN = "boolean"


class Drift(StrEnum):
    """What a drift score of a column is used for."""

    DECIDES = "decides"
    SHOWN = "shown"
    IGNORED = "ignored"


class Role(StrEnum):
    """Whether the model sees a column."""

    INPUT = "input"
    CONTEXT = "context"


class FeatureType(StrEnum):
    """Type of the values that the model sees."""

    FLOAT = "float"
    INTEGER = "integer"
    STRING = "string"


#: What stands for a missing value, by type.
MISSING: Final[Mapping[FeatureType, FeatureValue]] = {
    FeatureType.FLOAT: math.nan,
    FeatureType.INTEGER: MISSING_INTEGER,
    FeatureType.STRING: "",
}


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a schema; made and checked by `taxi_schema.reading`.

    Attributes:
        name: Name in requests, records and graphs.
        kind: Number, category or boolean.
        type: Type of its feature; that of a category is integer or string.
        unit: Of a number, for texts.
        description: One sentence for the OpenAPI document.
        minimum: Smallest accepted value, of numbers and integer categories; None is open.
        maximum: Largest accepted value.
        values: Accepted values of a closed category, ascending; empty when it is open.
        nullable: Whether a request may leave it out or send null.
        role: Input of the model, or context that is only logged and measured.
        drift: What its drift score is used for.
        max_categories: Distinct values that a profile keeps.
    """

    name: str
    kind: Kind
    type: FeatureType
    unit: str = ""
    description: str = ""
    minimum: float | int | None = None
    maximum: float | int | None = None
    values: tuple[int | str, ...] = ()
    nullable: bool = False
    role: Role = Role.INPUT
    drift: Drift = Drift.DECIDES
    max_categories: int = DEFAULT_MAX_CATEGORIES

    @property
    def low(self) -> float | int:
        """Smallest accepted value of a number or an integer category, finite."""
        if self.minimum is not None:
            return self.minimum
        if self.type is not FeatureType.INTEGER:
            return -MAX_NUMBER
        return MIN_INTEGER if self.drift is Drift.IGNORED else -MAX_MEASURED_INTEGER

    @property
    def high(self) -> float | int:
        """Largest accepted value of a number or an integer category, finite."""
        if self.maximum is not None:
            return self.maximum
        if self.type is not FeatureType.INTEGER:
            return MAX_NUMBER
        return MAX_INTEGER if self.drift is Drift.IGNORED else MAX_MEASURED_INTEGER

    def document(self) -> dict[str, Any]:
        """Return the column as JSON has it, without defaults."""
        limited = self.minimum is not None or self.maximum is not None
        optional: dict[str, tuple[object, object]] = {
            "type": (self.type, default_type(self.kind, limited, self.values)),
            "unit": (self.unit, ""),
            "description": (self.description, ""),
            "minimum": (self.minimum, None),
            "maximum": (self.maximum, None),
            "values": (list(self.values), []),
            "nullable": (self.nullable, False),
            "role": (self.role, Role.INPUT),
            "drift": (self.drift, default_drift(self.role)),
            "max_categories": (self.max_categories, DEFAULT_MAX_CATEGORIES),
        }
        return {
            "name": self.name,
            "kind": self.kind,
            **{key: value for key, (value, default) in optional.items() if value != default},
        }


def default_drift(role: Role) -> Drift:
    """Return the use of the drift score where the file says none."""
    return Drift.DECIDES if role is Role.INPUT else Drift.SHOWN


def default_type(kind: Kind, limited: bool, values: Sequence[object]) -> FeatureType:
    """Return the type of a column whose file says none.

    A category is of integers when it has limits or its values are integers, else of strings.
    """
    if kind is Kind.NUMBER:
        return FeatureType.FLOAT
    if kind is Kind.BOOLEAN:
        return FeatureType.INTEGER
    integers = bool(values) and isinstance(values[0], int)
    return FeatureType.INTEGER if limited or integers else FeatureType.STRING
