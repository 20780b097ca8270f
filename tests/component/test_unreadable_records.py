"""One record that cannot be read costs itself: all that read the log go on with the others."""

import math
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from pymongo.database import Database
from support.artifacts import artifact_for
from support.monitor import TOKEN, Monitor
from support.predictor import PLAIN, Predictor, division_graph, register, value, wait_until_logged
from support.taxi_artifacts import rows_of
from support.taxi_columns import SCHEMA, taxi_rides, usual

from taxi_domain.models import MODEL_NAME, Alias
from taxi_domain.records import PredictionRecord
from taxi_domain.runs import RunResult
from taxi_local.mongod import Mongod
from taxi_store.connection import Document, connect
from taxi_store.log import prediction_log as log
from taxi_store.registry.artifacts import Artifact
from taxi_store.registry.runs import RunStore
from taxi_train.runs.gate import GateRules
from taxi_train.runs.retraining import RunRules, retrain
from taxi_train.runs.run import Run

pytestmark = pytest.mark.component
ROWS = 60
UNREADABLE = "taxi_monitor_unreadable_documents_total"


def division_champion() -> Artifact:
    """Return a whole artifact whose graph has no finite answer for a row of no distance."""
    rides = usual(taxi_rides("green-2021-01.parquet"))[:1000]
    return artifact_for(SCHEMA, None, rows_of(rides), rides.target.tolist(), graph=division_graph())


@pytest.fixture
def database(mongod: Mongod) -> Iterator[Database[Document]]:
    with connect(mongod.uri, app_name="test") as client:
        yield client["taxi"]


def stored_before(version: str, number: int, minutes_later: int) -> dict[str, Any]:
    """Return what a predictor that answered infinity wrote, newer than all others."""
    ts = datetime.now(UTC) + timedelta(minutes=minutes_later)
    return PredictionRecord(
        f"old-{number}", ts, None, MODEL_NAME, version, "champion",
        {**PLAIN, "trip_distance": 0.0}, math.inf,
    ).to_document()  # fmt: skip


def test_from_the_predictor_to_the_training(
    mongod: Mongod, database: Database[Document], tmp_path: Path
) -> None:
    version = register(mongod.uri, Alias.CHAMPION, division_champion())
    register(mongod.uri, Alias.FALLBACK, division_champion())
    monitor = Monitor(tmp_path, mongod.uri)
    (tmp_path / "predictor").mkdir()
    predictor = Predictor(
        tmp_path / "predictor", mongod.uri,
        TAXI_MONITOR_URL=monitor.url, TAXI_MONITOR_TOKEN=TOKEN,
    ).start()  # fmt: skip
    try:
        bodies = [
            {**PLAIN, "trip_distance": float(number % 10), "ride_id": f"ride-{number:03d}"}
            for number in range(ROWS)
        ]
        answers = httpx.post(f"{predictor.url}/predict/batch", json=bodies, timeout=30).json()
        alone = httpx.post(f"{predictor.url}/predict", json=bodies[0], timeout=10)
        good = {one["ride_id"] for one in answers if "duration" in one}
        assert [one["index"] for one in answers if "index" in one] == list(range(0, ROWS, 10))
        assert alone.status_code == 500
        assert set(wait_until_logged(mongod.uri, len(good))) == good
        page = httpx.get(f"{predictor.metrics_url}/metrics", timeout=30).text
        assert value(page, "taxi_predictor_failed_rows_total") == ROWS / 10 + 1

        bad = [stored_before(version, number, 5) for number in range(3)]
        log.insert_records(database, bad, datetime.now(UTC))
        monitor.start()
        assert monitor.champion("/v1/drift")["model_version"] == version
        monitor.wait("/v1/drift", "window", len(good))

        labels = [{"ride_id": one, "duration": 9.0} for one in [*sorted(good), "old-0", "old-2"]]
        posted = monitor.post("/v1/labels", {"labels": labels})
        assert (posted.status_code, posted.json()["accepted"]) == (200, len(labels))
        monitor.wait("/v1/performance", "labelled_rows", len(good))

        # A running monitor goes on too, whichever way such a record comes.
        log.insert_records(database, [stored_before(version, 3, 6)], datetime.now(UTC))
        later = {**PLAIN, "ride_id": "later"}
        assert httpx.post(f"{predictor.url}/predict", json=later, timeout=10).status_code == 200
        monitor.wait("/v1/drift", "window", len(good) + 1)
        pushed = [{"_id": "old-9", "prediction": None}, as_pushed(version)]
        answer = monitor.post("/v1/predictions", {"records": pushed}).json()
        assert (answer["accepted"], [one["index"] for one in answer["refused"]]) == (1, [0])
        monitor.wait("/v1/drift", "window", len(good) + 2)
        page = httpx.get(f"{monitor.metrics_url}/metrics", timeout=30).text
        log_ones = 'collection="predictions",field="prediction",source="log"'
        assert f"{UNREADABLE}{{{log_ones}}} 4.0" in page, "each once, however often it is read"
        # A value of another type costs itself, not its record.
        pushed_one = 'collection="predictions",field="trip_distance",source="push"'
        assert f"{UNREADABLE}{{{pushed_one}}} 1.0" in page
    finally:
        predictor.stop()
        monitor.kill()

    rules = RunRules(gate=GateRules(min_labelled_rows=100))
    result = retrain(Run(database, MODEL_NAME, "run-1", lambda: datetime.now(UTC)), rules)
    run = RunStore(database).get("run-1")
    assert result is RunResult.TOO_FEW_LABELS
    assert run is not None
    assert run.numbers["labelled_rows"] == len(good)
    assert run.numbers["unreadable_documents"] == 2, "of those with a label"


def as_pushed(version: str) -> dict[str, object]:
    record = PredictionRecord(
        uuid.uuid4().hex, datetime.now(UTC), None, MODEL_NAME, version, "champion",
        {**PLAIN, "trip_distance": "far"}, 10.0,
    ).to_document()  # fmt: skip
    return {**record, "ts": datetime.now(UTC).isoformat()}
