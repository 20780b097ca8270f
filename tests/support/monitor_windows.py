"""Records of the taxi example, and states that watch a version of it."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from support.taxi_columns import DISTANCE, DROPOFF, PICKUP, SCHEMA
from taxi_domain.models import Alias
from taxi_domain.records import Label, PredictionRecord
from taxi_monitor.records.batch import batch_of
from taxi_monitor.windows.reader import RowReader
from taxi_monitor.windows.state import State
from taxi_monitor.windows.versions import WatchedVersion, watched_version
from taxi_profiles.reference import Reference
from taxi_schema.schema import Schema

NOW = datetime(2021, 2, 1, 8, tzinfo=UTC)


def taxi_inputs(pickup: int, dropoff: int, distance: float) -> dict[str, Any]:
    """Return the inputs of a ride's record."""
    return {PICKUP: pickup, DROPOFF: dropoff, DISTANCE: distance}


def taxi_record(
    number: int, inputs: dict[str, Any], event_time: datetime | None = None, **parts: Any
) -> PredictionRecord:
    """Return an answer of version v1 to row `r<number>`, so many seconds after `NOW`.

    Args:
        number: Of the row.
        inputs: Of the record.
        event_time: Local.
        parts: Other fields of the record.
    """
    record = PredictionRecord(
        f"r{number}", NOW + timedelta(seconds=number), event_time, "m", "v1", "champion", inputs,
        12.0,
    )  # fmt: skip
    return record._replace(**parts)


def watched(
    reference: Reference, rows: int, *, version: str = "v1", schema: Schema = SCHEMA,
    role: str = Alias.CHAMPION,
) -> WatchedVersion:  # fmt: skip
    """Return a version with empty windows of so many rows."""
    reader = RowReader(version, schema, reference)
    return watched_version(role, reader, window_rows=rows, error_window_rows=rows)


def watching(reference: Reference, rows: int, min_rows: int) -> State:
    """Return a state that watches version v1 of the taxi example."""
    state = State(rows, min_rows)
    state.watch(Alias.CHAMPION, watched(reference, rows))
    return state


def rebuild(
    version: WatchedVersion,
    records: Iterable[PredictionRecord],
    labelled: Sequence[tuple[PredictionRecord, Label]],
) -> None:
    """Fill a version's windows from a log of so many records."""
    version.add(batch_of(records))
    version.join(
        [label.row_id for _, label in labelled],
        np.array([label.value for _, label in labelled]),
        batch_of(record for record, _ in labelled),
    )
