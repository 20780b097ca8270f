"""Answers of a batch in the prediction log, as the delivery writes those of requests."""

import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray
from pymongo.database import Database

from taxi_predict.batch.chosen_model import ChosenModel
from taxi_predict.batch.scoring import Scored
from taxi_predict.delivery.bson_template import BsonTemplates
from taxi_predict.spool.record import Entry
from taxi_runtime.patience import patiently
from taxi_schema.column import Column, Kind
from taxi_schema.columns.arrays import is_missing
from taxi_store.connection import Document
from taxi_store.log.prediction_log import InsertResult, insert_encoded

#: Rows of one insert.
_BATCH: Final = 2000
#: Offsets of zones change at multiples of this, seconds.
_STEP: Final = 900


class BatchLog:
    """Logs scored pieces; the first answer of a row stays.

    Args:
        database: Where the log is.
        chosen: The model that answered.
        patience: How long MongoDB may be away, seconds.
        at_event_time: Rows are logged as if they had been answered at their event time.
    """

    def __init__(
        self,
        database: Database[Document],
        chosen: ChosenModel,
        patience: float,
        *,
        at_event_time: bool,
    ) -> None:
        self._database = database
        self._chosen = chosen
        self._patience = patience
        time = chosen.model.schema.event_time
        self._zone = time.zone if at_event_time and time is not None else None
        self._templates = BsonTemplates()

    def write(self, scored: Scored) -> int:
        """Log the answers; return how many rows the log had before.

        Raises:
            StoreUnavailableError: MongoDB was away for too long; a repeat changes nothing.
        """
        repeated = 0
        for batch in _batches(self._records(scored)):
            repeated += patiently(self._patience, partial(self._insert, batch)).repeated
        return repeated

    def _insert(self, records: Sequence[bytes]) -> InsertResult:
        return insert_encoded(self._database, records, datetime.now(UTC))

    def _records(self, scored: Scored) -> Iterator[bytes]:
        model, name, role = self._chosen.model, self._chosen.name, self._chosen.role
        answered = scored.answered
        places = np.flatnonzero(answered)
        columns = [
            _values(column, scored.columns[column.name][answered])
            for column in model.schema.columns
        ]
        times = scored.event_times[answered]
        for place, milliseconds, moment, values, answer in zip(
            places.tolist(), self._milliseconds(times), times.tolist(), zip(*columns, strict=True),
            scored.answers[answered].tolist(), strict=True,
        ):  # fmt: skip
            entry = Entry(
                scored.ids[place], milliseconds, name, model.version, role, moment, values, answer,
                None,
            )  # fmt: skip
            yield self._templates.encoded(entry, model.columns)

    def _milliseconds(self, times: NDArray[np.datetime64]) -> list[int]:
        """Return the times of the answers, never later than now."""
        now = int(time.time() * 1000)
        if self._zone is None:
            return [now] * len(times)
        moments: list[int] = np.minimum(utc_milliseconds(times, self._zone), now).tolist()
        return moments


def utc_milliseconds(times: NDArray[np.datetime64], zone: ZoneInfo) -> NDArray[np.int64]:
    """Return local times as milliseconds since the epoch; of an hour that comes twice, the first.

    Args:
        times: datetime64[us], none missing.
        zone: Of the times.
    """
    seconds = times.astype("datetime64[s]").astype(np.int64)
    steps, places = np.unique(seconds // _STEP, return_inverse=True)
    offsets = []
    for step in steps.tolist():
        offset = np.datetime64(step * _STEP, "s").astype(datetime).replace(tzinfo=zone).utcoffset()
        offsets.append(int(offset.total_seconds()) * 1000)
    local: NDArray[np.int64] = times.astype("datetime64[ms]").astype(np.int64)
    return local - np.array(offsets, np.int64)[places.reshape(-1)]


def _values(column: Column, array: NDArray[Any]) -> list[Any]:
    """Return a column's values as rows have them."""
    missing = is_missing(column, array)
    values: list[Any] = (array == 1 if column.kind is Kind.BOOLEAN else array).tolist()
    for place in np.flatnonzero(missing).tolist():
        values[place] = None
    return values


def _batches(records: Iterator[bytes]) -> Iterator[Sequence[bytes]]:
    batch: list[bytes] = []
    for record in records:
        batch.append(record)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch
