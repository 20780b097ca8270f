"""A log in a real MongoDB, and monitors that judge it block by block."""

import random
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache

import numpy as np
from prometheus_client import CollectorRegistry
from pymongo.database import Database

from support.monitor_windows import watched
from support.taxi_columns import DISTANCE, DROPOFF, PICKUP, SCHEMA, taxi_rides, usual
from taxi_domain.models import MODEL_NAME, Alias
from taxi_domain.mongodb import ALIASES, LABELS, PREDICTIONS, ROWS, VERDICTS
from taxi_domain.records import LABEL_VALUE, PredictionRecord
from taxi_monitor.evidence.unserved import ROLE
from taxi_monitor.evidence.view import EvidenceView
from taxi_monitor.metrics.counters import Counters
from taxi_monitor.settings import Settings
from taxi_monitor.tailer.evidence_thread import EvidenceThread
from taxi_monitor.windows.state import State
from taxi_profiles.evidence.calibrate import calibrate
from taxi_profiles.reference import Reference, reference_of
from taxi_schema.columns.rows import LabelledRows
from taxi_store.connection import Document
from taxi_store.log.malformed import Unreadable
from taxi_train.artifact.builder import sample_of

BLOCK = 100
START = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


@cache
def rides() -> LabelledRows:
    found = usual(taxi_rides("green-2020-03-before.parquet"))[:9000]
    return found.predicted(5 + 3.2 * np.minimum(found.columns[DISTANCE], 15))


@cache
def reference() -> Reference:
    sample = sample_of(SCHEMA, rides()[:6000])
    found = reference_of(sample)
    return replace(found, evidence=calibrate(found, sample, block_rows=BLOCK).arrays())


class Judged:
    """A log, and monitors that judge it.

    Attributes:
        seconds: Time since `START`, which tests let go by.
        version: Of the rows.
    """

    def __init__(
        self, database: Database[Document], *, version: str = "v1", **settings: str
    ) -> None:
        self.database = database
        self.version = version
        self.seconds = 0.0
        self.settings = Settings.model_validate({
            "TAXI_MONGODB_URI": "mongodb://h/x", "TAXI_MONITOR_TOKEN": "12345678",
            "TAXI_MONITOR_FALSE_ALARM_ROWS": "10000", "TAXI_MONITOR_SETTLE_SECONDS": "10",
            **settings,
        })  # fmt: skip

    def now(self) -> datetime:
        return START + timedelta(seconds=self.seconds)

    def monitor(self, known: Reference | None = None) -> EvidenceThread:
        state, rows = State(1000, 100), State(1000, 100)
        state.watch(Alias.CHAMPION, watched(known or reference(), 1000))
        if self.database[ROWS].find_one() is not None:
            rows.watch(ROLE, watched(known or reference(), 1000, role=ROLE))
        return EvidenceThread(
            self.database, self.settings, state, Counters(CollectorRegistry()),
            unreadable=Unreadable(), rows=rows, clock=lambda: self.now().timestamp(),
        )  # fmt: skip

    def view(self, monitor: EvidenceThread) -> EvidenceView:
        monitor.cycle()
        found = monitor.views.of(self.version)
        assert found is not None
        return found

    def store(self, numbers: Iterable[int], behind: float = 0.0, scale: float = 1.0) -> None:
        """Log rides, answered when they are stored."""
        self._insert(PREDICTIONS, [self._record(number, scale) for number in numbers], behind)

    def _record(self, number: int, scale: float) -> Document:
        part = rides()
        inputs = {name: part.columns[name][number].item() for name in (PICKUP, DROPOFF, DISTANCE)}
        inputs[DISTANCE] *= scale
        return PredictionRecord(
            f"r{number:05d}", self.now(), part.event_times[number].item(), MODEL_NAME, self.version,
            "champion", inputs, float(part.prediction[number]),
        ).to_document()  # fmt: skip

    def offer(self, numbers: Iterable[int], scale: float = 1.0, behind: float = 0.0) -> None:
        """Store rides that nobody predicts."""
        documents = [self._record(number, scale) for number in numbers]
        kept = ("_id", "ts", "event_time", "model", "inputs")
        self._insert(ROWS, [{name: one[name] for name in kept} for one in documents], behind)

    def label(self, numbers: Iterable[int], behind: float = 0.0) -> None:
        """Store labels."""
        targets = rides().target
        documents = [
            {
                "_id": f"r{number:05d}", "ts": self.now(),
                # Some are as TLC has them: hours, with the meter left on.
                LABEL_VALUE: float(targets[number]) if number % 37 else 700.0,
            }
            for number in numbers
        ]  # fmt: skip
        self._insert(LABELS, documents, behind)

    def _insert(self, collection: str, documents: list[Document], behind: float) -> None:
        at = self.now() - timedelta(seconds=behind)
        # Whoever reads gets rows of one time in any order.
        random.Random(len(documents)).shuffle(documents)
        self.database[collection].insert_many([{**one, "stored_at": at} for one in documents])

    def promote(self) -> None:
        """Make the version the champion."""
        self.database[ALIASES].insert_one({
            "_id": f"{MODEL_NAME}/champion", "model": MODEL_NAME, "alias": "champion",
            "version": self.version, "previous": None, "revision": 1, "moved_at": self.now(),
            "moved_by": "test",
        })  # fmt: skip

    def verdicts(self) -> list[Document]:
        return list(self.database[VERDICTS].find({}, {"detector": 0}).sort("_id", 1))


def _reference() -> Reference:
    return reference()
