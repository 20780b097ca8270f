"""`taxi-labels load` with a real mongod, and a monitor that joins what it loads."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pymongo.database import Database
from support.monitor import Monitor
from support.report_log import register
from support.taxi_artifacts import answers_to, rows_of, taxi_artifact
from support.taxi_columns import SCHEMA, taxi_rides, usual
from support.waiting import wait_for
from typer.testing import CliRunner

from taxi_domain.models import MODEL_NAME
from taxi_domain.mongodb import DATABASE, LABELS
from taxi_domain.records import PredictionRecord
from taxi_local.mongod import Mongod, running_mongod
from taxi_report.labels.main import app
from taxi_schema.records import inputs_of
from taxi_store.connection import Document, connect
from taxi_store.log.prediction_log import insert_records

pytestmark = pytest.mark.component

NOW = datetime.now(UTC)
ROWS = 700
#: More than can be loaded between a look and a kill.
MANY = 60_000


@pytest.fixture(scope="module")
def server() -> Iterator[Mongod]:
    """A log of some rides that nobody labelled."""
    rides = usual(taxi_rides("green-2020-03-before.parquet"))
    with running_mongod() as one, connect(one.uri, app_name="test") as client:
        database = client[DATABASE]
        artifact = taxi_artifact(rides[:6000])
        version = register(database, artifact, NOW)
        chosen = rides[6000 : 6000 + ROWS]
        answers = answers_to(chosen).tolist()
        records = [
            PredictionRecord(
                f"ride-{place}", NOW + timedelta(milliseconds=place), row.event_time, MODEL_NAME,
                version, "champion", inputs_of(SCHEMA, row), answer,
            ).to_document()
            for place, (row, answer) in enumerate(zip(rows_of(chosen), answers, strict=True))
        ]  # fmt: skip
        insert_records(database, records, NOW)
        yield one


@pytest.fixture
def database(server: Mongod, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database[Document]]:
    """Return the database; it has no labels."""
    monkeypatch.setenv("TAXI_MONGODB_URI", server.uri)
    with connect(server.uri, app_name="test") as client:
        client[DATABASE][LABELS].delete_many({})
        yield client[DATABASE]


def load(*arguments: object, code: int = 0) -> list[str]:
    """Run the command; return what it printed."""
    done = CliRunner().invoke(app, ["load", *map(str, arguments)])
    assert done.exit_code == code, done.output
    return done.stdout.splitlines()


def write(path: Path, ids: list[str], labels: list[float]) -> Path:
    pq.write_table(pa.table({"ride_id": ids, "duration": labels}), path)
    return path


def test_the_first_label_stays_and_repeats_change_nothing(
    database: Database[Document], tmp_path: Path
) -> None:
    ids = [f"ride-{n}" for n in range(10)]
    write(tmp_path / "1.parquet", [*ids, "later-1", "ride-0"], [5.0] * 12)
    (tmp_path / "2.csv").write_text("ride_id,duration\nride-1,9\nride-10,9\nride-11,5000\nx,\n")

    first = load(tmp_path)
    assert first == [
        "1 rows refused: duration: is out of its limits; send minutes from 0 to 1440",
        "1 rows refused: duration: is missing; send minutes as a number",
        "2 rows with an id that came before (ride-0, ride-1): the first stays",
        "12 labels new, 0 repeated; 1 of rows that are not in the log yet, which are kept",
    ]
    stored = {one["_id"]: one["value"] for one in database[LABELS].find()}
    assert stored == {**dict.fromkeys([*ids, "later-1"], 5.0), "ride-10": 9.0}
    before = list(database[LABELS].find().sort("_id", 1))
    assert load(tmp_path)[-1].startswith("0 labels new, 12 repeated; 1 of rows")
    assert load(write(tmp_path / "3.parquet", ids, [6.0] * 10))[-1].startswith(
        "0 labels new, 10 repeated"
    )
    assert list(database[LABELS].find().sort("_id", 1)) == before


def test_files_have_columns_and_times_of_their_own(
    database: Database[Document], tmp_path: Path
) -> None:
    known = datetime(2021, 3, 1, 12, tzinfo=UTC)
    path = tmp_path / "labels.csv"
    path.write_text("key,minutes,known\nride-1,5,2021-03-01T07:00:00-05:00\n")
    load(path, "--id-column", "key", "--label-column", "minutes", "--at-column", "known")
    one = database[LABELS].find_one({"_id": "ride-1"})
    assert one is not None
    assert (one["value"], one["ts"]) == (5.0, known)
    assert one["stored_at"] > NOW


def test_what_cannot_be_loaded_is_told(
    database: Database[Document], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    whole = write(tmp_path / "whole.parquet", [f"ride-{n}" for n in range(5)], [5.0] * 5)
    cut = tmp_path / "x" / "cut.parquet"
    cut.parent.mkdir()
    cut.write_bytes(whole.read_bytes()[:-30])

    def fails(*arguments: object) -> str:
        caplog.clear()
        load(*arguments, code=1)
        return caplog.messages[-1]

    assert "cut.parquet: cannot be read as parquet" in fails(whole, cut)
    assert database[LABELS].count_documents({}) == 5  # of the file before
    assert fails(whole, "--model", "other").startswith(
        "labels: other has no champion; name another model"
    )
    assert "has no column minutes" in fails(whole, "--label-column", "minutes")
    refused = write(tmp_path / "refused.parquet", ["a"], [-1.0])
    assert fails(refused) == "labels: no row could be taken; correct what is named above"
    done = subprocess.run(
        [sys.executable, "-m", "taxi_report.labels.main", "load", str(refused)],
        env={**os.environ, "PYTHONPATH": ":".join(sys.path), "TAXI_MONGODB_URI": "mongodb://"},
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 2
    assert "TAXI_MONGODB_URI: is no URI" in done.stderr.strip().splitlines()[-1]


def test_mongodb_away_in_the_middle_is_waited_for(
    server: Mongod, database: Database[Document], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A server that is killed refuses at once; a busy one takes its time for a batch.
    monkeypatch.setenv("TAXI_REPORT_TIMEOUT_SECONDS", "3")
    monkeypatch.setenv("TAXI_REPORT_PATIENCE_SECONDS", "60")
    path = write(tmp_path / "many.parquet", [f"row-{n}" for n in range(60_000)], [5.0] * 60_000)
    killed = threading.Event()

    def outage() -> None:
        while not database[LABELS].find_one():
            pass
        server.kill()
        killed.set()
        server.start()

    away = threading.Thread(target=outage)
    away.start()
    told = load(path)[-1].split()
    away.join()

    assert killed.is_set()
    assert int(told[0]) + int(told[3]) == 60_000
    with connect(server.uri, app_name="test") as client:
        assert client[DATABASE][LABELS].count_documents({}) == 60_000
    monkeypatch.setenv("TAXI_REPORT_PATIENCE_SECONDS", "0")
    monkeypatch.setenv("TAXI_MONGODB_URI", "mongodb://127.0.0.1:9/taxi")
    load(path, code=1)


def _connections(database: Database[Document]) -> list[Document]:
    """Return the server's connections of loaders."""
    every = {"$currentOp": {"idleConnections": True}}
    own = {"$match": {"appName": "taxi-labels"}}
    return list(database.client.admin.aggregate([every, own]))


