"""`taxi-report export` of a real mongod's log: read back, interrupted, and into an S3 server."""

import os
import resource
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import boto3
import duckdb
import polars as pl
import pyarrow.parquet as pq
import pytest
from moto.server import ThreadedMotoServer
from pymongo.database import Database
from support.artifacts import artifact_for
from support.report_log import register, write_rides
from support.taxi_artifacts import taxi_artifact
from support.taxi_columns import taxi_rides, usual
from typer.testing import CliRunner

from taxi_domain.errors import NotAvailableError
from taxi_domain.models import MODEL_NAME, ModelState
from taxi_domain.mongodb import DATABASE, LABELS, PREDICTIONS
from taxi_domain.records import PredictionRecord
from taxi_local.mongod import Mongod, running_mongod
from taxi_report.destination import Destination
from taxi_report.export.days import Days
from taxi_report.export.run import Exporter
from taxi_report.main import app
from taxi_schema.reading import read_schema
from taxi_store.connection import Document, connect
from taxi_store.log.prediction_log import insert_records
from taxi_store.registry.registry import Registry

pytestmark = pytest.mark.component

NOW = datetime(2021, 1, 1, tzinfo=UTC)
ZONE = "America/New_York"
FLIGHTS = Path(__file__).parents[2] / "models/flight_delay/schema.toml"
GONE = "0123456789ab"
#: The days of the log that hold the rides of two versions, and one of a version that is gone.
FIRST, LAST = "2020-03-01", "2020-03-04"

#: Exports once for each file operation, and is killed before it; then exports again.
KILLED = """
import os, signal, sys
import pandas  # Arrow imports it at its first use: once, and not in each fork
import taxi_report.export.run
from taxi_report.main import app

def is_operation(event, arguments):
    # Folders are opened without a mode.
    return event in ("os.rename", "os.remove") or (event == "open" and arguments[1])


def forked(folder, kill_at):
    pid = os.fork()
    if pid:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    left = kill_at
    def hook(event, arguments):
        nonlocal left
        if is_operation(event, arguments) and str(arguments[0]).startswith(folder):
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
    sys.addaudithook(hook)
    code = 1
    try:
        app(["export", folder, "--from", sys.argv[2], "--to", sys.argv[3]], standalone_mode=False)
        code = 0
    finally:
        os._exit(code)

number, code = 0, -9
while code == -9:
    number += 1
    folder = f"{sys.argv[1]}/{number:03d}"
    code = forked(folder, number)
    print(code, forked(folder, 0), flush=True)
"""


@dataclass(frozen=True, slots=True)
class Log:
    """A log of some rides of a few days, that two versions answered."""

    server: Mongod
    database: Database[Document]
    versions: tuple[str, str]
    rows: int
    labelled: int


@pytest.fixture(scope="module")
def log() -> Iterator[Log]:
    rides = usual(taxi_rides("green-2020-03-before.parquet"))
    artifact, other = taxi_artifact(rides[:4000]), taxi_artifact(rides[:5000])
    with running_mongod() as server, connect(server.uri, app_name="test") as client:
        database = client[DATABASE]
        register(database, artifact, NOW)
        Registry(database).add(other, model=MODEL_NAME, state=ModelState.ACCEPTED, now=NOW)
        many, few = rides[:40_000:40], rides[:8000:100]
        done = [
            write_rides(database, many, artifact, labelled=0.7, prefix="many"),
            write_rides(database, few, other, prefix="few", shift=timedelta(days=1)),
        ]
        for name in (PREDICTIONS, LABELS):  # rows that nobody can read, and of nobody
            broken = {"model": MODEL_NAME, "ts": done[0].start, "model_version": artifact.version}
            database[name].insert_one({"_id": "broken", **broken, "value": "x", "inputs": 3})
        one = database[PREDICTIONS].find_one({"_id": "many-00000000"}) or {}
        database[PREDICTIONS].insert_one({**one, "_id": "gone", "model_version": GONE})
        database[PREDICTIONS].update_one(
            {"_id": "many-00000001"}, {"$set": {"extra": {"note": "é", "a": 1}}}
        )
        yield Log(
            server, database, (artifact.version, other.version),
            sum(one.rows for one in done), sum(one.labelled for one in done),
        )  # fmt: skip


