"""Batch reports on the cluster: by a Job of the CronJob, and with Dask while a worker is killed."""

import os
import selectors
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from support.cluster_faults import assert_all_logged
from support.cluster_load import send_rides, some_rides
from support.waiting import wait_for

from taxi_domain.kube import COMPONENT_LABEL
from taxi_stories.forwards import patient_get
from taxi_stories.jobs import wait_for_job
from taxi_stories.prometheus import Prometheus
from taxi_stories.release import Release
from taxi_stories.reports import make_report, read_report

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(2400)]

#: The file's first ride that is refused comes later.
RIDES = 3300
DASK = "TAXI_REPORT_DASK_ADDRESS"
#: Stops the worker of its pod as soon as it has tasks in hand, so that they stay there. Dask's
#: guardian, the first process, is not stopped: nobody replaces the worker.
_HOLD = """
import os, signal, sys, time
from distributed import Client

def in_hand(client):
    return sum(len(keys) for name, keys in client.processing().items() if sys.argv[2] in name)

def tell_worker(number):
    # This script has the word in its own command line.
    for pid in set(filter(str.isdigit, os.listdir("/proc"))) - {str(os.getpid())}:
        with open(f"/proc/{pid}/cmdline") as file:
            if "spawn_main" in file.read():
                os.kill(int(pid), number)

with Client(sys.argv[1], timeout=60) as client:
    print("watching", flush=True)
    while True:
        while not in_hand(client):
            time.sleep(0.01)
        tell_worker(signal.SIGSTOP)
        time.sleep(0.5)
        if in_hand(client):
            break
        tell_worker(signal.SIGCONT)
    print("holding", flush=True)
"""


@pytest.fixture(scope="module")
def own_values() -> dict[str, Any]:
    """Reports of partitions that are small enough for several workers to have some."""
    return {
        "batchReport": {
            "enabled": True,
            # Never within these tests, which look for reports of their own.
            "schedule": "0 0 1 1 *",
            "last": "24h",
            "partitionRows": 1000,
            "prometheus": {"url": "http://prometheus-operated.monitoring:9090"},
            "dask": {"enabled": True, "workers": 2},
        }
    }


@dataclass(frozen=True, slots=True)
class Sent:
    """Rides that were answered, labelled and logged, and when."""

    start: datetime
    end: datetime


@pytest.fixture(scope="module")
def sent(breakable: Release) -> Sent:
    start = now()
    rides = some_rides(RIDES)
    send_rides(breakable, rides)
    assert_all_logged(breakable, [str(one.body["ride_id"]) for one in rides])
    time.sleep(1)
    return Sent(start, now())


def now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


def test_a_worker_that_is_killed_in_the_middle_changes_no_figure(
    breakable: Release, sent: Sent
) -> None:
    local = make_report(breakable, sent.start, sent.end, env={DASK: ""})
    victim, _ = wait_for("both workers", lambda: two_dask_workers(breakable), seconds=300)

    with holding(breakable, victim) as held, ThreadPoolExecutor(1) as thread:
        running = thread.submit(make_report, breakable, sent.start, sent.end)
        held.wait_for("holding")
        assert not running.done()
        breakable.kubectl("delete", "pod", victim["metadata"]["name"], "--force",
                          "--grace-period=0")  # fmt: skip
        with_dask = running.result()

    assert local.document["served"]["rows"] == RIDES
    assert local.document["problems"] == []
    assert with_dask.document == local.document


def test_a_job_of_the_cron_job_makes_a_report_that_the_monitor_serves(
    breakable: Release, prometheus: Prometheus, sent: Sent
) -> None:
    # Its span ends with the last whole minute.
    whole = sent.end.replace(second=0) + timedelta(minutes=1)
    time.sleep(max(0.0, (whole - datetime.now(UTC)).total_seconds()))
    breakable.kubectl("create", "job", "by-hand", "--from=cronjob/taxi-report")
    wait_for_job(breakable.kubectl, "by-hand")

    with breakable.monitor() as monitor:
        found = patient_get(monitor, "/v1/reports", timeout_seconds=20).json()
        entry, *_ = found["reports"]
        listed = patient_get(monitor, "/reports", timeout_seconds=20).text
        report = read_report(monitor, entry["id"])
    assert (entry["rows"], entry["problems"]) == (RIDES, 0), report.document["problems"]
    assert entry["id"] in listed
    assert report.document["served"]["rows"] == RIDES
    assert report.document["verdict"] == entry["verdict"]
    assert "</html>" in report.page
    series = '{namespace="taxi-e2e",job="taxi-monitor"}'
    wait_for("metric", lambda: prometheus.value(f"taxi_report_rows{series}") == RIDES, seconds=400)
    age = f"time() - taxi_report_last_success_timestamp_seconds{series}"
    (made,) = wait_for(
        "time of the report", lambda: None if (found := prometheus.value(age)) is None else (found,)
    )
    assert 0 <= made < 1800


def two_dask_workers(release: Release) -> list[dict[str, Any]]:
    """Return the pods of Dask's workers that can work, once both can."""
    pods: list[dict[str, Any]] = release.kubectl.get(
        "pods", "-l", f"{COMPONENT_LABEL}=dask-worker"
    )["items"]
    ready = [
        pod
        for pod in pods
        if any(one["ready"] for one in pod["status"].get("containerStatuses") or [])
    ]
    return ready if len(ready) == 2 else []


class Printed:
    """A process that prints, and what it has printed so far."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        assert process.stdout is not None
        self._output = process.stdout
        self._words = ""

    def wait_for(self, word: str, seconds: float = 600) -> None:
        """Wait for a line that begins with a word; fail with what was printed."""
        deadline = time.monotonic() + seconds
        with selectors.DefaultSelector() as selector:
            selector.register(self._output, selectors.EVENT_READ)
            while not any(line.startswith(word) for line in self._words.splitlines()):
                # Read as it comes: of lines that come together none may stay in a buffer.
                piece = os.read(self._output.fileno(), 1 << 16) if selector.select(1.0) else None
                if piece == b"" or time.monotonic() > deadline:
                    pytest.fail(f"{word}: is not said within {seconds:.0f} s, but: {self._words}")
                self._words += (piece or b"").decode(errors="replace")


@contextmanager
def holding(release: Release, pod: dict[str, Any]) -> Iterator[Printed]:
    """Stop a worker when it has tasks; it is watched from the begin of the block on."""
    scheduler, address = "tcp://taxi-dask-scheduler:8786", f"//{pod['status']['podIP']}:"
    command = release.kubectl.command(
        "exec", pod["metadata"]["name"], "--", "python", "-u", "-c", _HOLD, scheduler, address
    )
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as one:
        try:
            printed = Printed(one)
            printed.wait_for("watching")
            yield printed
        finally:
            one.kill()
