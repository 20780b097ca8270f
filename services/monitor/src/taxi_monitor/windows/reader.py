"""How records become rows of a version's windows: compiled once, by the version's own schema."""

import math
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from taxi_domain.records import PredictionRecord, utc
from taxi_monitor.windows.misfits import Misfits
from taxi_monitor.windows.window import Row
from taxi_profiles.reference import PREDICTION, TARGET, Reference
from taxi_schema.column import Column, FeatureType, Value
from taxi_schema.records import row_of
from taxi_schema.schema import Schema

Encode = Callable[[Value], float]

_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001 - local times count from a local 1970
#: Always this object, so that rows with missing values compare equal.
_NAN: Final = math.nan


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
        self._zone = UTC if schema.event_time is None else schema.event_time.zone
        places = {column.name: place for place, column in enumerate(schema.columns)}
        unknown = [name for name in self.names if name not in places]
        if unknown:
            raise ValueError(f"columns that the schema does not have: {', '.join(unknown)}")
        self._steps = tuple(
            (places[name], _encoder(schema.columns[places[name]], reference)) for name in self.names
        )

    def row_of(self, record: PredictionRecord, prediction: float, source: str) -> Row:
        """Take what a window keeps of a record; the target is not known yet.

        Args:
            record: Of any schema.
            prediction: This version's.
            source: Where it came from: `push` or `log`.
        """
        read, problems = row_of(self.schema, record.inputs, record.event_time)
        if problems:
            self._misfits.add(source, self.version, record.row_id, problems)
        ts = utc(record.ts)
        local = read.event_time or ts.astimezone(self._zone).replace(tzinfo=None)
        values = read.values
        return Row(
            ts=ts.timestamp(),
            row_id=record.row_id,
            values=tuple([encode(values[place]) for place, encode in self._steps]),
            prediction=prediction,
            moment=(local - _EPOCH).total_seconds(),
            target=_NAN,
            timed=read.event_time is not None,
        )


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
