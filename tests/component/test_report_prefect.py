"""The report as a flow in a real Prefect server."""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pymongo.database import Database
from support.prefect_server import Server, quiet, running_prefect
from support.report_log import Written, register, write_rides
from support.taxi_artifacts import taxi_artifact
from support.taxi_columns import taxi_rides, usual
from support.waiting import wait_for

from taxi_domain.mongodb import DATABASE, REPORTS
from taxi_local.mongod import running_mongod
from taxi_local.ports import free_port
from taxi_store.connection import Document, connect

pytestmark = pytest.mark.component

NOW = datetime(2021, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def prefect(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running_prefect(tmp_path_factory.mktemp("prefect")) as server:
        yield server


@dataclass(frozen=True, slots=True)
class Log:
    """A log of some rides."""

    uri: str
    database: Database[Document]
    written: Written

    def start(self, url: str, home: Path) -> "subprocess.Popen[str]":
        """Start a report of all of it, with Prefect's API at an address."""
        span = ["--from", self.written.start.isoformat(), "--to", self.written.end.isoformat()]
        return subprocess.Popen(
            [sys.executable, "-m", "taxi_report.main", "run", *span, "--output", "json"],
            env={
                **os.environ, **quiet(home), "PYTHONPATH": ":".join(sys.path),
                "TAXI_MONGODB_URI": self.uri, "TAXI_REPORT_PROCESSES": "1",
                "PREFECT_API_URL": url,
            },
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def made(self, process: "subprocess.Popen[str]") -> tuple[Document, str]:
        """Return the report that a process makes, and what it says."""
        _, errors = process.communicate(timeout=240)
        assert process.returncode == 0, errors
        (one,) = self.database[REPORTS].find({"kind": "report"}, {"verdict": 1})
        return one, errors


@pytest.fixture(scope="module")
def rides_log() -> Iterator[Log]:
    rides = usual(taxi_rides("green-2020-03-before.parquet"))[-6000:]
    artifact = taxi_artifact(rides[:4000])
    with running_mongod() as server, connect(server.uri, app_name="test") as client:
        database = client[DATABASE]
        register(database, artifact, NOW)
        yield Log(server.uri, database, write_rides(database, rides[4000:], artifact))


@pytest.fixture
def log(rides_log: Log) -> Log:
    rides_log.database[REPORTS].delete_many({})
    return rides_log


def test_a_run_is_seen_with_its_tasks_and_its_verdicts(
    prefect: Server, log: Log, tmp_path: Path
) -> None:
    made, _ = log.made(log.start(prefect.url, tmp_path))

    (flow_run,) = prefect.found("flow_runs/filter")
    assert flow_run["name"] == made["_id"]
    assert flow_run["state_type"] == "COMPLETED"
    tasks = prefect.found("task_runs/filter")
    assert {one["name"].rsplit("-", 1)[0] for one in tasks} == {
        "collect", "profile", "compare", "render", "store",
    }  # fmt: skip
    assert {one["state_type"] for one in tasks} == {"COMPLETED"}
    (artifact,) = prefect.found("artifacts/filter")
    assert artifact["type"] == "table"
    assert made["verdict"] in artifact["description"]
    assert "threshold" in artifact["data"]


def test_a_server_that_does_not_answer_keeps_no_report_from_being_made(
    log: Log, tmp_path: Path
) -> None:
    _, said = log.made(log.start(f"http://127.0.0.1:{free_port()}/api", tmp_path))

    assert "Prefect does not answer" in said


def test_a_server_that_dies_in_the_middle_keeps_no_report_from_being_made(
    log: Log, tmp_path: Path
) -> None:
    with running_prefect(tmp_path) as server:
        process = log.start(server.url, tmp_path)
        wait_for("run", lambda: bool(server.found("flow_runs/filter")))
        server.kill()
        assert process.poll() is None
        _, said = log.made(process)

    assert "Prefect went away" in said
