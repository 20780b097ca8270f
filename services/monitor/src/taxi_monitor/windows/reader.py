"""How records become rows of a version's windows: compiled once, by the version's own schema."""

import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final

import numpy as np

from taxi_domain.numbers import MAX_NUMBER
from taxi_domain.records import PredictionRecord, utc
from taxi_monitor.records.batch import NO_TIME, RecordBatch, Values
from taxi_monitor.records.walk import BOOLEAN, DOUBLE, INTEGER, LONG, NULL, TEXT
from taxi_monitor.windows.misfits import Misfits
from taxi_monitor.windows.window import WIDTH, Floats, Ids, Mask, Rows
from taxi_profiles.reference import PREDICTION, TARGET, Reference
from taxi_schema.column import Column, FeatureType, Kind, Value
from taxi_schema.fitting import readable
from taxi_schema.records import row_of
from taxi_schema.schema import Schema

Encode = Callable[[Value], float]

_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001 - local times count from a local 1970
_NAN: Final = math.nan
#: Doubles of this size and more are beyond 64-bit integers, or have lost digits of theirs.
_TOO_LARGE: Final = 2.0**63
#: Clocks are changed at whole multiples of this since the epoch.
_QUARTER_SECONDS: Final = 900
#: Texts that a column remembers the codes of; beyond so many all are forgotten.
_MAX_TEXTS: Final = 20_000


class RowReader:
    """Reads records of any schema as rows of one version.

    What is absent from a record is missing; so is what does not fit its column, which is counted.

    Args:
        version: Model version.
        schema: Of the version.
        reference: Of the version.
        misfits: Is told what does not fit.

    Attributes:
        names: Columns of the rows, in their order.

    Raises:
        ValueError: the reference has a column that the schema does not have.
    """

    def __init__(
        self, version: str, schema: Schema, reference: Reference, misfits: Misfits | None = None
    ) -> None:
        self.version = version
        self.schema = schema
        self.reference = reference
        self.names = tuple(name for name in reference.columns if name not in {PREDICTION, TARGET})
        self._misfits = misfits or Misfits()
        self._zone: tzinfo = UTC if schema.event_time is None else schema.event_time.zone
        places = {column.name: place for place, column in enumerate(schema.columns)}
        unknown = [name for name in self.names if name not in places]
        if unknown:
            raise ValueError(f"columns that the schema does not have: {', '.join(unknown)}")
        self._steps = tuple(
            (places[name], _encoder(schema.columns[places[name]], reference)) for name in self.names
        )
        wanted = {name: WIDTH + place for place, name in enumerate(self.names)}
        self._columns = tuple(
            (column.name, wanted.get(column.name), _ColumnReader(column, reference))
            for column in schema.columns
        )

    def rows_of(self, batch: RecordBatch, places: Ids, predictions: Floats, source: str) -> Rows:
        """Take what a window keeps of records; the targets are not known yet.

        Args:
            batch: Records of any schema.
            places: Of the records that are wanted.
            predictions: This version's answers to them.
            source: Where they came from: `push` or `log`.
        """
        table = np.full((len(places), WIDTH + len(self.names)), _NAN)
        fits: Mask = batch.walked[places]
        for name, at, column in self._columns:
            values = batch.inputs.get(name)
            if values is None:
                continue
            read, fine = column.read(values, places)
            fits = fits & fine
            if at is not None:
                table[:, at] = read
        event_times = batch.event_times[places]
        timed = event_times != NO_TIME
        if self.schema.event_time is None:
            timed[:] = False
        table[:, 0] = predictions
        table[:, 1] = event_times / 1000
        table[:, 3] = timed
        untimed = np.flatnonzero(~timed & fits)
        table[untimed, 1] = self._local(batch.milliseconds[places[untimed]])
        for row in np.flatnonzero(~fits).tolist():
            record = batch.record(int(places[row]))
            table[row, 1:] = self._values_of(record, source)
        whole = len(places) == len(batch)
        ids = batch.ids if whole else [batch.ids[place] for place in places.tolist()]
        return Rows(batch.ts[places], ids, table)

    def _values_of(self, record: PredictionRecord, source: str) -> list[float]:
        """Return a row of the table behind the prediction, of a record by itself."""
        read, problems = row_of(self.schema, record.inputs, record.event_time)
        if problems:
            self._misfits.add(source, self.version, record.row_id, problems)
        local = read.event_time or utc(record.ts).astimezone(self._zone).replace(tzinfo=None)
        return [
            (local - _EPOCH).total_seconds(),
            _NAN,
            float(read.event_time is not None),
            *(encode(read.values[place]) for place, encode in self._steps),
        ]

    def _local(self, milliseconds: Ids) -> Floats:
        """Return times of answers as seconds since a local 1970, shape (n,)."""
        steps = milliseconds // (1000 * _QUARTER_SECONDS)
        quarters, places = np.unique(steps, return_inverse=True)
        ahead = [_milliseconds_ahead(one * _QUARTER_SECONDS, self._zone) for one in quarters]
        offsets = np.array(ahead, np.int64)
        return (milliseconds + offsets[places.reshape(-1)]) / 1000


