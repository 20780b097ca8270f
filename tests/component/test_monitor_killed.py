"""A real monitor that is killed in between has said the same as one that nobody disturbs."""

import os
import random
import re
import signal
import time
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from support.artifacts import artifact_for
from support.judged_log import BLOCK, START, Judged, reference
from support.monitor import Monitor
from support.predictor import register
from support.taxi_columns import SCHEMA
from support.waiting import wait_for

from taxi_domain.models import MODEL_NAME, PROFILE_FILE, Alias
from taxi_domain.mongodb import VERDICTS
from taxi_domain.verdicts import Side
from taxi_local.mongod import Mongod
from taxi_store.connection import connect
from taxi_store.registry.artifacts import artifact_of

pytestmark = pytest.mark.component

PIECES, ROWS = 10, 130
FIRST = 6000
#: What the evidence exports, but for how long ago the log ends.
SHOWN = re.compile(
    "taxi_monitor_(evidence_(blocks|(total_|threshold_)?decades|alarm|suspected)|drift_kind"
    "|label_coverage_ratio|labels_held)"
)

Gauges = dict[tuple[str, ...], float]


def gauges(monitor: Monitor) -> Gauges:
    text = httpx.get(f"{monitor.metrics_url}/metrics", timeout=30).text
    return {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if SHOWN.fullmatch(sample.name)
    }


def has_blocks(one: Judged, least: int) -> bool:
    return one.database[VERDICTS].count_documents({"side": str(Side.ROWS)}) >= least


def judged_to_the_end(one: Judged, monitor: Monitor) -> Gauges:
    """Wait until the last block of each side is exported."""
    last = PIECES * ROWS // BLOCK
    least = {Side.ROWS: last, Side.LABELS: last - 1}  # errors do not count every label

    def exported() -> bool:
        found = gauges(monitor)
        names = {
            side: ("taxi_monitor_evidence_blocks", *sorted([MODEL_NAME, "champion", side]))
            for side in Side
        }
        return all(found.get(names[side], 0.0) >= least[side] for side in Side)

    wait_for("evidence", exported)
    return gauges(monitor)


def test_a_killed_monitor_says_the_same(mongod: Mongod, tmp_path: Path) -> None:
    known = artifact_for(SCHEMA)
    version = register(
        mongod.uri, Alias.CHAMPION,
        artifact_of({**known.files, PROFILE_FILE: reference().to_bytes()}),
    )  # fmt: skip
    monitor = Monitor(tmp_path, mongod.uri, TAXI_MONITOR_SETTLE_SECONDS="3",
                      TAXI_MONITOR_EVALUATION_SECONDS="0.2")  # fmt: skip
    chance = random.Random(9)
    with connect(mongod.uri, app_name="test") as client:
        one = Judged(client["taxi"], version=version)
        monitor.start()
        try:
            for piece in range(PIECES):
                numbers = range(FIRST + piece * ROWS, FIRST + (piece + 1) * ROWS)
                one.seconds = (datetime.now(UTC) - START).total_seconds()
                one.store(numbers, scale=1.3 if piece > 5 else 1.0)
                one.label(numbers)
                wait_for("block", partial(has_blocks, one, (piece * ROWS) // BLOCK))
                if piece % 3 == 1:
                    time.sleep(chance.uniform(0.0, 0.3))  # anywhere in a cycle
                    (worker,) = [pid for pid in monitor.pids() if pid != monitor.pid]
                    os.kill(worker, signal.SIGKILL)
                if piece % 3 == 2:
                    monitor.kill()
                    monitor.start()
            disturbed = judged_to_the_end(one, monitor)
            said = one.verdicts()
            monitor.kill()
            one.database[VERDICTS].delete_many({})
            monitor.start()
            undisturbed = judged_to_the_end(one, monitor)
        finally:
            monitor.stop()
        expected = one.verdicts()

    assert len(expected) >= 2 * (PIECES * ROWS // BLOCK) - 1
    assert said == expected
    assert disturbed == pytest.approx(undisturbed, abs=1e-12)
    assert any(name[0] == "taxi_monitor_evidence_decades" for name in disturbed)