def test_a_kill_in_the_middle_is_mended_by_loading_again(
    database: Database[Document], tmp_path: Path
) -> None:
    labels = [float(n % 900) for n in range(MANY)]
    path = write(tmp_path / "many.parquet", [f"row-{n}" for n in range(MANY)], labels)
    process = subprocess.Popen(
        [sys.executable, "-m", "taxi_report.labels.main", "load", str(path)],
        env={**os.environ, "PYTHONPATH": ":".join(sys.path)}, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    while not database[LABELS].find_one():
        assert process.poll() is None
    process.kill()
    assert process.wait() == -signal.SIGKILL
    # What was on its way to the server is stored until it is done with the connections.
    wait_for("the server to notice", lambda: not _connections(database))
    before = {label["_id"]: label for label in database[LABELS].find()}
    assert 0 < len(before) < MANY

    told = load(path)[-1].split()

    assert (int(told[0]), int(told[3])) == (MANY - len(before), len(before))
    after = {label["_id"]: label for label in database[LABELS].find()}
    assert {row_id: label["value"] for row_id, label in after.items()} == {
        f"row-{n}": value for n, value in enumerate(labels)
    }
    assert {row_id: after[row_id] for row_id in before} == before


def test_a_monitor_that_runs_joins_what_is_loaded(
    server: Mongod, database: Database[Document], tmp_path: Path
) -> None:
    assert database.name == DATABASE
    monitor = Monitor(tmp_path, server.uri).start()
    try:
        monitor.wait("/v1/drift", "window", ROWS)
        assert monitor.champion("/v1/performance")["labelled_rows"] == 0
        ids = [f"ride-{n}" for n in range(ROWS)]
        load(write(tmp_path / "labels.parquet", ids, [12.5] * ROWS))
        says = monitor.wait("/v1/performance", "labelled_rows", ROWS)
        assert says["actual"]["rmse"] > 0
    finally:
        monitor.stop()
