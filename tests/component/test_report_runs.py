"""`taxi-report run` as a process, with real rides and a real mongod: figures and faults."""

import gzip
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bson.int64 import Int64
from pymongo.database import Database
from support.artifacts import artifact_for
from support.report_log import Written, register, write_rides
from support.taxi_artifacts import taxi_artifact
from support.taxi_columns import taxi_rides, usual

from taxi_domain.models import MODEL_NAME, ModelState
from taxi_domain.mongodb import DATABASE, LABELS, PREDICTIONS, REPORTS
from taxi_domain.records import PredictionRecord
from taxi_domain.reports import ReportPart, RunState
from taxi_local.mongod import Mongod, running_mongod
from taxi_schema.columns.rows import LabelledRows
from taxi_schema.reading import schema_of
from taxi_store.connection import Document, connect
from taxi_store.registry.artifacts import Artifact
from taxi_store.registry.registry import Registry
from taxi_store.reports.report_runs import latest_run
from taxi_store.reports.reports import load_report

pytestmark = pytest.mark.component

NOW = datetime(2021, 1, 1, tzinfo=UTC)
LONGEST = 120


@dataclass(frozen=True, slots=True)
class Log:
    """A database with a log of the collapse, and what was written."""

    server: Mongod
    database: Database[Document]
    artifact: Artifact
    rides: LabelledRows
    before: Written
    after: Written


@pytest.fixture(scope="module")
def written() -> Iterator[Log]:
    """Log some days before the collapse and the days after, each in its own span."""
    early = usual(taxi_rides("green-2020-03-before.parquet"))[-16_000:]
    late = usual(taxi_rides("green-2020-03-after.parquet"))[:6000]
    artifact = taxi_artifact(early[:12_000])
    with running_mongod() as server, connect(server.uri, app_name="test") as client:
        database = client[DATABASE]
        register(database, artifact, NOW)
        after = write_rides(database, late, artifact, labelled=0.5, prefix="a")
        # Right before, so that they are in the span before.
        gap = timedelta(seconds=float(late.moments[0] - early.moments[-1]) - 60)
        before = write_rides(database, early[12_000:], artifact, shift=gap, prefix="b")
        yield Log(server, database, artifact, late, before, after)


@pytest.fixture
def log(written: Log) -> Iterator[Log]:
    """Return the log without reports; what a test adds under `test-` goes afterwards."""
    yield written
    written.database[REPORTS].delete_many({})
    for name in (PREDICTIONS, LABELS):
        written.database[name].delete_many({"_id": {"$regex": "^test-"}})


