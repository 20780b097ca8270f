"""Batch answers in the log of a real mongod: once, as the delivery writes them, and watched."""

import re
import signal
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.artifacts import artifact_for, random_rows
from support.monitor import Monitor
from support.predictor_app import predictor_app
from support.schemas import body_of
from support.score_process import ran, started
from support.taxi_columns import EVENT_TIME, SCHEMA

from taxi_domain.models import MODEL_NAME, Alias, ModelState
from taxi_domain.mongodb import PREDICTIONS
from taxi_local.mongod import Mongod
from taxi_predict.batch.settings import Failpoint
from taxi_predict.serving.loaded_model import loaded
from taxi_schema.rows import Row
from taxi_store.connection import Document, connect, database_of
from taxi_store.registry.artifacts import pack
from taxi_store.registry.registry import Registry

pytestmark = pytest.mark.component
ARTIFACT = artifact_for(SCHEMA)
VERSION = ARTIFACT.version
WINDOW = 100
ROWS = 250
NOW = datetime.now(UTC)
CHAMPION = f"{MODEL_NAME}@champion"


class Batch:
    """A database whose registry has a champion and a fallback, and a file of rides."""

    def __init__(self, uri: str, folder: Path) -> None:
        self.uri = uri
        self.folder = folder
        self.rows = [row._replace(id=f"b{place}") for place, row in enumerate(rides())]
        self.write("rides.parquet", self.rows)

    def register(self) -> None:
        """Put the model into the registry."""
        with connect(self.uri, app_name="test") as client:
            registry = Registry(database_of(client))
            registry.add(ARTIFACT, model=MODEL_NAME, state=ModelState.ACCEPTED, now=NOW)
            for alias in Alias:
                registry.move_alias(MODEL_NAME, alias, to=VERSION, expected=None, by="t", now=NOW)

    def write(self, name: str, rows: list[Row]) -> None:
        """Write rides as a file."""
        columns: dict[str, Any] = {
            column.name: [row.values[place] for row in rows]
            for place, column in enumerate(SCHEMA.columns)
        }
        columns[SCHEMA.id] = [row.id for row in rows]
        columns[EVENT_TIME] = pa.array([row.event_time for row in rows], pa.timestamp("us"))
        pq.write_table(pa.table(columns), self.folder / name)

    def arguments(self, *options: str, model: str = CHAMPION) -> list[str]:
        """Return the command's arguments."""
        files = [str(self.folder / name) for name in ("rides.parquet", "out.parquet")]
        return ["--model", model, "--log", *options, *files]

    def score(self, *options: str, model: str = CHAMPION, fault: str = "") -> int:
        """Run the command; return its exit code."""
        return ran(
            self.arguments(*options, model=model), self.folder / "said.txt",
            {"TAXI_MONGODB_URI": self.uri, "TAXI_SCORE_FAULT": fault},
        )  # fmt: skip

    def said(self) -> str:
        """Return what the command said."""
        return (self.folder / "said.txt").read_text()

    def logged(self) -> dict[str, Document]:
        """Return the documents of the log by id."""
        with connect(self.uri, app_name="test") as client:
            found = database_of(client)[PREDICTIONS].find()
            return {document["_id"]: document for document in found}


def rides() -> list[Row]:
    """Return rides of some seconds' distance, one without an event time."""
    rows = [
        row._replace(event_time=datetime(2021, 3, 1) + timedelta(seconds=7 * place))  # noqa: DTZ001
        for place, row in enumerate(random_rows(SCHEMA, ROWS, seed=3))
    ]
    return [*rows[:-1], rows[-1]._replace(event_time=None)]


@pytest.fixture
def batch(shared_mongod: Mongod, tmp_path: Path, request: pytest.FixtureRequest) -> Batch:
    name = f"score-{abs(hash(request.node.name))}"
    one = Batch(shared_mongod.uri.replace("/taxi", f"/{name}"), tmp_path)
    one.register()
    return one


@pytest.fixture
def monitor(batch: Batch) -> Iterator[Monitor]:
    one = Monitor(
        batch.folder, batch.uri, TAXI_MONITOR_WINDOW_ROWS=str(WINDOW), TAXI_MONITOR_MIN_ROWS="50"
    ).start()
    yield one
    one.stop()