@pytest.fixture(autouse=True)
def variables(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TAXI_MONGODB_URI", log.server.uri)
    monkeypatch.setenv("TAXI_REPORT_TIME_ZONE", ZONE)


@pytest.fixture(scope="module")
def exported(log: Log, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the export of all of the log, which tests only read."""
    folder = tmp_path_factory.mktemp("exported")
    environment = {"TAXI_MONGODB_URI": log.server.uri, "TAXI_REPORT_TIME_ZONE": ZONE}
    done = CliRunner().invoke(app, ["export", str(folder)], env=environment)
    assert done.exit_code == 0, done.output
    return folder


def run(*arguments: str) -> str:
    """Run the command here; return what it printed."""
    done = CliRunner().invoke(app, ["export", *arguments])
    assert done.exit_code == 0, done.output
    return done.stdout


def fails(caplog: pytest.LogCaptureFixture, code: int, *arguments: str) -> str:
    """Run the command, which ends with an exit code; return its last line."""
    caplog.clear()
    assert CliRunner().invoke(app, ["export", *arguments]).exit_code == code
    return caplog.messages[-1]


def process(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run the command as a process."""
    return subprocess.run(
        [sys.executable, "-B", "-m", "taxi_report.main", "export", *arguments], check=False,
        env={**os.environ, "PYTHONPATH": ":".join(sys.path)}, capture_output=True, text=True,
        timeout=120, **options,
    )  # fmt: skip


def tree(folder: Path) -> dict[str, str]:
    """Return the digests of all files of a folder."""
    return {
        str(path.relative_to(folder)): sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_duckdb_and_polars_read_what_the_log_has(log: Log, exported: Path) -> None:
    files = f"{exported}/**/*.parquet"
    wanted = {
        one["_id"]: one
        for one in log.database[PREDICTIONS].find({"_id": {"$nin": ["broken", "gone"]}})
    }
    labels = {one["_id"]: one["value"] for one in log.database[LABELS].find()}

    table = (
        duckdb.connect()
        .execute(
            f"select id, model, model_version, date, answered_at at time zone 'UTC', event_time, "
            f"prediction, label, inputs.trip_distance, inputs.PULocationID, extra "
            f"from read_parquet('{files}', hive_partitioning = true)"
        )
        .fetchall()
    )
    frame = pl.scan_parquet(files, hive_partitioning=True, try_parse_hive_dates=True).collect()

    assert len(table) == len(frame) == len(wanted) == log.rows
    for row_id, model, version, day, answered, event, prediction, label, *inputs, extra in table:
        one = wanted[row_id]
        assert (model, version) == (MODEL_NAME, one["model_version"])
        assert (answered, event) == (
            one["ts"].replace(tzinfo=None), one["event_time"].replace(tzinfo=None)
        )  # fmt: skip
        assert day == one["ts"].astimezone(ZoneInfo(ZONE)).date()
        assert (prediction, label) == (one["prediction"], labels.get(row_id))
        assert inputs == [one["inputs"]["trip_distance"], one["inputs"]["PULocationID"]]
        assert (extra is not None) == (row_id == "many-00000001")
    assert frame["label"].count() == log.labelled
    assert frame["date"].unique().sort().to_list() == sorted({row[3] for row in table})
    assert frame.schema["inputs"] == pl.Struct(
        {"PULocationID": pl.Int64, "DOLocationID": pl.Int64, "trip_distance": pl.Float64}
    )
    for file in exported.rglob("*.parquet"):
        order = pq.ParquetFile(file).read(columns=["answered_at", "id"]).to_pylist()
        assert order == sorted(order, key=lambda row: (row["answered_at"], row["id"]))


def test_what_is_left_out_is_counted_and_complete_days_stay(log: Log, tmp_path: Path) -> None:
    first = run(str(tmp_path), "--from", FIRST, "--to", LAST)
    before = tree(tmp_path)
    assert f"version {GONE}: 1 rows left out: model version {GONE}: the registry has none" in first
    assert "predictions.prediction: 1 documents cannot be read and were left out" in first
    assert first.splitlines()[-1].startswith("3 days written (")
    assert first.splitlines()[-1].endswith("; 0 were there")
    assert not any(f"model_version={GONE}" in name for name in before)

    assert run(str(tmp_path), "--from", FIRST, "--to", LAST).startswith("0 days written (0 rows")
    assert tree(tmp_path) == before
    assert "files of 3 days are as their manifests say" in run(str(tmp_path), "--verify")
    # A day that is not closed yet is not there at all. It begins at five, UTC: at whatever time of
    # the day this runs, so many whole days ago the third of March was not over.
    ahead = (datetime.now(UTC) - datetime(2020, 3, 3, 5, tzinfo=UTC)).days
    young = tmp_path / "young"
    done = run(str(young), "--from", FIRST, "--to", LAST, "--closed-after", f"{ahead}d")
    assert done.splitlines()[-1].startswith("2 days written")


def test_days_with_later_labels_are_written_again(log: Log, tmp_path: Path) -> None:
    span = ("--from", FIRST, "--to", "2020-03-02")
    run(str(tmp_path), *span)
    before = tree(tmp_path)
    labels = log.database[LABELS]
    row_id = next(
        one["_id"] for one in log.database[PREDICTIONS].find({"_id": {"$regex": "^many"}})
        if labels.find_one({"_id": one["_id"]}) is None
    )  # fmt: skip
    (stale,) = tmp_path.glob(f"model={MODEL_NAME}/model_version={log.versions[0]}/date=*/")
    (stale / "part-0007.parquet").write_bytes(b"of another run")
    labels.insert_one({"_id": row_id, "value": 7.0, "ts": NOW, "stored_at": NOW})
    try:
        done = CliRunner().invoke(app, ["export", str(tmp_path), "--verify"])
        assert done.exit_code == 1
        assert "part-0007.parquet: is in no manifest" in done.output
        run(str(tmp_path), *span, "--again")
    finally:
        labels.delete_one({"_id": row_id})
    after = tree(tmp_path)
    assert after.keys() == before.keys()
    assert after != before
    frame = pl.read_parquet(f"{tmp_path}/**/*.parquet")
    assert frame.filter(pl.col("id") == row_id)["label"].to_list() == [7.0]
    run(str(tmp_path), *span, "--again")
    assert tree(tmp_path) == before


def test_a_kill_before_any_file_operation_is_mended_by_the_next_run(
    log: Log, tmp_path: Path
) -> None:
    assert log.rows
    span = (FIRST, "2020-03-03")
    run(str(tmp_path / "whole"), "--from", span[0], "--to", span[1])
    wanted = tree(tmp_path / "whole")
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path / "killed"), *span], check=False,
        env={**os.environ, "PYTHONPATH": ":".join(sys.path)}, capture_output=True, text=True,
        timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert len(wanted) == 5
    lines = [line for line in done.stdout.splitlines() if line.endswith(" 0")]
    assert lines == ["-9 0"] * (len(lines) - 1) + ["0 0"]
    # Each file is opened and moved into its place.
    assert len(lines) > 2 * len(wanted)
    found = sorted((tmp_path / "killed").iterdir())
    assert [tree(folder) for folder in found] == [wanted] * len(lines)


def test_a_full_disk_is_said_and_the_next_run_ends_with_the_same_bytes(tmp_path: Path) -> None:
    span = ("--from", FIRST, "--to", LAST)
    run(str(tmp_path / "whole"), *span)
    wanted = tree(tmp_path / "whole")
    full = tmp_path / "full"
    done = process(
        str(full), *span,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (4000, 4000)),
    )  # fmt: skip
    assert done.returncode == 1
    assert "cannot be written (File too large); name a folder or bucket" in done.stderr
    assert "Traceback" not in done.stderr
    assert not any("_manifests" in name for name in tree(full))
    run(str(full), *span)
    assert tree(full) == wanted


def test_mongodb_away_in_the_middle_is_waited_for(tmp_path: Path, exported: Path) -> None:
    rides = usual(taxi_rides("green-2020-03-before.parquet"))
    days = Days(datetime(2020, 3, 1, tzinfo=UTC), datetime(2020, 3, 5, tzinfo=UTC), ZoneInfo("UTC"))
    with (
        running_mongod() as server,
        connect(server.uri, app_name="test") as patient,
        connect(server.uri, app_name="test", timeout_seconds=1) as client,
    ):
        database = client[DATABASE]
        artifact = taxi_artifact(rides[:4000])
        register(patient[DATABASE], artifact, NOW)
        write_rides(patient[DATABASE], rides[:30_000:30], artifact)

        def exporter(name: str, patience: float) -> Exporter:
            return Exporter(
                database, MODEL_NAME, Destination(str(tmp_path / name)),
                patience_seconds=patience, partition_rows=50, part_bytes=8_000,
            )  # fmt: skip

        assert len(list(exporter("whole", 60).export(days))) > 2
        running = exporter("away", 60).export(days)
        next(running)
        server.kill()
        back = threading.Timer(1.5, server.start)
        back.start()
        assert len(list(running)) > 1
        back.join()
        assert tree(tmp_path / "away") == tree(tmp_path / "whole")
        parts = [name for name in tree(tmp_path / "whole") if name.endswith("part-0001.parquet")]
        assert parts

        running = exporter("gone", 1).export(days)
        next(running)
        server.kill()
        with pytest.raises(NotAvailableError, match="MongoDB does not answer"):
            list(running)