def command(log: Log, *arguments: str, **variables: str) -> subprocess.Popen[str]:
    """Start the command line on the span after the collapse."""
    span = ["--from", log.after.start.isoformat(), "--to", log.after.end.isoformat()]
    given = list(arguments) if "--from" in arguments else [*span, *arguments]
    return subprocess.Popen(
        [sys.executable, "-m", "taxi_report.main", "run", "--output", "json", *given],
        env={
            **os.environ, "PYTHONPATH": ":".join(sys.path), "TAXI_MONGODB_URI": log.server.uri,
            "TAXI_REPORT_PROCESSES": "2", "TAXI_REPORT_PARTITION_ROWS": "1000", **variables,
        },
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def made(log: Log, *arguments: str, **variables: str) -> dict[str, Any]:
    """Make a report; return its document as it was stored."""
    process = command(log, *arguments, **variables)
    out, errors = process.communicate(timeout=LONGEST)
    assert process.returncode == 0, errors
    return stored(log, out.strip().splitlines()[-1].split(": ")[0])


def stored(log: Log, report_id: str) -> dict[str, Any]:
    """Return a report's document."""
    data = load_report(log.database, report_id, ReportPart.JSON)
    assert data is not None
    document: dict[str, Any] = json.loads(gzip.decompress(data))
    return document


def ends(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Wait for a process; return its exit code and what it said last."""
    _, errors = process.communicate(timeout=LONGEST)
    return process.returncode, errors.strip().splitlines()[-1] if errors.strip() else ""


def assert_close(first: Any, second: Any, path: str = "") -> None:
    """Compare two documents, numbers to within 1e-9."""
    if isinstance(first, dict):
        assert first.keys() == second.keys(), path
        for key, one in first.items():
            assert_close(one, second[key], f"{path}/{key}")
    elif isinstance(first, list):
        assert len(first) == len(second), path
        for place, (one, other) in enumerate(zip(first, second, strict=True)):
            assert_close(one, other, f"{path}/{place}")
    elif isinstance(first, float) and isinstance(second, float):
        assert first == pytest.approx(second, rel=1e-9, abs=1e-9), path
    else:
        assert first == second, path


def test_figures_are_those_of_the_whole_log(log: Log) -> None:
    document = made(log)

    rows = list(log.database[PREDICTIONS].find({"_id": {"$regex": "^a-"}}))
    labels = {one["_id"]: one["value"] for one in log.database[LABELS].find()}
    errors = np.array(
        [one["prediction"] - labels[one["_id"]] for one in rows if one["_id"] in labels]
    )
    (version,) = document["versions"]
    found = version["performance"]
    assert document["served"]["rows"] == version["rows"] == len(rows) == log.after.rows
    assert document["served"]["rows_before"] > 0
    assert version["model_version"] == log.artifact.version
    assert version["labels"]["rows"] == log.after.labelled
    assert found["rows"] == len(errors)
    assert found["rmse"] == pytest.approx(np.sqrt((errors**2).mean()), rel=1e-12)
    assert found["bias"] == pytest.approx(errors.mean(), rel=1e-12)
    assert version["labels"]["lag_seconds"][0] == pytest.approx(7200, rel=0.01)
    drifted = [one["name"] for one in version["columns"] if one["decides"] and one["drifted"]]
    assert document["verdict"] == ("drift" if drifted else "no drift")
    assert document["problems"] == []
    run = latest_run(log.database, MODEL_NAME)
    assert run is not None
    assert (run.state, run.report_id) == ("done", document["id"])


def test_only_a_run_that_says_so_is_the_schedule_s(log: Log) -> None:
    made(log, "--from", "2019-01-01", "--to", "2019-01-02")
    assert latest_run(log.database, MODEL_NAME, scheduled=True) is None

    document = made(log, "--from", "2019-01-02", "--to", "2019-01-03", "--scheduled")
    both = [latest_run(log.database, MODEL_NAME, scheduled=kind) for kind in (False, True)]
    assert [one and (one.state, one.report_id) for one in both] == [("done", document["id"])] * 2


def test_partitions_and_processes_change_nothing(log: Log) -> None:
    many = made(log)
    again = made(log)
    one = made(log, TAXI_REPORT_PARTITION_ROWS="50000", TAXI_REPORT_PROCESSES="1")

    assert many == again
    assert_close(many, one)
    assert log.database[REPORTS].count_documents({"kind": "report"}) == 1


def test_an_empty_span_has_a_report(log: Log) -> None:
    document = made(log, "--from", "2019-01-01", "--to", "2019-01-02")

    assert document["verdict"] == "no rows"
    assert document["versions"] == []
    assert document["words"] == ["No row was answered in this span."]


def test_a_day_on_which_the_clock_changes_is_longer(log: Log) -> None:
    document = made(log, "--from", "2020-10-25", "--to", "2020-10-26", "--zone", "Europe/Berlin")

    span = document["span"]
    length = datetime.fromisoformat(span["to"]) - datetime.fromisoformat(span["from"])
    assert length == timedelta(hours=25)
    assert (span["local_from"][-6:], span["local_to"][-6:]) == ("+02:00", "+01:00")


def test_versions_of_one_span_are_told_apart_and_one_can_be_asked_for(log: Log) -> None:
    first = log.database[PREDICTIONS].find_one({"_id": {"$regex": "^a-"}})
    assert first is not None
    others = [{**first, "_id": f"test-{at}", "model_version": "0123456789ab"} for at in range(30)]
    log.database[PREDICTIONS].insert_many(others)

    both = made(log)
    one = made(log, "--version", log.artifact.version)

    assert both["served"]["rows"] == log.after.rows + 30
    gone = both["served"]["unprofiled"]["0123456789ab"]
    assert gone["rows"] == 30
    assert "the registry has none" in gone["reason"]
    assert any(
        "30 rows of version 0123456789ab were counted only" in one for one in both["problems"]
    )
    assert one["served"]["rows"] == log.after.rows
    assert one["problems"] == []
    assert_close(one["versions"], both["versions"])


def test_what_cannot_be_read_is_counted_and_left_out(log: Log) -> None:
    first = log.database[PREDICTIONS].find_one({"_id": {"$regex": "^a-"}})
    assert first is not None
    strange = [
        {**first, "_id": "test-1", "prediction": "12"},
        {**first, "_id": "test-2", "inputs": [1, 2]},
        {**first, "_id": "test-3", "prediction": float("inf")},
        {**first, "_id": 17},
        # These can be read: a column is missing, or of another type.
        {**first, "_id": "test-5", "inputs": {}},
        {**first, "_id": "test-6", "inputs": {"trip_distance": "far"}, "event_time": "noon"},
    ]
    log.database[PREDICTIONS].insert_many(strange)
    log.database[LABELS].insert_one({"_id": "test-5", "value": "long", "ts": NOW})
    try:
        document = made(log)
    finally:
        log.database[PREDICTIONS].delete_one({"_id": 17})

    assert document["served"]["unreadable"] == {"labels": 1, "predictions": 4}
    assert document["served"]["rows"] == log.after.rows + 2
    for column in document["versions"][0]["columns"]:
        if column["name"] not in ("prediction", "target"):
            assert column["quality"]["missing_ratio"] == pytest.approx(2 / (log.after.rows + 2))


def test_versions_of_different_columns_are_in_one_report(log: Log) -> None:
    schema = schema_of({
        "id": "flight", "target": {"name": "delay", "unit": "minutes", "minimum": -120},
        "columns": [
            {"name": "carrier", "kind": "category"},
            {"name": "trip_distance", "kind": "category"},
        ],
        "slices": [{"name": "hub", "column": "carrier", "groups": {"north": ["A", "ZZ"]}}],
    })  # fmt: skip
    artifact = artifact_for(schema)
    Registry(log.database).add(artifact, model=MODEL_NAME, state=ModelState.ACCEPTED, now=NOW)
    rows = [
        PredictionRecord(
            f"test-{number:03d}", log.after.start + timedelta(seconds=number), None, MODEL_NAME,
            artifact.version, "candidate", {"carrier": "AZ"[number % 2] * (1 + number % 2)}, -5.0,
        )
        for number in range(300)
    ]  # fmt: skip
    log.database[PREDICTIONS].insert_many([row.to_document() for row in rows])
    log.database[LABELS].insert_many(
        {"_id": row.row_id, "value": -7.0, "ts": row.ts} for row in rows
    )

    document = made(log, "--output", "both")

    taxi, flights = document["versions"]
    assert (taxi["schema"]["target"], flights["schema"]["target"]) == ("duration", "delay")
    assert any(part["value"] == "borough=Manhattan" for part in taxi["slices"])
    assert (flights["rows"], flights["performance"]["bias"]) == (300, 2.0)
    assert flights["target_limits"] == [-120, None]
    columns = {column["name"]: column for column in flights["columns"]}
    assert columns["carrier"]["quality"]["unseen"] == [["ZZ", 150]]
    assert columns["trip_distance"]["quality"]["missing_ratio"] == 1
    hubs = [part for part in flights["slices"] if part["name"] == "hub"]
    assert [(part["value"], part["rows"]) for part in hubs] == [("hub=north", 300)]


def test_no_labels_are_no_error(log: Log) -> None:
    labels = list(log.database[LABELS].find({"_id": {"$regex": "^a-"}}))
    log.database[LABELS].delete_many({"_id": {"$regex": "^a-"}})
    try:
        document = made(log)
    finally:
        log.database[LABELS].insert_many(labels)

    (version,) = document["versions"]
    assert version["performance"] is None
    assert version["labels"]["coverage_ratio"] == 0
    assert version["columns"][0]["score"] > 0


def test_what_prometheus_does_not_say_is_not_known(log: Log) -> None:
    document = made(log, TAXI_REPORT_PROMETHEUS_URL="http://127.0.0.1:9")

    assert document["served"]["refused"] is None
    assert any("not known: Prometheus" in one for one in document["problems"])


def killed_behind(log: Log, line: str) -> bool:
    """Make the report, and kill it behind a line; tell whether it was killed."""
    log.database[REPORTS].delete_many({})
    process = command(log)
    assert process.stderr is not None
    for text in process.stderr:
        if line in text:
            process.send_signal(signal.SIGKILL)
            break
    process.communicate(timeout=LONGEST)
    return process.returncode == -signal.SIGKILL


@pytest.mark.parametrize("line", ["partitions to read", "rows profiled", "compared", "rendered"])
def test_killed_after_any_step_and_made_again_there_is_one_report(log: Log, line: str) -> None:
    whole = made(log)
    # Behind the last line it may end before it is killed.
    assert any(killed_behind(log, line) for _ in range(3))

    # It may have been stored between the line and the kill, whole.
    assert log.database[REPORTS].count_documents({"kind": "report"}) <= (line == "rendered")
    assert made(log) == whole
    assert log.database[REPORTS].count_documents({"kind": "report"}) == 1


def test_a_report_that_is_told_to_end_is_recorded_as_failed(log: Log) -> None:
    process = command(log)
    assert process.stderr is not None
    for text in process.stderr:
        if "partitions to read" in text:
            process.send_signal(signal.SIGTERM)
            break

    code, said = ends(process)

    assert code == 1
    assert "was told to end" in said
    run = latest_run(log.database, MODEL_NAME)
    assert run is not None
    assert (run.state, "was told to end" in run.reason) == (RunState.FAILED, True)
    assert log.database[REPORTS].count_documents({"kind": "report"}) == 0


def test_wild_numbers_and_times_of_other_programs_keep_no_report_from_being_made(log: Log) -> None:
    whole = made(log)
    (first,) = log.database[PREDICTIONS].find({"ts": {"$gte": log.after.start}}).sort("ts").limit(1)
    changes: dict[str, Document] = {
        "huge": {"prediction": 1e300},
        "event": {"event_time": float("nan")},
        "int64": {"prediction": Int64(12)},
        "inputs": {"inputs": dict.fromkeys(first["inputs"], -1e308)},
    }
    for name, change in changes.items():
        log.database[PREDICTIONS].insert_one({**first, "_id": f"test-{name}", **change})
        log.database[LABELS].insert_one({"_id": f"test-{name}", "value": 9.0, "ts": first["ts"]})

    document = made(log, "--output", "both")

    assert document["problems"] == []
    assert document["served"]["unreadable"] == {"predictions": 1}
    assert document["served"]["rows"] == whole["served"]["rows"] + 3
    (version,), (old,) = document["versions"], whole["versions"]
    assert version["rows"] == old["rows"] + 3
    assert version["performance"]["rmse"] < old["performance"]["rmse"] + 1


def test_two_at_once_make_one_report(log: Log) -> None:
    both = [command(log), command(log)]

    assert [ends(one)[0] for one in both] == [0, 0]
    assert log.database[REPORTS].count_documents({"kind": "report"}) == 1


def test_a_killed_worker_loses_no_row(log: Log) -> None:
    whole = made(log)
    process = command(log)
    killed = _kill_a_worker(process)

    code, said = ends(process)

    assert killed
    assert code == 0, said
    assert stored(log, whole["id"]) == whole


def test_mongodb_away_in_the_middle_is_waited_for(log: Log) -> None:
    whole = made(log)
    log.database[REPORTS].delete_many({})
    process = command(log, TAXI_REPORT_TIMEOUT_SECONDS="1")
    assert process.stderr is not None
    for text in process.stderr:
        if "partitions to read" in text:
            break
    log.server.hang()
    # Many time-outs long, and a part of the report's patience.
    waker = threading.Timer(20, log.server.go_on)
    waker.start()

    _, errors = process.communicate(timeout=LONGEST)
    waker.join()

    assert process.returncode == 0, errors
    assert stored(log, whole["id"]) == whole


def test_mongodb_that_stays_away_fails_with_one_line(log: Log) -> None:
    log.server.hang()
    try:
        process = command(log, TAXI_REPORT_TIMEOUT_SECONDS="0.5", TAXI_REPORT_PATIENCE_SECONDS="1")
        code, said = ends(process)
    finally:
        log.server.go_on()

    assert code == 1
    assert "MongoDB does not answer" in said


def test_a_copy_that_cannot_be_written_says_so_and_the_report_is_stored(
    log: Log, tmp_path: Path
) -> None:
    full = tmp_path / "full"
    full.mkdir()
    whole = made(log)
    (full / f".{whole['id']}.json.part").symlink_to("/dev/full")

    code, said = ends(command(log, "--out", str(full)))

    assert code == 1
    assert "No space left on device" in said
    assert "the report is stored" in said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--from", "2021-01-02", "--to", "2021-01-01"], "to: is not after `from`"),
        (["--from", "noon"], "from: 'noon' is no time"),
        (["--from", "2021-01-01", "--last", "24h"], "--last: is given beside"),
        (
            ["--from", "2021-01-01", "--zone", "Mars"],
            "TAXI_REPORT_TIME_ZONE: 'Mars' is no time zone",
        ),
        (["--from", "2021-01-01", "--model", "a b"], "TAXI_MODEL: is no name"),
    ],
)
def test_bad_usage_names_the_field(log: Log, arguments: list[str], said: str) -> None:
    code, line = ends(command(log, *arguments))

    assert code == 2
    assert said in line
    assert log.database[REPORTS].count_documents({}) == 0


def _kill_a_worker(process: subprocess.Popen[str]) -> bool:
    """Kill a process that reads partitions; tell whether there was one."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        for child in _children(process.pid):
            with suppress(OSError):  # it has ended
                if b"popen_loky" in Path(f"/proc/{child}/cmdline").read_bytes():
                    os.kill(child, signal.SIGKILL)
                    return True
        time.sleep(0.01)
    return False


def _children(pid: int) -> list[int]:
    try:
        return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []
