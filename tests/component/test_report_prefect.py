"""A real Prefect server: the report as a flow, and a check behind a step of somebody's own."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pymongo.database import Database
from support.cutting_proxy import cutting_proxy
from support.prefect_server import Server, quiet, running_prefect
from support.report_log import Written, register, write_rides
from support.taxi_artifacts import taxi_artifact
from support.taxi_columns import DISTANCE, SAMPLES, taxi_rides, usual
from support.waiting import wait_for

from taxi_domain.mongodb import DATABASE, REPORTS
from taxi_local.mongod import running_mongod
from taxi_local.ports import free_port
from taxi_store.connection import Document, connect
from taxi_store.registry.artifacts import pack

pytestmark = pytest.mark.component

NOW = datetime(2021, 1, 1, tzinfo=UTC)
#: The step before the check: rows in, rows with a `prediction` out.
SCORE = [sys.executable, "-m", "taxi_predict.batch.main", "score", "--keep-all"]
FLOW = """
import subprocess
import sys
from pathlib import Path

from prefect import flow, task
from taxi_report.prefect import ConditionsNotMetError, check_data

score, model, rows, scored, out = json.loads(sys.argv[1])


@task
def score_month():
    subprocess.run([*score, "--model", model, rows, scored], check=True)


@task
def use_predictions():
    Path(out).with_suffix(".used").touch()


@flow(name="monthly")
def monthly():
    score_month()
    check_data(model, scored, checks=Path(out).parent / "checks.toml", json=out)
    use_predictions()


try:
    monthly()
except ConditionsNotMetError as error:
    print(error)
    sys.exit(3 if error.document["verdict"] == "conditions not met" else 4)
"""


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


def states_of_tasks(prefect: Server) -> dict[str, str]:
    """Return the states of tasks by name; the server takes them in a moment after it is told."""
    found = prefect.found("task_runs/filter")
    return {one["name"].rsplit("-", 1)[0]: one["state_type"] for one in found}


def test_a_run_is_seen_with_its_tasks_and_its_verdicts(
    prefect: Server, log: Log, tmp_path: Path
) -> None:
    made, _ = log.made(log.start(prefect.url, tmp_path))

    (flow_run,) = prefect.found("flow_runs/filter")
    assert flow_run["name"] == made["_id"]
    assert flow_run["state_type"] == "COMPLETED"
    steps = dict.fromkeys(("collect", "profile", "compare", "render", "store"), "COMPLETED")
    wait_for("the tasks", lambda: states_of_tasks(prefect) == steps)
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
    # Its run is there then, and none of its rows is read: the report cannot end before.
    at = b"/concurrency_limits/"
    with (
        running_prefect(tmp_path) as server,
        cutting_proxy(urlsplit(server.url).port or 0, at, server.kill) as (port, is_cut),
    ):
        _, said = log.made(log.start(f"http://127.0.0.1:{port}/api", tmp_path))

    assert is_cut.is_set()
    assert "Prefect went away" in said


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "model.tar"
    path.write_bytes(pack(taxi_artifact(taxi_rides("green-2021-01.parquet")[-20_000:]).files))
    return path


def run_pipeline(server: Server, model: Path, rows: Path, folder: Path) -> tuple[int, str]:
    """Run the flow; return how it ended and what it said."""
    (folder / "checks.toml").write_text(
        "[rows]\nminimum = 1000\nmax_doubled_ids = false\n[error]\nmax_rmse = 60\n"
    )
    flow = folder / "flow.py"
    flow.write_text(f"import json\n{FLOW}")
    given = [SCORE, str(model), str(rows), str(folder / "scored.parquet"), str(folder / "out.json")]
    process = subprocess.run(
        [sys.executable, str(flow), json.dumps(given)],
        env={
            **os.environ, **quiet(folder), "PYTHONPATH": ":".join(sys.path),
            "PREFECT_API_URL": server.url,
        },
        capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    return process.returncode, process.stdout + process.stderr


def test_a_month_that_is_as_expected_goes_on(prefect: Server, model: Path, tmp_path: Path) -> None:
    rows = SAMPLES / "green-2021-01.parquet"
    month = pq.read_metadata(rows).num_rows

    code, said = run_pipeline(prefect, model, rows, tmp_path)

    assert code == 0, said
    assert (tmp_path / "out.used").exists()
    document = json.loads((tmp_path / "out.json").read_bytes())
    assert document["verdict"] == "conditions met"
    assert document["rows"]["read"] == month > 30_000
    (error,) = (one for one in document["conditions"] if one["condition"] == "max_rmse")
    assert error["state"] == "met"
    wait_for("the task", lambda: states_of_tasks(prefect).get("check-data") == "COMPLETED")
    # The server has the artifacts of reports too.
    found = prefect.found("artifacts/latest/filter")
    (artifact,) = (one for one in found if one["key"] == "taxi-check")
    assert artifact["description"] == f"conditions met: {month:,} rows read"
    assert "max_drift" in artifact["data"]


def test_a_month_that_is_not_ends_the_flow_before_its_next_step(
    prefect: Server, model: Path, tmp_path: Path
) -> None:
    table = pq.read_table(SAMPLES / "green-2021-02-head.parquet")
    place = table.column_names.index(DISTANCE)
    miles = pa.array(table[DISTANCE].to_numpy() * 1.609)
    rows = tmp_path / "kilometres.parquet"
    pq.write_table(table.set_column(place, DISTANCE, miles), rows)

    code, said = run_pipeline(prefect, model, rows, tmp_path)

    assert code == 3, said
    assert "max_drift of trip_distance" in said
    assert not (tmp_path / "out.used").exists()
    states = {one["state_type"] for one in prefect.found("flow_runs/filter")}
    assert "FAILED" in states
