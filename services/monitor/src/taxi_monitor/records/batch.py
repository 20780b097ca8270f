"""Prediction records as columns, of whatever schemas they are.

Most records were walked through together (`taxi_monitor.records.bson`); the others are there one by
one. A reader takes both alike.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

import numpy as np
from numpy.typing import NDArray

from taxi_domain.records import PredictionRecord, utc
from taxi_monitor.records.walk import NULL, Bytes, Floats, Ids, Mask

#: Stands for a time that is not known.
NO_TIME: Final = -(2**63)
_NO_VERSION: Final = -1
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND: Final = timedelta(milliseconds=1)

Times = NDArray[np.int64]


@dataclass(slots=True)
class Values:
    """One input of n records.

    Attributes:
        types: BSON's, shape (n,); that of null where a record has none.
        numbers: Numbers and booleans, shape (n,); NaN where a value is no such.
        texts: Texts as UTF-8, None where a value is none; None when there are none at all.
    """

    types: Bytes
    numbers: Floats
    texts: list[bytes | None] | None = None

    @classmethod
    def empty(cls, rows: int) -> "Values":
        """Return values that are all missing."""
        return cls(np.full(rows, NULL, np.uint8), np.full(rows, np.nan))

    def put(self, places: Ids, part: "Values") -> None:
        """Take some records' values."""
        self.types[places] = part.types
        self.numbers[places] = part.numbers
        if part.texts is not None:
            if self.texts is None:
                self.texts = [None] * len(self.types)
            for place, text in zip(places.tolist(), part.texts, strict=True):
                self.texts[place] = text


@dataclass(slots=True)
class RecordBatch:
    """n records in the order in which they came.

    Attributes:
        ids: Of the rows.
        ts: Times of the answers, seconds since the epoch, shape (n,).
        milliseconds: The same in whole milliseconds, as the log has them.
        event_times: Local, milliseconds since a local 1970; `NO_TIME` where a record has none.
        stored_at: Times of storing, milliseconds since the epoch; `NO_TIME` where not known.
        versions: Model versions that answered, or answered in the shadow.
        answered: Place in `versions`, shape (n,).
        predictions: Of that version, in the target's unit, shape (n,).
        shadowed: Place in `versions` of the answer in the shadow; -1 for none.
        shadow_predictions: That answer.
        inputs: By name, of the records that were walked.
        walked: Which were.
        others: The records that were not, by place.
        source: Reads one that was walked again, for what cannot be told of many.
    """

    ids: list[str]
    ts: Floats
    milliseconds: Times
    event_times: Times
    stored_at: Times
    versions: list[str]
    answered: Ids
    predictions: Floats
    shadowed: Ids
    shadow_predictions: Floats
    inputs: dict[str, Values] = field(default_factory=dict)
    walked: Mask = field(default_factory=lambda: np.zeros(0, np.bool_))
    others: dict[int, PredictionRecord] = field(default_factory=dict)
    source: Callable[[int], PredictionRecord] | None = None

    @classmethod
    def empty(cls, rows: int) -> "RecordBatch":
        """Return places for records."""

        def times() -> Times:
            return np.full(rows, NO_TIME)

        return cls(
            [""] * rows, np.zeros(rows), times(), times(), times(), [], np.full(rows, _NO_VERSION),
            np.zeros(rows), np.full(rows, _NO_VERSION), np.zeros(rows), {},
            np.zeros(rows, np.bool_),
        )  # fmt: skip

    def __len__(self) -> int:
        """Return the number of records."""
        return len(self.ids)

    def record(self, place: int) -> PredictionRecord:
        """Return one record."""
        found = self.others.get(place)
        if found is None:
            if self.source is None:
                raise IndexError(f"record {place} of {len(self)}")
            found = self.source(place)
        return found

    def put(self, place: int, record: PredictionRecord) -> None:
        """Take a record that was not walked."""
        ts = utc(record.ts)
        self.others[place] = record
        self.ids[place] = record.row_id
        self.ts[place] = ts.timestamp()
        self.milliseconds[place] = (ts - EPOCH) // MILLISECOND
        self.answered[place] = self.version_place(record.model_version)
        self.predictions[place] = record.prediction

    def version_place(self, version: str) -> int:
        """Return the place of a version, which it gets where it has none."""
        try:
            return self.versions.index(version)
        except ValueError:
            self.versions.append(version)
            return len(self.versions) - 1

    def answers(self, version: str, places: Ids | None = None) -> tuple[Ids, Floats]:
        """Return which records a version answered, also in the shadow, and its answers.

        Args:
            version: Model version.
            places: Of the records that are wanted; all when it is None.

        Returns:
            Places, ascending, and answers in the target's unit.
        """
        place = self.versions.index(version) if version in self.versions else _NO_VERSION - 1
        here = self.answered == place
        found = np.where(here, self.predictions, self.shadow_predictions)
        here = here | (self.shadowed == place)
        for other, record in self.others.items():
            if record.shadow and record.model_version != version:
                shadows = [one.prediction for one in record.shadow if one.model_version == version]
                here[other] = bool(shadows)
                found[other] = shadows[0] if shadows else 0.0
        if places is not None:
            chosen = places[here[places]]
            return chosen, found[chosen]
        return np.flatnonzero(here), found[here]


def batch_of(records: Iterable[PredictionRecord]) -> RecordBatch:
    """Return records that were read one by one."""
    known = list(records)
    batch = RecordBatch.empty(len(known))
    for place, record in enumerate(known):
        batch.put(place, record)
    return batch


def part_of(batch: RecordBatch, places: Sequence[int]) -> RecordBatch:
    """Return some records of a batch, in this order."""
    chosen = np.asarray(places, np.int64)
    source = batch.source
    inputs: Mapping[str, Values] = batch.inputs
    return RecordBatch(
        [batch.ids[place] for place in places], batch.ts[chosen], batch.milliseconds[chosen],
        batch.event_times[chosen], batch.stored_at[chosen], batch.versions,
        batch.answered[chosen], batch.predictions[chosen], batch.shadowed[chosen],
        batch.shadow_predictions[chosen],
        {
            name: Values(
                one.types[chosen], one.numbers[chosen],
                None if one.texts is None else [one.texts[place] for place in places],
            )
            for name, one in inputs.items()
        },
        batch.walked[chosen],
        {new: batch.others[old] for new, old in enumerate(places) if old in batch.others},
        None if source is None else (lambda place: source(int(chosen[place]))),
    )  # fmt: skip
