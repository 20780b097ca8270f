"""The same report from a real Dask cluster, also when parts of it die or differ."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import httpx
import pytest
from pymongo.database import Database
from support.fault_proxy import SlowProxy
from support.report_log import Written, register, write_rides
from support.taxi_artifacts import taxi_artifact
from support.taxi_columns import taxi_rides, usual

import taxi_report
from taxi_domain.mongodb import DATABASE, REPORTS
from taxi_domain.reports import ReportPart
from taxi_local.mongod import Mongod, running_mongod
from taxi_local.ports import free_port
from taxi_store.connection import Document, connect
from taxi_store.reports.reports import load_report

pytestmark = pytest.mark.component

NOW = datetime(2021, 1, 1, tzinfo=UTC)
START_SECONDS = 120
#: Between workers and log while a test waits for the middle of a report, seconds each way.
SLOW_SECONDS = 0.3
#: Patience, time-outs of Dask and the end of all processes together.
MAX_SECONDS = 180


@dataclass(frozen=True, slots=True)
class Log:
    """A log of some rides."""

    server: Mongod
    database: Database[Document]
    written: Written


@pytest.fixture(scope="module")
def log() -> Iterator[Log]:
    rides = usual(taxi_rides("green-2020-03-before.parquet"))[-16_000:]
    artifact = taxi_artifact(rides[:4000])
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
def process(
    log: Log, folder: Path, *arguments: str, **variables: str
) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a part of a Dask cluster, in a group of its own."""
    with (folder / f"{time.monotonic()}.log").open("wb") as out:
        one = subprocess.Popen(
            [sys.executable, "-m", "dask", *arguments], env=environment(log, **variables),
            stdout=out, stderr=out, start_new_session=True, cwd=folder,
        )  # fmt: skip
    try:
        yield one
    finally:
        kill(one)


class Cluster:
    """A scheduler and its workers on loopback."""

    def __init__(self, log: Log, folder: Path, stack: ExitStack) -> None:
        self._log = log
        #: Between the workers and the log.
        self.proxy = stack.enter_context(SlowProxy(log.server.port, 0.0))
        self._folder = folder
        self._stack = stack
        self._uri = f"mongodb://127.0.0.1:{self.proxy.port}/taxi"
        self._port, self._dashboard_port = free_port(), free_port()
        self.address = f"tcp://127.0.0.1:{self._port}"
        self.dashboard = f"http://127.0.0.1:{self._dashboard_port}"
        self.workers: list[subprocess.Popen[bytes]] = []

    def start_scheduler(self, first: Path | None = None) -> None:
        """Start the scheduler."""
        self.scheduler = self._start(
            "scheduler", "--host", "127.0.0.1", "--port", str(self._port),
            "--dashboard-address", f"127.0.0.1:{self._dashboard_port}", first=first,
        )  # fmt: skip

    def start_worker(self, first: Path | None = None) -> None:
        """Start one more worker."""
        self.workers.append(
            self._start("worker", self.address, "--nthreads", "1", "--no-nanny", "--no-dashboard",
                        "--host", "127.0.0.1", first=first)
        )  # fmt: skip

    def kill_workers(self) -> None:
        """Kill all workers."""
        for one in self.workers:
            kill(one)
        self.workers.clear()

    def logs(self) -> str:
        """Return what scheduler and workers said last."""
        files = sorted(self._folder.glob("*.log"))
        return "\n".join("\n".join(one.read_text().splitlines()[-30:]) for one in files)

    def _start(self, *arguments: str, first: Path | None) -> "subprocess.Popen[bytes]":
        # What is in `first` hides the rest.
        path = ":".join([*([str(first)] if first else []), *sys.path])
        variables = {"PYTHONPATH": path, "TAXI_MONGODB_URI": self._uri}
        return self._stack.enter_context(process(self._log, self._folder, *arguments, **variables))


def kill(one: "subprocess.Popen[bytes]") -> None:
    """Kill a part of a cluster."""
    if one.poll() is None:
        os.killpg(one.pid, signal.SIGKILL)
    one.wait()


@pytest.fixture
def empty(log: Log, tmp_path: Path) -> Iterator[Cluster]:
    """Return a cluster of which nothing runs yet."""
    with ExitStack() as stack:
        yield Cluster(log, tmp_path, stack)


@pytest.fixture
def cluster(empty: Cluster) -> Cluster:
    """Run a scheduler and two workers."""
    empty.start_scheduler()
    for _ in range(2):
        empty.start_worker()
    wait_for_workers(empty, 2)
    return empty


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
        env=environment(log, PYTHONFAULTHANDLER="1", **variables),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


@contextmanager
def in_the_middle(
    log: Log, cluster: Cluster, **variables: str
) -> Iterator["subprocess.Popen[str]"]:
    """Start making the report, with the log slow until the middle of it is over.

    Enters once some of its tasks are done and others are not.
    """
    cluster.proxy.delay_seconds = SLOW_SECONDS
    running = start(log, TAXI_REPORT_DASK_ADDRESS=cluster.address, **variables)
    assert running.stderr is not None
    for line in running.stderr:
        if "partitions to read" in line:
            break
    _wait_for_work(cluster)
    yield running
    cluster.proxy.delay_seconds = 0.0


def failure(one: "subprocess.Popen[str]", seconds: float) -> str:
    """Wait for a report that fails; return the last line of what it says."""
    try:
        _, errors = one.communicate(timeout=seconds)
    finally:
        one.kill()
    assert one.returncode == 1, errors
    return errors.strip().splitlines()[-1]