def test_a_batch_is_watched_like_a_service(batch: Batch, monitor: Monitor) -> None:
    monitor.wait("/v1/drift", "window", 0)

    assert batch.score() == 0, batch.said()
    before = batch.logged()
    assert batch.score() == 0, batch.said()

    assert f"log: {ROWS} rows were there; their first answers stay" in batch.said()
    assert batch.logged() == before, "the first answers stay"
    assert before.keys() == {row.id for row in batch.rows}
    drift = monitor.wait("/v1/drift", "window", WINDOW)
    assert {found["feature"] for found in drift["features"]} >= {
        column.name for column in SCHEMA.inputs
    }
    assert drift["score_ratio"] is not None
    metrics = httpx.get(f"{monitor.metrics_url}/metrics", timeout=10).text
    assert re.search(
        rf"^taxi_monitor_window_rows{{.*champion.*}} {WINDOW}\.0$", metrics, re.MULTILINE
    )
    assert re.search(
        r"^taxi_monitor_feature_drift_score{.*trip_distance.*} ", metrics, re.MULTILINE
    )
    labels = [{SCHEMA.id: row.id, "duration": 10} for row in batch.rows]
    assert monitor.post("/v1/labels", {"labels": labels}).json()["accepted"] == ROWS
    assert monitor.wait("/v1/performance", "labelled_rows", ROWS)["actual"]["rmse"] > 0


def test_records_are_those_of_the_delivery(batch: Batch, tmp_path: Path) -> None:
    assert batch.score() == 0, batch.said()

    app = predictor_app(tmp_path / "app", loaded(ARTIFACT))
    for row in batch.rows[:5]:
        assert app.post("/predict", body_of(SCHEMA, row)) == 200
    logged = batch.logged()
    for document in app.delivered():
        found = logged[str(document["_id"])]
        for timed in (document, found):
            timed.pop("ts")
            timed.pop("latency_seconds")
        assert NOW <= found.pop("stored_at") <= datetime.now(UTC)
        if found["event_time"] is not None:
            found["event_time"] = found["event_time"].replace(tzinfo=None)
        assert found == document


@pytest.mark.parametrize(
    ("model", "role"),
    [(f"{MODEL_NAME}@fallback", "fallback"), (VERSION, "candidate")],
)
def test_the_role_is_the_alias_that_was_named(batch: Batch, model: str, role: str) -> None:
    assert batch.score(model=model) == 0, batch.said()

    documents = batch.logged().values()
    assert {document["model_role"] for document in documents} == {role}
    assert {document["model"] for document in documents} == {MODEL_NAME}
    assert {document["latency_seconds"] for document in documents} == {None}
    assert all(document["ts"] >= NOW for document in documents)


def test_a_month_lies_at_its_own_time(batch: Batch) -> None:
    ahead = datetime.now() + timedelta(days=2)  # noqa: DTZ005 - New York is behind in any case
    rows = [*batch.rows[:9], batch.rows[9]._replace(event_time=ahead), batch.rows[-1]]
    batch.write("rides.parquet", rows)

    assert batch.score("--answered-at", "event-time") == 0, batch.said()

    logged = batch.logged()
    for place in range(9):
        expected = datetime(2021, 3, 1, 5, tzinfo=UTC) + timedelta(seconds=7 * place)
        assert logged[f"b{place}"]["ts"] == expected
    assert NOW <= logged["b9"]["ts"] <= datetime.now(UTC), "never later than now"
    assert len(logged) == 10
    assert f"{EVENT_TIME}: is missing: 1 rows have no answer" in batch.said()


def test_a_killed_run_is_in_the_log_once(batch: Batch) -> None:
    assert batch.score(fault=Failpoint.AFTER_LOG) == -signal.SIGKILL
    before = batch.logged()
    assert len(before) == ROWS
    assert not list(batch.folder.glob("out.parquet.parts/*.arrow"))

    assert batch.score() == 0, batch.said()

    assert batch.logged() == before
    assert pq.read_table(batch.folder / "out.parquet").num_rows == ROWS


def test_mongodb_may_be_away_for_a_while(mongod: Mongod, tmp_path: Path) -> None:
    batch = Batch(mongod.uri, tmp_path)
    batch.register()
    archive = tmp_path / "champion.tar"
    archive.write_bytes(pack(ARTIFACT.files))
    mongod.kill()

    assert batch.score("--patience", "0", model=str(archive)) == 1
    assert "MongoDB does not answer" in batch.said()
    assert not (tmp_path / "out.parquet").exists()

    waiting = started(
        batch.arguments("--patience", "60", model=str(archive)), tmp_path / "waiting.txt",
        {"TAXI_MONGODB_URI": batch.uri},
    )  # fmt: skip
    _wait_for(tmp_path / "waiting.txt", "waiting for MongoDB")
    mongod.start()
    waiting.join(120)
    assert waiting.exitcode == 0, (tmp_path / "waiting.txt").read_text()
    assert len(batch.logged()) == ROWS


def _wait_for(path: Path, text: str) -> None:
    for _ in range(600):
        if path.exists() and text in path.read_text():
            return
        time.sleep(0.1)
    raise AssertionError(path.read_text())
