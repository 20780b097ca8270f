"""The same report from a real Dask cluster, also when a worker dies in the middle."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from fixtures_mongod import Mongod, running_mongod
from ports import free_port
from pymongo.database import Database
from report_log import Written, register, write_rides

from taxi_domain.mongodb import DATABASE, REPORTS
from taxi_domain.reports import ReportPart
from taxi_store.connection import Document, connect
from taxi_store.reports import load_report
from taxi_train.candidates import train
from taxi_train.main import SAMPLES
from taxi_train.rides import read_file

pytestmark = pytest.mark.component

NOW = datetime(2021, 1, 1, tzinfo=UTC)
START_SECONDS = 120


@dataclass(frozen=True, slots=True)
class Log:
    """A log of some rides."""

    server: Mongod
    database: Database[Document]
    written: Written


@pytest.fixture(scope="module")
def log() -> Iterator[Log]:
    rides = read_file(SAMPLES / "green-2020-03-before.parquet")[-16_000:]
    artifact = train(rides[:4000])
    with running_mongod() as server, connect(server.uri, app_name="test") as client:
        database = client[DATABASE]
        register(database, artifact, NOW)
        yield Log(server, database, write_rides(database, rides[4000:], artifact))


def environment(log: Log, **variables: str) -> dict[str, str]:
    """Return the environment that client, scheduler and workers share."""
    return {
        **os.environ, "PYTHONPATH": ":".join(sys.path), "TAXI_MONGODB_URI": log.server.uri,
        "TAXI_REPORT_PARTITION_ROWS": "1000", "TAXI_REPORT_PROCESSES": "1",
        "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "10", **variables,
    }  # fmt: skip


@contextmanager
def process(log: Log, folder: Path, *arguments: str) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a part of a Dask cluster, in a group of its own."""
    with (folder / f"{time.monotonic()}.log").open("wb") as out:
        one = subprocess.Popen(
            [sys.executable, "-m", "dask", *arguments], env=environment(log), stdout=out,
            stderr=out, start_new_session=True, cwd=folder,
        )  # fmt: skip
    try:
        yield one
    finally:
        if one.poll() is None:
            os.killpg(one.pid, signal.SIGKILL)
        one.wait()


@dataclass(frozen=True, slots=True)
class Cluster:
    """A scheduler and its workers."""

    address: str
    dashboard: str
    workers: Sequence["subprocess.Popen[bytes]"]


@pytest.fixture
def cluster(log: Log, tmp_path: Path) -> Iterator[Cluster]:
    """Run a scheduler and two workers on loopback."""
    port, dashboard = free_port(), free_port()
    address = f"tcp://127.0.0.1:{port}"
    with ExitStack() as stack:
        stack.enter_context(
            process(log, tmp_path, "scheduler", "--host", "127.0.0.1", "--port", str(port),
                    "--dashboard-address", f"127.0.0.1:{dashboard}")
        )  # fmt: skip
        workers = [
            stack.enter_context(
                process(log, tmp_path, "worker", address, "--nthreads", "1", "--no-nanny",
                        "--no-dashboard", "--host", "127.0.0.1")
            )
            for _ in range(2)
        ]  # fmt: skip
        found = Cluster(address, f"http://127.0.0.1:{dashboard}", workers)
        wait_for_workers(found, 2)
        yield found


def wait_for_workers(cluster: Cluster, count: int) -> None:
    """Wait until so many workers are known to the scheduler."""
    deadline, text = time.monotonic() + START_SECONDS, ""
    while time.monotonic() < deadline:
        try:
            text = httpx.get(f"{cluster.dashboard}/metrics", timeout=5).text
        except httpx.TransportError:
            text = ""
        idle = [
            line
            for line in text.splitlines()
            if line.startswith('dask_scheduler_workers{state="idle"}')
        ]
        if idle and float(idle[0].split()[-1]) >= count:
            return
        time.sleep(0.3)
    raise RuntimeError(f"no {count} workers; the scheduler says: {text[:500]}")


def start(log: Log, **variables: str) -> "subprocess.Popen[str]":
    """Start making the report of the whole log."""
    span = ["--from", log.written.start.isoformat(), "--to", log.written.end.isoformat()]
    return subprocess.Popen(
        [sys.executable, "-m", "taxi_report.main", "run", *span, "--output", "json"],
        env=environment(log, **variables),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def document(log: Log, one: "subprocess.Popen[str]") -> bytes:
    """Wait for a report; return its document."""
    out, errors = one.communicate(timeout=240)
    assert one.returncode == 0, errors
    found = load_report(log.database, out.strip().splitlines()[-1].split(": ")[0], ReportPart.JSON)
    assert found is not None
    log.database[REPORTS].delete_many({})
    return found


def test_dask_and_processes_give_the_same_report(log: Log, cluster: Cluster) -> None:
    local = document(log, start(log))

    assert document(log, start(log, TAXI_REPORT_DASK_ADDRESS=cluster.address)) == local


def test_a_worker_that_dies_in_the_middle_is_not_missed(log: Log, cluster: Cluster) -> None:
    local = document(log, start(log))
    running = start(log, TAXI_REPORT_DASK_ADDRESS=cluster.address)
    assert running.stderr is not None
    for line in running.stderr:
        if "partitions to read" in line:
            break
    _wait_for_work(cluster)
    os.killpg(cluster.workers[0].pid, signal.SIGKILL)

    assert document(log, running) == local


def test_no_scheduler_fails_with_one_line(log: Log) -> None:
    one = start(
        log,
        TAXI_REPORT_DASK_ADDRESS=f"tcp://127.0.0.1:{free_port()}",
        DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT="2s",
    )
    _, errors = one.communicate(timeout=240)

    assert one.returncode == 1
    assert "Dask: tcp://127.0.0.1" in errors.strip().splitlines()[-1]


def _wait_for_work(cluster: Cluster) -> None:
    """Wait until some tasks are done and others are not."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        tasks = _tasks(cluster)
        if (
            tasks.get("memory", 0) + tasks.get("released", 0) >= 1
            and tasks.get("processing", 0) >= 1
        ):
            return
        time.sleep(0.02)
    raise RuntimeError("the cluster was never at work")


def _tasks(cluster: Cluster) -> dict[str, float]:
    text = httpx.get(f"{cluster.dashboard}/metrics", timeout=5).text
    lines: list[Any] = [
        line for line in text.splitlines() if line.startswith("dask_scheduler_tasks{state=")
    ]
    return {line.split('"')[1]: float(line.split()[-1]) for line in lines}