def test_an_s3_server_has_the_same_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    span = ("--from", FIRST, "--to", LAST)
    run(str(tmp_path), *span)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}", "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret", "AWS_DEFAULT_REGION": "us-east-1",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    try:
        client = boto3.client("s3")
        client.create_bucket(Bucket="taxi")
        run("s3://taxi/exports/log", *span)
        assert run("s3://taxi/exports/log", *span).startswith("0 days written")

        listed = client.list_objects_v2(Bucket="taxi", Prefix="exports/log/")["Contents"]
        found = {
            one["Key"].removeprefix("exports/log/"): sha256(
                client.get_object(Bucket="taxi", Key=one["Key"])["Body"].read()
            ).hexdigest()
            for one in listed
        }
        assert found == tree(tmp_path)
        victim = listed[-1]["Key"]
        client.put_object(Bucket="taxi", Key=victim, Body=b"PAR1")
        done = CliRunner().invoke(app, ["export", "s3://taxi/exports/log", "--verify"])
        assert done.exit_code == 1
        assert f"{victim.removeprefix('exports/log/')}: has 4 bytes" in done.stdout
        text = fails(caplog, 1, "s3://nobody/log", *span)
        assert text.startswith("s3://nobody/log: ")
        assert "cannot be written" in text
    finally:
        server.stop()


def test_usage_that_cannot_be_is_told(
    tmp_path: Path, exported: Path, caplog: pytest.LogCaptureFixture
) -> None:
    text = fails(caplog, 1, str(exported), "--zone", "UTC")
    assert f"its day is of {ZONE}, not UTC; give --zone {ZONE}" in text
    text = fails(caplog, 1, "nowhere://user:s3cr3t@host/a", "--verify")
    assert text.startswith("nowhere://host/a: cannot be opened")
    text = fails(caplog, 2, str(tmp_path), "--again")
    assert text == "--again: is given without --from; give the first day"
    text = fails(caplog, 2, str(tmp_path), "--from", FIRST, "--closed-after", "soon")
    assert text.startswith("--closed-after: 'soon' is no length of time")


def test_flights_have_texts_and_missing_numbers(log: Log, tmp_path: Path) -> None:
    schema = read_schema(FLIGHTS)
    artifact = artifact_for(schema, name="flight-delay")
    Registry(log.database).add(artifact, model="flight-delay", state=ModelState.ACCEPTED, now=NOW)
    inputs = {"carrier": "UA", "origin": "JFK", "dest": "LAX", "distance": 2475.0}
    answered = datetime(2013, 7, 1, 12, tzinfo=UTC)
    records = [
        PredictionRecord(
            f"f{n}", answered + timedelta(seconds=n), None, "flight-delay", artifact.version,
            "champion", {**inputs, "dep_delay": delay}, 3.0,
        ).to_document()
        for n, delay in enumerate([1.5, None])
    ]  # fmt: skip
    insert_records(log.database, records, NOW)

    assert "1 days written (2 rows, 0 with a label)" in run(
        str(tmp_path), "--model", "flight-delay"
    )
    table = (
        duckdb.connect()
        .execute(
            f"select inputs.carrier, inputs.dep_delay, event_time, label "
            f"from read_parquet('{tmp_path}/**/*.parquet') order by id"
        )
        .fetchall()
    )
    assert table == [("UA", 1.5, None, None), ("UA", None, None, None)]


def test_each_row_is_in_one_day_where_clocks_go_back_over_midnight(
    log: Log, tmp_path: Path
) -> None:
    artifact = artifact_for(read_schema(FLIGHTS), name="st-johns")
    Registry(log.database).add(artifact, model="st-johns", state=ModelState.ACCEPTED, now=NOW)
    inputs = {"carrier": "UA", "origin": "JFK", "dest": "LAX", "distance": 2475.0, "dep_delay": 1.0}
    # Local 23:50, 00:00, then, as at 02:31 UTC it is 23:01 again, 23:20, and 00:10.
    minutes = [(2, 20), (2, 30), (2, 50), (3, 40)]
    insert_records(
        log.database,
        [
            PredictionRecord(
                f"s{place}", datetime(2010, 11, 7, *time, tzinfo=UTC), None, "st-johns",
                artifact.version, "champion", inputs, 3.0,
            ).to_document()
            for place, time in enumerate(minutes)
        ],
        NOW,
    )  # fmt: skip

    told = run(str(tmp_path), "--model", "st-johns", "--zone", "America/St_Johns")

    assert "2 days written (4 rows, 0 with a label)" in told
    frame = pl.read_parquet(f"{tmp_path}/**/*.parquet", hive_partitioning=True).sort("id")
    assert [f"{day}" for day in frame["date"]] == ["2010-11-06", *["2010-11-07"] * 3]
    assert run(str(tmp_path), "--model", "st-johns", "--zone", "America/St_Johns").startswith(
        "0 days written"
    )