def _milliseconds_ahead(seconds: int, zone: tzinfo) -> int:
    """Return how far local clocks are ahead of UTC at a time, seconds since the epoch."""
    offset = (_EPOCH.replace(tzinfo=UTC) + timedelta(seconds=int(seconds))).astimezone(zone)
    return (offset.utcoffset() or timedelta()) // timedelta(milliseconds=1)


class _ColumnReader:
    """Reads one column of many records; what it is not sure of is for `taxi_schema.records`."""

    def __init__(self, column: Column, reference: Reference) -> None:
        self._column = column
        kinds = np.zeros(256, np.bool_)
        kinds[[NULL, *_TYPES[column.kind, column.type]]] = True
        self._kinds = kinds
        categories = reference.categories.get(column.name, ())
        self._unseen = float(len(categories))
        self._known: dict[bytes | None, float] = {
            text.encode(): float(place) for place, text in enumerate(categories)
        }
        self._known[None] = _NAN
        self._codes = dict(self._known)

    def read(self, values: Values, places: Ids) -> tuple[Floats, Mask]:
        """Return numbers or codes, and which are sure, each of shape (n,)."""
        types, numbers = values.types[places], values.numbers[places]
        fine: Mask = self._kinds[types]
        if self._column.type is FeatureType.STRING:
            return self._texts(values, places, fine)
        if self._column.kind is Kind.NUMBER:
            fine &= (np.abs(numbers) <= MAX_NUMBER) | (types == NULL)
        elif self._column.kind is Kind.CATEGORY:
            double = types == DOUBLE
            if double.any():
                whole = (np.floor(numbers) == numbers) & (np.abs(numbers) < _TOO_LARGE)
                fine &= whole | ~double
        return numbers, fine

    def _texts(self, values: Values, places: Ids, fine: Mask) -> tuple[Floats, Mask]:
        texts = values.texts
        if texts is None:
            return np.full(len(places), _NAN), fine
        chosen = texts if len(places) == len(texts) else [texts[one] for one in places.tolist()]
        known = self._codes
        new = {*chosen} - known.keys()
        if new and len(known) + len(new) > _MAX_TEXTS:
            known = self._codes = dict(self._known)
            new = {*chosen} - known.keys()
        for text in new:
            known[text] = self._code_of(text)
        codes = np.array([known[text] for text in chosen], np.float64)
        # An infinite code stands for a text that is no category.
        return codes, fine & ~np.isinf(codes)

    def _code_of(self, text: bytes | None) -> float:
        value = (text or b"").decode("utf-8", "replace")
        _, reason = readable(self._column, value)
        return math.inf if reason is not None else self._unseen


_TYPES: Final = {
    (Kind.NUMBER, FeatureType.FLOAT): (DOUBLE, INTEGER, LONG),
    (Kind.CATEGORY, FeatureType.INTEGER): (DOUBLE, INTEGER, LONG),
    (Kind.CATEGORY, FeatureType.STRING): (TEXT,),
    (Kind.BOOLEAN, FeatureType.INTEGER): (BOOLEAN,),
}


def _encoder(column: Column, reference: Reference) -> Encode:
    """Return what makes a number of one value, as `Reference.codes` does of many."""
    if column.type is not FeatureType.STRING:
        return _number
    categories = reference.categories.get(column.name, ())
    codes: dict[Value, float] = {text: float(place) for place, text in enumerate(categories)}
    codes[None] = _NAN
    unseen = float(len(categories))
    return lambda value: codes.get(value, unseen)


def _number(value: Value) -> float:
    return _NAN if value is None else float(value)
