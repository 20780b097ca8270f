"""A label is corrected on purpose, beside what it was; a label that comes again changes nothing."""

import os
import signal
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from support.artifacts import artifact_for
from support.monitor import Monitor
from support.predictor import register
from support.taxi_columns import DISTANCE, DROPOFF, PICKUP, SCHEMA

from taxi_domain.models import MODEL_NAME, Alias
from taxi_domain.mongodb import AUDIT, LABELS
from taxi_domain.verdicts import BlockState, Side
from taxi_local.mongod import Mongod
from taxi_store.admin.audit import Action, Stage, digest_of_ids, ensure_audit, entries
from taxi_store.connection import connect
from taxi_store.log.corrections import MAX_REPLACED
from taxi_store.verdicts.block_verdict import BlockVerdict, Cursor
from taxi_store.verdicts.verdicts import append

pytestmark = pytest.mark.component
ROWS = 60


@pytest.fixture
def version(mongod: Mongod) -> str:
    return register(mongod.uri, Alias.CHAMPION, artifact_for(SCHEMA))


@pytest.fixture
def monitor(mongod: Mongod, version: str, tmp_path: Path) -> Iterator[Monitor]:
    with connect(mongod.uri, app_name="test") as client:
        ensure_audit(client["taxi"])
    one = Monitor(
        tmp_path, mongod.uri, TAXI_MONITOR_WINDOW_ROWS="100", TAXI_MONITOR_MIN_ROWS="50"
    ).start()
    one.wait("/v1/drift", "window", 0)
    records = [
        {
            "_id": f"r-{number}", "ts": datetime.now(UTC).isoformat(), "model": MODEL_NAME,
            "model_version": version, "model_role": "champion", "prediction": 12.5,
            "inputs": {DISTANCE: 2.5, PICKUP: 74, DROPOFF: 75},
        }
        for number in range(ROWS)
    ]  # fmt: skip
    assert one.post("/v1/records", {"records": records}).json()["accepted"] == ROWS
    yield one
    one.stop()


def label(number: int, value: float = 10.0) -> dict[str, Any]:
    return {"ride_id": f"r-{number}", "duration": value}


def stored(mongod: Mongod) -> dict[str, Any]:
    with connect(mongod.uri, app_name="test") as client:
        return {one["_id"]: one for one in client["taxi"][LABELS].find()}


def rmse(monitor: Monitor, expected: float) -> None:
    deadline = time.monotonic() + 90
    while True:
        actual = monitor.champion("/v1/performance")["actual"]
        if actual is not None and actual["rmse"] == pytest.approx(expected):
            return
        assert time.monotonic() < deadline, actual
        time.sleep(0.1)


