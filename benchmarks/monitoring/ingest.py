"""Rows posted to a real monitor as the predictor's delivery posts them: its CPU time and memory.

MongoDB runs beside it, with the model, and for the memory with the rows. Bodies of 1,000 encoded
rows are made once; before each is sent, ids and times are put in, so that every row is a new one
and the sender costs little. Posts go over one connection, one after the other.
"""

import http.client
import json
import math
import re
import struct
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Final

import httpx
import numpy as np
from serving.usage import cpu_seconds, resident_mib
from support.artifacts import Linear, artifact_for
from support.monitor import HEADERS, Monitor
from support.predictor import register

from monitoring.rides import PREDICTION, SCHEMA, TARGET, rides, rows_of
from taxi_domain.evidence_metrics import MONITOR_EVIDENCE_AGE
from taxi_domain.models import MODEL_NAME, PROFILE_FILE, REFERENCE_FILE, Alias
from taxi_domain.mongodb import LABELS
from taxi_domain.records import LABEL_VALUE, PredictionRecord
from taxi_local.mongod import running_mongod
from taxi_schema.columns.rows import from_bytes
from taxi_schema.records import inputs_of
from taxi_store.admin.indexes import ensure_indexes
from taxi_store.connection import connect, database_of
from taxi_store.log.encoding import CONTENT_TYPE, encoded
from taxi_store.log.prediction_log import insert_encoded
from taxi_store.registry.artifacts import Artifact, artifact_of
from taxi_train.artifact.builder import profile

#: Rows of a body.
BATCH: Final = 1000
REFERENCE_ROWS: Final = 50_000
#: Longer than any measurement: no evaluation falls into it.
_NEVER: Final = "3600"
_DIGITS: Final = 8
_NOW: Final = datetime(2021, 4, 1, tzinfo=UTC)
_TS: Final = b"\x09ts\x00"


def artifact() -> Artifact:
    """Make a model with a reference of 50,000 rides, calibrated as training does."""
    columns = rides(REFERENCE_ROWS, 1)
    plain = artifact_for(
        SCHEMA, Linear(4.0, {"trip_distance": 3.0}), rows_of(columns), columns[TARGET].tolist()
    )
    known = profile(SCHEMA, from_bytes(SCHEMA, plain.files[REFERENCE_FILE]))
    return artifact_of({**plain.files, PROFILE_FILE: known.to_bytes()})


class Bodies:
    """Bodies of new rows, made by changing one in place.

    Args:
        version: That answered.
    """

    def __init__(self, version: str) -> None:
        columns = rides(BATCH, 2)
        documents = [
            encoded(PredictionRecord(
                f"{'0' * _DIGITS}-{place:04}", _NOW + timedelta(seconds=place), row.event_time,
                MODEL_NAME, version, Alias.CHAMPION, inputs_of(SCHEMA, row),
                float(columns[PREDICTION][place]), 0.002,
            ))
            for place, row in enumerate(rows_of(columns))
        ]  # fmt: skip
        self.row_bytes = sum(map(len, documents)) / BATCH
        starts = np.cumsum([0, *map(len, documents[:-1])])
        self._body = bytearray(b"".join(documents))
        self._view = np.frombuffer(self._body, np.uint8)
        ids = [one.index(b"0" * _DIGITS) for one in documents]
        times = [one.index(_TS) + len(_TS) for one in documents]
        self._ids = (starts + ids)[:, np.newaxis] + np.arange(_DIGITS)
        self._times = (starts + times)[:, np.newaxis] + np.arange(8)
        self._bounds = [*starts.tolist(), len(self._body)]
        self._targets = columns[TARGET].tolist()
        self._sent = 0

    def labels(self, now: datetime) -> list[dict[str, object]]:
        """Return labels of the rows of the body that was returned last."""
        return [
            {
                "_id": f"{self._sent:0{_DIGITS}}-{place:04}",
                LABEL_VALUE: value,
                "ts": now,
                "stored_at": now,
            }
            for place, value in enumerate(self._targets)
        ]

    def labels_of(self, number: int) -> list[dict[str, object]]:
        """Return labels of a body's rows as clients post them."""
        return [
            {SCHEMA.id: f"{number:0{_DIGITS}}-{place:04}", SCHEMA.target.name: value}
            for place, value in enumerate(self._targets)
        ]

    def split(self, body: bytes) -> list[bytes]:
        """Return the documents of a body."""
        return [body[begin:end] for begin, end in pairwise(self._bounds)]

    def next(self) -> bytes:
        """Return the next body."""
        self._sent += 1
        digits = np.frombuffer(f"{self._sent:0{_DIGITS}}".encode(), np.uint8)
        self._view[self._ids] = digits
        first = int(_NOW.timestamp() * 1000) + self._sent * BATCH
        times = b"".join(struct.pack("<q", first + place) for place in range(BATCH))
        self._view[self._times] = np.frombuffer(times, np.uint8).reshape(BATCH, 8)
        return bytes(self._body)


