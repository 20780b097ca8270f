"""The report as a flow in a real Prefect server."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from fixtures_mongod import running_mongod
from ports import free_port
from report_log import register, write_rides

from taxi_domain.mongodb import DATABASE, REPORTS
from taxi_store.connection import Document, connect
from taxi_train.candidates import train
from taxi_train.main import SAMPLES
from taxi_train.rides import read_file

pytestmark = pytest.mark.component

NOW = datetime(2021, 1, 1, tzinfo=UTC)
#: The server imports and migrates for half a minute on a busy machine.
START_SECONDS = 180


@pytest.fixture(scope="module")
def prefect(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run a Prefect server with a database of its own; return the address of its API."""
    home = tmp_path_factory.mktemp("prefect")
    port = free_port()
    with (home / "log").open("wb") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1",
             "--port", str(port), "--no-ui"],
            env={**os.environ, **quiet(home)}, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    url = f"http://127.0.0.1:{port}/api"
    try:
        wait_until_it_answers(server, url, home / "log")
        yield url
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def quiet(home: Path) -> dict[str, str]:
    """Return the environment of Prefect without a word to anybody outside."""
    return {
        "PREFECT_HOME": str(home), "PREFECT_SERVER_ANALYTICS_ENABLED": "false", "DO_NOT_TRACK": "1",
    }  # fmt: skip


def wait_until_it_answers(server: "subprocess.Popen[bytes]", url: str, log: Path) -> None:
    """Wait for the server's API."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            if httpx.get(f"{url}/health", timeout=5).status_code == 200:
                return
        except httpx.TransportError:
            pass
        if server.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(log.read_text()[-2000:])
        time.sleep(0.3)


def report(url: str, home: Path) -> tuple["subprocess.CompletedProcess[str]", Document]:
    """Make a report with Prefect's API at an address; return how it ended, and the report."""
    rides = read_file(SAMPLES / "green-2020-03-before.parquet")[-6000:]
    artifact = train(rides[:4000])
    with running_mongod() as server, connect(server.uri, app_name="test") as client:
        database = client[DATABASE]
        register(database, artifact, NOW)
        written = write_rides(database, rides[4000:], artifact)
        span = ["--from", written.start.isoformat(), "--to", written.end.isoformat()]
        done = subprocess.run(
            [sys.executable, "-m", "taxi_report.main", "run", *span, "--output", "json"],
            env={
                **os.environ, **quiet(home), "PYTHONPATH": ":".join(sys.path),
                "TAXI_MONGODB_URI": server.uri, "TAXI_REPORT_PROCESSES": "1",
                "PREFECT_API_URL": url,
            },
            capture_output=True, text=True, timeout=240, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        (made,) = database[REPORTS].find({"kind": "report"}, {"verdict": 1})
        return done, made


def test_a_run_is_seen_with_its_tasks_and_its_verdicts(prefect: str, tmp_path: Path) -> None:
    _, made = report(prefect, tmp_path)

    (flow_run,) = found(prefect, "flow_runs/filter")
    assert flow_run["name"] == made["_id"]
    assert flow_run["state_type"] == "COMPLETED"
    tasks = found(prefect, "task_runs/filter")
    assert {one["name"].rsplit("-", 1)[0] for one in tasks} == {
        "collect", "profile", "compare", "render", "store",
    }  # fmt: skip
    assert {one["state_type"] for one in tasks} == {"COMPLETED"}
    (artifact,) = found(prefect, "artifacts/filter")
    assert artifact["type"] == "table"
    assert made["verdict"] in artifact["description"]
    assert "threshold" in artifact["data"]


def test_a_server_that_does_not_answer_keeps_no_report_from_being_made(tmp_path: Path) -> None:
    done, _ = report(f"http://127.0.0.1:{free_port()}/api", tmp_path)

    assert "Prefect does not answer" in done.stderr


def found(url: str, route: str) -> list[dict[str, Any]]:
    """Return all objects of a kind that the server has."""
    answer = httpx.post(f"{url}/{route}", json={}, timeout=30)
    answer.raise_for_status()
    objects: list[dict[str, Any]] = answer.json()
    return objects
