"""Rows that nobody predicts have a window of their own, and meet nothing that was served."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from support.artifacts import artifact_for
from support.monitor import Monitor
from support.predictor import register
from support.taxi_columns import DISTANCE, DROPOFF, EVENT_TIME, PICKUP, SCHEMA
from support.waiting import wait_for

from taxi_domain.models import MODEL_NAME, Alias
from taxi_domain.mongodb import PREDICTIONS, ROWS
from taxi_local.mongod import Mongod
from taxi_store.connection import connect

pytestmark = pytest.mark.component
WINDOW = 100


@pytest.fixture
def version(mongod: Mongod) -> str:
    return register(mongod.uri, Alias.CHAMPION, artifact_for(SCHEMA))


@pytest.fixture
def monitor(mongod: Mongod, version: str, tmp_path: Path) -> Iterator[Monitor]:
    assert version
    one = Monitor(
        tmp_path,
        mongod.uri,
        TAXI_MONITOR_WINDOW_ROWS=str(WINDOW),
        TAXI_MONITOR_MIN_ROWS="50",
        TAXI_MONITOR_SCORES="psi,ks",
    ).start()
    one.wait("/v1/drift", "window", 0)
    yield one
    one.stop()


def row(number: int) -> dict[str, Any]:
    return {
        "ride_id": f"r-{number}", PICKUP: 74, DROPOFF: 75, DISTANCE: 2.5, "note": "tonight",
        EVENT_TIME: "2021-03-01T10:00:00",
    }  # fmt: skip


def record(version: str, number: int) -> dict[str, Any]:
    return {
        "_id": f"r-{number}", "ts": datetime.now(UTC).isoformat(), "event_time": None,
        "model": MODEL_NAME, "model_version": version, "model_role": "champion",
        "inputs": {DISTANCE: 9.0, PICKUP: 1, DROPOFF: 1}, "prediction": 3.0,
    }  # fmt: skip


def windows(monitor: Monitor) -> dict[str, int]:
    found = monitor.get("/v1/drift")["versions"]
    return {one["model_role"]: one["window"]["rows"] for one in found}


def test_they_are_watched_apart_and_after_a_restart(
    monitor: Monitor, mongod: Mongod, version: str
) -> None:
    assert windows(monitor) == {"champion": 0}
    rows = [row(number) for number in range(250)]
    wrong = [{**row(900), DISTANCE: -1}, {**row(901), "ride_id": None}, 7]

    answer = monitor.post("/v1/rows", {"rows": [*rows[:150], *wrong]}).json()

    assert (answer["accepted"], answer["repeated"]) == (150, 0)
    refused = [(one["index"], one["field"]) for one in answer["refused"]]
    assert refused == [(150, DISTANCE), (151, "ride_id"), (152, PICKUP)]
    again = monitor.post("/v1/rows", {"rows": rows[100:]}).json()
    assert (again["accepted"], again["repeated"]) == (100, 50)
    # The same ids were served, too, and have labels.
    records = [record(version, number) for number in range(60)]
    assert monitor.post("/v1/records", {"records": records}).json()["accepted"] == 60
    labels = [{"ride_id": f"r-{number}", "duration": 5} for number in range(60)]
    assert monitor.post("/v1/labels", {"labels": labels}).json()["accepted"] == 60
    apart = {"champion": 60, "rows": WINDOW}
    wait_for("both windows", lambda: windows(monitor) == apart)
    assert monitor.wait("/v1/performance", "labelled_rows", 60)["actual"]["rmse"] == 2.0
    assert [one["model_role"] for one in monitor.get("/v1/performance")["versions"]] == ["champion"]

    monitor.kill()
    monitor.start()

    wait_for("both windows again", lambda: windows(monitor) == apart)
    (seen,) = (one for one in monitor.get("/v1/drift")["versions"] if one["model_role"] == "rows")
    scores = {one["feature"]: one["missing_ratio"] for one in seen["features"]}
    assert scores == {DISTANCE: 0.0, PICKUP: 0.0, DROPOFF: 0.0}
    assert seen["problems"] == {}
    page = httpx.get(f"{monitor.metrics_url}/metrics", timeout=15).text
    assert f'taxi_monitor_window_rows{{model="{MODEL_NAME}",model_role="rows"}} 100.0' in page
    assert not [line for line in page.splitlines() if 'role="rows"' in line and "label" in line]
    with connect(mongod.uri, app_name="test") as client:
        database = client["taxi"]
        assert database[PREDICTIONS].count_documents({}) == 60
        stored = database[ROWS].find_one({"_id": "r-0"})
    assert stored is not None
    assert stored["extra"] == {"note": "tonight"}
    assert "prediction" not in stored
