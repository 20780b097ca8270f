"""Arms: servers that are compared, each on the same core, all else on another.

The arms have no capabilities, as in the chart's pods.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from support.monitor import TOKEN, Monitor
from support.predictor import PLAIN, Predictor, register

from serving.delivery import wait_for_delivery
from serving.usage import cpu_seconds, resident_mib
from serving.wrk import Load, wrk
from taxi_domain.models import Alias
from taxi_local.mongod import running_mongod
from taxi_local.server_process import ServerProcess
from taxi_store.registry.artifacts import Artifact

UNPRIVILEGED = ("setpriv", "--bounding-set=-all", "--inh-caps=-all", "prlimit", "--nice=0:0")


@dataclass(frozen=True)
class Round:
    """One measurement of one arm.

    Attributes:
        rate: Rows a second.
        p99: 99th percentile of the answers' times, ms.
        cpu: CPU time of the arm's processes for a row, its delivery included, us.
        system_cpu: The same with its MongoDB and its monitor.
    """

    rate: float
    p99: float
    cpu: float
    system_cpu: float


@dataclass(frozen=True)
class Arm:
    """A server under load.

    Attributes:
        process: The server.
        body: Of the requests to `route`.
        route: That answers one row.
        others: Pids of what serves this arm alone: its MongoDB and its monitor.
        logs: It has a log, which is waited for after each measurement.
    """

    process: ServerProcess
    body: object = field(default_factory=lambda: PLAIN)
    route: str = "/predict"
    others: tuple[int, ...] = ()
    logs: bool = False

    def measure(self, load: Load, rows: int = 1) -> Round:
        """Put load on it; with several rows the body is a batch of them."""
        own = self.process.pids()
        before, before_others = cpu_seconds(own), cpu_seconds(self.others)
        url, body = f"{self.process.url}{self.route}", self.body
        answers = wrk(f"{url}/batch", [body] * rows, load) if rows > 1 else wrk(url, body, load)
        self.settle()
        us = 1e6 / (answers.count * rows)
        cpu = (cpu_seconds(own) - before) * us
        others = (cpu_seconds(self.others) - before_others) * us
        return Round(answers.rate * rows, answers.p99, cpu, cpu + others)

    def settle(self) -> None:
        """Wait until its log has all rows."""
        if self.logs:
            wait_for_delivery(self.process.metrics_url)

    def largest_process_mib(self) -> float:
        """Return the memory of the largest of its processes but for the first, MiB."""
        children = [pid for pid in self.process.pids() if pid != self.process.pid]
        return max(map(resident_mib, children))


@dataclass(frozen=True)
class Bench:
    """Where arms run.

    Attributes:
        folder: For their files.
        core: Of the arms.
        workers: gunicorn workers of an arm.
    """

    folder: Path
    core: int
    workers: int = 1

    @property
    def prefix(self) -> tuple[str, ...]:
        """Return what stands before an arm's command."""
        return (*UNPRIVILEGED, "taskset", "-c", str(self.core))

    def subfolder(self, name: str) -> Path:
        """Return (and make) a folder of an arm."""
        folder = self.folder / name
        folder.mkdir(parents=True)
        return folder


def reserve_cores() -> int:
    """Move this process, and all that it starts, away from one core; return that core."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        raise SystemExit("two cores are needed: one for the predictor, one for all others")
    os.sched_setaffinity(0, {cores[1]})
    return cores[0]


@contextmanager
def running(bench: Bench, process: ServerProcess, until: str = "/readyz") -> Iterator[None]:
    """Run an arm's server on the reserved core."""
    process.prefix = bench.prefix
    process.start(until=until)
    try:
        yield
    finally:
        process.stop()


@contextmanager
def logging_arm(
    bench: Bench,
    name: str,
    artifact: Artifact,
    body: object = PLAIN,
    environment: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[tuple[Arm, str]]:
    """Run a predictor as in production, with a MongoDB and a monitor of its own.

    Args:
        bench: Where it runs.
        name: Of its folder.
        artifact: Its model.
        body: Of the requests.
        environment: More variables of the predictor alone.

    Yields:
        The arm and the URI of its MongoDB.
    """
    folder = bench.subfolder(name)
    with running_mongod() as mongod:
        register(mongod.uri, Alias.CHAMPION, artifact)
        monitor = Monitor(folder, mongod.uri, TAXI_MONITOR_EVALUATION_SECONDS="5")
        predictor = Predictor(
            folder, mongod.uri, TAXI_MONITOR_URL=monitor.url, TAXI_MONITOR_TOKEN=TOKEN,
            TAXI_PREDICT_WORKERS=str(bench.workers), **environment,
        )  # fmt: skip
        monitor.start()
        try:
            with running(bench, predictor):
                others = (mongod.pid, *monitor.pids())
                yield Arm(predictor, body, others=others, logs=True), mongod.uri
        finally:
            monitor.stop()
