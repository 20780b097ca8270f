"""How soon a monitor that was killed exports again what it did: window and evidence."""

import math
import re
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import httpx
import numpy as np
from support.monitor import Monitor
from support.predictor import register

from monitoring.ingest import BATCH, Bodies
from taxi_domain.evidence_metrics import MONITOR_EVIDENCE_BLOCKS
from taxi_domain.metrics import MONITOR_WINDOW_ROWS
from taxi_domain.models import Alias
from taxi_local.mongod import running_mongod
from taxi_store.admin.indexes import ensure_indexes
from taxi_store.connection import connect, database_of
from taxi_store.log.prediction_log import insert_encoded
from taxi_store.registry.artifacts import Artifact

_MOST_SECONDS: Final = 120.0
_LOOK_SECONDS: Final = 0.02


@dataclass(frozen=True, slots=True)
class Restart:
    """Seconds from the start of the process; medians.

    Attributes:
        window_seconds: Until the gauges of the whole window are there.
        evidence_seconds: Until those of all blocks are.
    """

    window_seconds: float
    evidence_seconds: float


def restart(known: Artifact, rows: int, rounds: int) -> Restart:
    """Kill a monitor whose window has all rows of the log, and start it again.

    Args:
        known: Model.
        rows: Of window and log.
        rounds: How often.
    """
    with tempfile.TemporaryDirectory() as text, running_mongod() as mongod:
        version = register(mongod.uri, Alias.CHAMPION, known)
        with connect(mongod.uri, app_name="bench") as client:
            database = database_of(client)
            ensure_indexes(database)
            bodies = Bodies(version)
            for _ in range(rows // BATCH):
                insert_encoded(database, bodies.split(bodies.next()), datetime.now(UTC))
        monitor = Monitor(
            Path(text), mongod.uri, TAXI_MONITOR_WINDOW_ROWS=str(rows),
            TAXI_MONITOR_SETTLE_SECONDS="1", OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1",
        )  # fmt: skip
        monitor.start()
        found = []
        try:
            blocks = _settled(monitor)
            for _ in range(rounds):
                monitor.kill()
                begin = time.monotonic()
                monitor.start(until="/healthz")
                window = _until(lambda: _gauge(monitor, MONITOR_WINDOW_ROWS.name) >= rows)
                evidence = _until(lambda: _gauge(monitor, MONITOR_EVIDENCE_BLOCKS.name) >= blocks)
                found.append((window - begin, evidence - begin))
        finally:
            monitor.stop()
    window, evidence = np.median(found, axis=0).tolist()
    return Restart(window, evidence)


def _settled(monitor: Monitor) -> float:
    """Wait until all whole blocks are judged; return their number."""
    before = math.nan
    deadline = time.monotonic() + _MOST_SECONDS
    while True:
        time.sleep(3.0)
        blocks = _gauge(monitor, MONITOR_EVIDENCE_BLOCKS.name)
        if blocks > 0 and blocks == before:
            return blocks
        if time.monotonic() > deadline:
            raise RuntimeError(f"monitor: no evidence; {monitor.printed()}")
        before = blocks


def _until(condition: Callable[[], bool]) -> float:
    deadline = time.monotonic() + _MOST_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise RuntimeError("monitor: its gauges do not come back")
        time.sleep(_LOOK_SECONDS)
    return time.monotonic()


def _gauge(monitor: Monitor, name: str) -> float:
    """Return a gauge of the champion, of whatever side; -1 while it is not there."""
    text = httpx.get(f"{monitor.metrics_url}/metrics", timeout=30).text
    found = re.search(rf'^{name}{{.*"champion".*}} (\S+)$', text, re.MULTILINE)
    return float(found[1]) if found else -1.0