def test_a_correction_counts_at_once_and_after_a_restart(monitor: Monitor, mongod: Mongod) -> None:
    labels = [label(number) for number in range(ROWS)]
    assert monitor.post("/v1/labels", {"labels": labels}).json()["accepted"] == ROWS
    monitor.wait("/v1/performance", "labelled_rows", ROWS)
    rmse(monitor, 2.5)
    before = stored(mongod)

    # What comes again changes nothing, neither in the log nor in the windows.
    again = [label(number, 30.0) for number in range(ROWS)]
    assert monitor.post("/v1/labels", {"labels": again}).json()["repeated"] == ROWS
    wrong = [label(number, 12.5) for number in range(ROWS - 1)] + [
        label(0, 11.0), label(0, 12.5), {"ride_id": "r-1"}, label(900)
    ]  # fmt: skip
    answer = monitor.post("/v1/labels/corrections", {"labels": wrong}).json()

    assert (answer["corrected"], answer["unchanged"], answer["late"]) == (ROWS - 1, 0, 0)
    refused = [(one["index"], one["field"]) for one in answer["refused"]]
    assert refused == [(ROWS + 1, "duration"), (ROWS + 2, "ride_id")]
    rmse(monitor, (2.5**2 / ROWS) ** 0.5)
    again = monitor.post("/v1/labels/corrections", {"labels": [label(0, 12.5)]}).json()
    assert (again["corrected"], again["unchanged"]) == (0, 1)
    # What changed something is in the audit, once and without ids of rows.
    with connect(mongod.uri, app_name="test") as client:
        (noted,) = entries(client["taxi"], 10)
        assert client["taxi"][AUDIT].options()["capped"]
    changed = [f"r-{number}" for number in range(ROWS - 1)]
    assert (noted.action, noted.stage, noted.by) == (Action.CORRECT_LABEL, Stage.DONE, "token")
    assert noted.what == {
        "model": MODEL_NAME, "ids": len(changed), "ids_sha256": digest_of_ids(changed)
    }  # fmt: skip
    assert noted.counts == {LABELS: len(changed)}
    after = stored(mongod)
    assert after[f"r-{ROWS - 1}"] == before[f"r-{ROWS - 1}"]
    (replaced,) = after["r-0"].pop("replaced")
    assert replaced["value"] == 10.0
    assert replaced["until"] > before["r-0"]["stored_at"]
    assert after["r-0"] == {**before["r-0"], "value": 12.5}
    page = httpx.get(f"{monitor.metrics_url}/metrics", timeout=15).text
    assert f'taxi_monitor_labels_total{{result="corrected"}} {ROWS - 1}.0' in page

    monitor.kill()
    monitor.start()
    monitor.wait("/v1/performance", "labelled_rows", ROWS)
    rmse(monitor, (2.5**2 / ROWS) ** 0.5)

    # One beyond the target's limits leaves the error, and comes back.
    monitor.post("/v1/labels/corrections", {"labels": [label(0, 600.0)]})
    found = monitor.wait("/v1/performance", "labelled_rows", ROWS - 1)
    assert found["labels_outside_ratio"] == pytest.approx(1 / ROWS)
    monitor.post("/v1/labels/corrections", {"labels": [label(0, 12.5)]})
    assert monitor.wait("/v1/performance", "labelled_rows", ROWS)["labels_outside_ratio"] == 0.0


def test_what_was_judged_is_counted_and_the_history_is_bounded(
    monitor: Monitor, mongod: Mongod, version: str
) -> None:
    monitor.post("/v1/labels", {"labels": [label(number) for number in range(3)]})
    first = stored(mongod)["r-0"]
    with connect(mongod.uri, app_name="test") as client:
        append(
            client["taxi"],
            BlockVerdict(
                MODEL_NAME, version, Side.LABELS, 0, 500, first["ts"], first["ts"],
                Cursor(first["stored_at"], "r-1"), {}, {}, {}, None, None, BlockState.OK, "None",
            ),
        )  # fmt: skip
    corrections = [label(number, 11.0) for number in range(3)]
    answer = monitor.post("/v1/labels/corrections", {"labels": corrections}).json()
    assert (answer["corrected"], answer["late"]) == (3, 2)
    assert (
        "taxi_monitor_late_corrections_total 2.0"
        in httpx.get(f"{monitor.metrics_url}/metrics", timeout=30).text
    )

    for value in range(2 * MAX_REPLACED):
        monitor.post("/v1/labels/corrections", {"labels": [label(0, float(value))]})
    replaced = [one["value"] for one in stored(mongod)["r-0"]["replaced"]]
    assert replaced == [float(value) for value in range(MAX_REPLACED - 1, 2 * MAX_REPLACED - 1)]

    # Twenty small ones and the end of the process: none is lost, and they are few entries.
    os.kill(monitor.pid, signal.SIGTERM)
    deadline = time.monotonic() + 60
    while monitor.pids() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not monitor.pids()
    with connect(mongod.uri, app_name="test") as client:
        noted = entries(client["taxi"], 100)
    assert sum(one.counts[LABELS] for one in noted) == 3 + 2 * MAX_REPLACED
    assert len(noted) < MAX_REPLACED