def another_release(folder: Path) -> Path:
    """Return a folder with the report's code, of which one line is another."""
    (own,) = taxi_report.__path__
    copied = shutil.copytree(own, folder / "another" / "taxi_report")
    with (copied / "profile" / "numeric.py").open("a") as changed:
        changed.write("\nANOTHER = True\n")
    return folder / "another"


def another_package(folder: Path, name: str, number: str) -> Path:
    """Return a folder in which a package of another version seems to be installed."""
    described = folder / "another" / f"{name}-{number}.dist-info"
    described.mkdir(parents=True)
    (described / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {number}\n")
    return folder / "another"


def document(log: Log, one: "subprocess.Popen[str]", cluster: Cluster | None = None) -> bytes:
    """Wait for a report; return its document."""
    try:
        out, errors = one.communicate(timeout=240)
    except subprocess.TimeoutExpired:
        one.send_signal(signal.SIGABRT)  # it says where all of its threads are
        said, parts = one.communicate()[1][-3000:], cluster.logs() if cluster else ""
        pytest.fail(f"no report in time; it said: {said}\n{parts}")
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
    with in_the_middle(log, cluster) as running:
        kill(cluster.workers[0])

    assert document(log, running, cluster) == local


def test_workers_that_are_all_gone_end_the_report_with_one_line(log: Log, cluster: Cluster) -> None:
    with in_the_middle(log, cluster, TAXI_REPORT_PATIENCE_SECONDS="2") as running:
        cluster.kill_workers()

    assert "Dask: the scheduler has no workers; start some" in failure(running, MAX_SECONDS)


def test_workers_that_are_all_replaced_are_waited_for(log: Log, cluster: Cluster) -> None:
    local = document(log, start(log))
    with in_the_middle(log, cluster) as running:
        cluster.kill_workers()
        cluster.start_worker()

    assert document(log, running, cluster) == local


def test_a_scheduler_that_is_gone_ends_the_report_with_one_line(log: Log, cluster: Cluster) -> None:
    with in_the_middle(log, cluster, TAXI_REPORT_PATIENCE_SECONDS="2") as running:
        kill(cluster.scheduler)

    assert f"Dask: {cluster.address} does not answer" in failure(running, MAX_SECONDS)


def test_a_scheduler_that_hangs_ends_the_report_with_one_line(log: Log, cluster: Cluster) -> None:
    with in_the_middle(log, cluster, TAXI_REPORT_PATIENCE_SECONDS="2") as running:
        cluster.scheduler.send_signal(signal.SIGSTOP)

    assert f"Dask: {cluster.address} does not answer" in failure(running, MAX_SECONDS)


def test_a_scheduler_that_is_replaced_is_waited_for(log: Log, cluster: Cluster) -> None:
    local = document(log, start(log))
    with in_the_middle(log, cluster) as running:
        kill(cluster.scheduler)
        cluster.kill_workers()
        cluster.start_scheduler()
        cluster.start_worker()

    assert document(log, running, cluster) == local


def test_a_worker_of_another_release_is_refused_at_the_start(
    log: Log, empty: Cluster, tmp_path: Path
) -> None:
    empty.start_scheduler()
    empty.start_worker()
    empty.start_worker(first=another_release(tmp_path))
    wait_for_workers(empty, 2)

    said = failure(start(log, TAXI_REPORT_DASK_ADDRESS=empty.address), MAX_SECONDS)

    assert re.search(
        r"Dask: the worker tcp://127\.0\.0\.1:\d+ has taxi_report [0-9a-f]{12} "
        r"\(report: [0-9a-f]{12}\); run scheduler and workers from the report's image$",
        said,
    )


def test_a_worker_of_another_release_that_joins_in_the_middle_reads_nothing(
    log: Log, cluster: Cluster, tmp_path: Path
) -> None:
    with in_the_middle(log, cluster, TAXI_REPORT_PATIENCE_SECONDS="40") as running:
        cluster.kill_workers()
        cluster.start_worker(first=another_release(tmp_path))

    said = failure(running, MAX_SECONDS)

    assert re.search(r"Dask: the worker on \S+ has taxi_report [0-9a-f]{12} \(report: ", said)
    assert log.database[REPORTS].count_documents({"kind": "report"}) == 0


@pytest.mark.parametrize("part", ["scheduler", "worker"])
def test_another_version_of_a_package_is_refused_at_the_start(
    log: Log, empty: Cluster, tmp_path: Path, part: str
) -> None:
    other = another_package(tmp_path, "pymongo", "4.0.1")
    empty.start_scheduler(first=other if part == "scheduler" else None)
    empty.start_worker(first=other if part == "worker" else None)
    wait_for_workers(empty, 1)

    said = failure(start(log, TAXI_REPORT_DASK_ADDRESS=empty.address), MAX_SECONDS)

    assert f"Dask: the {part}" in said
    assert f"has pymongo 4.0.1 (report: {version('pymongo')}); run scheduler" in said


def test_no_scheduler_fails_with_one_line(log: Log) -> None:
    one = start(
        log,
        TAXI_REPORT_DASK_ADDRESS=f"tcp://127.0.0.1:{free_port()}",
        DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT="2s",
        TAXI_REPORT_PATIENCE_SECONDS="5",
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
    try:
        text = httpx.get(f"{cluster.dashboard}/metrics", timeout=30, verify=False).text
    except httpx.TransportError:
        return {}
    lines: list[Any] = [
        line for line in text.splitlines() if line.startswith("dask_scheduler_tasks{state=")
    ]
    return {line.split('"')[1]: float(line.split()[-1]) for line in lines}