class Posted:
    """A monitor that rows are posted to.

    Args:
        monitor: Runs.
        version: That the rows were answered by.
        uri: Of its MongoDB.
    """

    def __init__(self, monitor: Monitor, version: str, uri: str) -> None:
        self.bodies = Bodies(version)
        self._database = database_of(connect(uri, app_name="bench"))
        self._metrics_url = monitor.metrics_url
        self._connection = http.client.HTTPConnection("127.0.0.1", monitor.port, timeout=30)
        (self.pid,) = [pid for pid in monitor.pids() if pid != monitor.pid]

    def behind(self) -> float:
        """Return how far the evidence is behind the log, seconds; it waits 30 by itself."""
        text = httpx.get(f"{self._metrics_url}/metrics", timeout=30).text
        found = re.search(rf"^{MONITOR_EVIDENCE_AGE.name}{{.*}} (\S+)$", text, re.MULTILINE)
        return float(found[1]) if found else math.inf

    def post_labels(self, first: int, last: int) -> float:
        """Post the labels of bodies of rows that were posted; return the seconds that it takes.

        Args:
            first: Number of the first body, from 1.
            last: Number of the last one.
        """
        took = 0.0
        for number in range(first, last + 1):
            body = json.dumps({"labels": self.bodies.labels_of(number)})
            begin = time.monotonic()
            self._connection.request(
                "POST", "/v1/labels", body, {**HEADERS, "Content-Type": "application/json"}
            )
            answer = self._connection.getresponse()
            taken = json.loads(answer.read())
            took += time.monotonic() - begin
            if answer.status != 200 or taken["refused"]:
                raise RuntimeError(f"monitor: {answer.status} {taken}")
        return took

    def post(self, rows: int, *, logged: bool = False, labelled: bool = True) -> float:
        """Post rows; return the CPU time of the monitor's worker for each, us.

        Args:
            rows: How many.
            logged: Write them into the log before, as the delivery does; the monitor reads them
                again from there.
            labelled: Then write their labels, too.
        """
        before = cpu_seconds([self.pid])
        for _ in range(rows // BATCH):
            body = self.bodies.next()
            if logged:
                insert_encoded(self._database, self.bodies.split(body), datetime.now(UTC))
            self._connection.request(
                "POST", "/v1/predictions", body, {**HEADERS, "Content-Type": CONTENT_TYPE}
            )
            if logged and labelled:
                self._database[LABELS].insert_many(self.bodies.labels(datetime.now(UTC)))
            answer = self._connection.getresponse()
            taken = json.loads(answer.read())
            # What is in the log may have been read from there a moment before.
            new = taken["accepted"] + (taken["repeated"] if logged else 0)
            if answer.status != 200 or new != BATCH:
                raise RuntimeError(f"monitor: {answer.status} {taken}")
        return (cpu_seconds([self.pid]) - before) / rows * 1e6


@contextmanager
def monitors(known: Artifact, **settings: dict[str, str]) -> Iterator[dict[str, Posted]]:
    """Run monitors with different settings beside one MongoDB."""
    with tempfile.TemporaryDirectory() as text, running_mongod() as mongod:
        version = register(mongod.uri, Alias.CHAMPION, known)
        with connect(mongod.uri, app_name="bench") as client:
            ensure_indexes(database_of(client))
        running: list[Monitor] = []
        try:
            found = {}
            for name, variables in settings.items():
                folder = Path(text) / name
                folder.mkdir()
                quiet = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
                monitor = Monitor(folder, mongod.uri, **{**quiet, **variables})
                running.append(monitor)
                found[name] = Posted(monitor.start(), version, mongod.uri)
            yield found
        finally:
            for monitor in running:
                monitor.stop()


@dataclass(frozen=True, slots=True)
class Ingest:
    """What a row costs.

    Attributes:
        us_per_row: CPU time of the monitor with a window of 2,000 rows, without evaluations.
        wide_us_per_row: The same with a window of 50,000 rows.
        row_bytes: Of an encoded row.
    """

    us_per_row: float
    wide_us_per_row: float
    row_bytes: float


def ingest(known: Artifact, rows: int, rounds: int) -> Ingest:
    """Post rows to monitors with a small and a wide window, in turn."""
    windows = {"usual": "2000", "wide": "50000"}
    settings = {
        name: {
            "TAXI_MONITOR_WINDOW_ROWS": size, "TAXI_MONITOR_EVALUATION_SECONDS": _NEVER,
        }
        for name, size in windows.items()
    }  # fmt: skip
    taken: dict[str, list[float]] = {name: [] for name in windows}
    with monitors(known, **settings) as posted:
        for one in posted.values():
            one.post(100_000)  # the windows are full
        for _ in range(rounds):
            for name, one in posted.items():
                taken[name].append(one.post(rows))
        row_bytes = posted["usual"].bodies.row_bytes
    usual, wide = (float(np.median(taken[name])) for name in windows)
    return Ingest(usual, wide, row_bytes)


@dataclass(frozen=True, slots=True)
class Labels:
    """What 100,000 posted labels take, in bodies of 1,000 one after the other.

    Attributes:
        seconds: The first time, MongoDB's part with it.
        repeated_seconds: When they are posted again.
        us_per_label: CPU time of the monitor for each of the first, us.
        repeated_us_per_label: And of the others.
    """

    seconds: float
    repeated_seconds: float
    us_per_label: float
    repeated_us_per_label: float


def labels(known: Artifact, rows: int) -> Labels:
    """Post labels of rows that are in the log, twice."""
    found = []
    with monitors(known, usual={"TAXI_MONITOR_EVALUATION_SECONDS": "5"}) as posted:
        one = posted["usual"]
        one.post(rows, logged=True, labelled=False)
        for _ in range(2):
            before = cpu_seconds([one.pid])
            seconds = one.post_labels(1, rows // BATCH)
            found.append((seconds, (cpu_seconds([one.pid]) - before) / rows * 1e6))
    (first, own), (again, own_again) = found
    return Labels(first, again, own, own_again)


@dataclass(frozen=True, slots=True)
class Memory:
    """Resident memory of the monitor's worker, MiB.

    Attributes:
        started: Ready, before any row.
        tenths: After each tenth of the rows.
        us_per_row: CPU time of a row with all that falls into it, us.
        behind: How far the evidence was behind the log after each tenth, seconds; 0 without a log.
        rows_per_second: That were posted.
    """

    started: float
    tenths: list[float]
    us_per_row: float
    behind: list[float]
    rows_per_second: float


def memory(known: Artifact, rows: int, *, logged: bool) -> Memory:
    """Post many rows to a monitor with the chart's settings.

    Args:
        known: Model.
        rows: How many.
        logged: The log has them too, so that there are blocks to evaluate.
    """
    settings = {"TAXI_MONITOR_EVALUATION_SECONDS": "5"}
    with monitors(known, usual=settings) as posted:
        one = posted["usual"]
        started = resident_mib(one.pid)
        found, took, behind = [], [], []
        begin = time.monotonic()
        for _ in range(10):
            took.append(one.post(rows // 10, logged=logged))
            found.append(resident_mib(one.pid))
            behind.append(one.behind() if logged else 0.0)
        seconds = time.monotonic() - begin
    return Memory(started, found, float(np.mean(took)), behind, rows / seconds)
