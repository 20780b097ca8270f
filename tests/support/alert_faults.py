"""What goes wrong in a release on a cluster so that its alerts fire, and how it is mended.

Each fault is a context manager that yields when it began, in seconds since 1970.
"""

import json
import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC
from typing import Any, cast

import httpx

from support.cluster_faults import database_of
from support.cluster_load import load_in_cluster, send_rides
from support.cluster_policies import (
    ALWAYS,
    condition_of,
    delete_policy,
    falling_back,
    retraining,
    status_of,
    traffic_of,
)
from support.waiting import wait_for
from taxi_domain.kube import MONITOR, PREDICTOR
from taxi_stories import parts
from taxi_stories.release import Release
from taxi_stories.rows import LabelledBody, read_rides
from taxi_stories.story import SAMPLES

#: Rides of the load while MongoDB is away, a second.
RATE = 60.0
#: Rows without a distance that a client posts a second.
_BAD_ROWS = [{"PULocationID": 130, "DOLocationID": 205}] * 20
_NEVER = {**ALWAYS, "name": "never", "promql": "vector(0)"}
#: Sends a signal to all processes that the container's first one started.
_SIGNAL = """
import os, sys
for name in filter(str.isdigit, os.listdir("/proc")):
    try:
        with open(f"/proc/{name}/stat") as file:
            parent = file.read().rpartition(")")[2].split()[1]
    except FileNotFoundError:
        continue
    if parent == "1":
        os.kill(int(name), int(sys.argv[1]))
"""
_STOP, _CONTINUE = "19", "18"


#: Miles: the schema refuses longer rides, and a month has some of 100,000.
_LONGEST = 100


def _ordinary() -> list[LabelledBody]:
    """Return 3,000 new rides like those of the month that the model was trained on."""
    month = read_rides(SAMPLES / "green-2021-01.parquet", prefix=f"f{uuid.uuid4().hex[:8]}-")
    taken = [one for one in month if cast("float", one.body["trip_distance"]) <= _LONGEST]
    return taken[:: len(taken) // 3000][:3000]


def _scale(release: Release, what: str, replicas: int) -> None:
    release.kubectl("scale", what, f"--replicas={replicas}")
    if replicas:
        release.kubectl("rollout", "status", what, "--timeout=180s", timeout=190)


@contextmanager
def _gone(release: Release, what: str) -> Iterator[float]:
    began = time.time()
    _scale(release, what, 0)
    try:
        yield began
    finally:
        _scale(release, what, 1)


@contextmanager
def rows_refused(release: Release) -> Iterator[float]:
    """Let a client post rows that the schema refuses, beside one that posts good ones."""
    ended = threading.Event()

    def post() -> None:
        with release.predictor() as predictor, httpx.Client(timeout=10) as client:
            while not ended.wait(1.0):
                url = f"{predictor.url()}/predict/batch"
                client.post(url, json={"rows": _BAD_ROWS}).raise_for_status()

    send_rides(release, _ordinary())
    with ThreadPoolExecutor(1) as pool:
        began = time.time()
        posting = pool.submit(post)
        try:
            yield began
        finally:
            ended.set()
    posting.result()
    for _ in range(2):
        send_rides(release, _ordinary())


@contextmanager
def rides_drift(release: Release) -> Iterator[float]:
    """Send rides that are much longer, and then again rides as they were."""
    began = time.time()
    longer = [
        replace(one, body={**one.body, "trip_distance": 30.0 + number % 30})
        for number, one in enumerate(_ordinary()[::2])
    ]
    send_rides(release, longer)
    yield began
    send_rides(release, _ordinary())


@contextmanager
def predictors_gone(release: Release) -> Iterator[float]:
    """Take all pods of the champion; nobody takes its place."""
    with _gone(release, "deployment/taxi-predictor") as began:
        yield began


@contextmanager
def champion_gone(release: Release) -> Iterator[float]:
    """Take all pods of the champion of a policy that has a fallback."""
    release.kubectl.apply(falling_back(release, "rescue", _NEVER))
    wait_for("a look at the policy", lambda: status_of(release, "rescue").get("signals"))
    try:
        with _gone(release, "deployment/taxi-predictor") as began:
            yield began
        wait_for("champion", lambda: traffic_of(release) == PREDICTOR, seconds=240)
    finally:
        delete_policy(release, "rescue")


@contextmanager
def mongodb_away(release: Release) -> Iterator[float]:
    """Take MongoDB away while rides come, for longer than the spool has room."""
    with (
        load_in_cluster(release, RATE),
        _gone(release, "statefulset/taxi-mongodb") as began,
    ):
        yield began


@contextmanager
def operator_gone(release: Release) -> Iterator[float]:
    """Take the operator's pod."""
    with _gone(release, "deployment/taxi-operator") as began:
        yield began


@contextmanager
def signal_without_data(release: Release) -> Iterator[float]:
    """Make a policy whose signal names a metric that nobody exports."""
    wrong = {**_NEVER, "promql": "max(taxi_monitor_eror_score_ratio)"}
    began = time.time()
    release.kubectl.apply(falling_back(release, "wrong", wrong))
    try:
        yield began
    finally:
        delete_policy(release, "wrong")


@contextmanager
def monitor_hung(release: Release) -> Iterator[float]:
    """Stop the monitor's processes without ending them; a policy goes by what it exports."""
    seen = f'max(taxi_monitor_evaluation_age_seconds{{namespace="{release.kubectl.namespace}"}})'
    signal: dict[str, Any] = {**_NEVER, "promql": f"{seen} * 0"}
    release.kubectl.apply(falling_back(release, "watching", signal))
    wait_for(
        "a signal of the monitor",
        lambda: condition_of(release, "watching", "MetricsAvailable").get("status") == "True",
    )
    selector = parts.selector(release.name, MONITOR)
    (pod,) = release.kubectl.get("pods", "-l", selector)["items"]
    words = ("exec", pod["metadata"]["name"], "-c", MONITOR, "--", "python", "-c", _SIGNAL)
    began = time.time()
    release.kubectl(*words, _STOP)
    try:
        yield began
    finally:
        release.kubectl(*words, _CONTINUE)
        release.kubectl("rollout", "status", "deployment/taxi-monitor", "--timeout=180s",
                        timeout=190)  # fmt: skip
        delete_policy(release, "watching")


@contextmanager
def train_job_fails(release: Release) -> Iterator[float]:
    """Let a retraining be refused by its Job, as wrong arguments are: it is not tried again."""
    cron_job = release.kubectl.get("cronjob", "taxi-train")["spec"]["jobTemplate"]["spec"]
    (container,) = cron_job["template"]["spec"]["containers"]

    def change(command: list[str] | None) -> None:
        changed = {"name": container["name"], "command": command}
        spec = {"template": {"spec": {"containers": [changed]}}}
        patch = {"spec": {"jobTemplate": {"spec": spec}}}
        release.kubectl("patch", "cronjob/taxi-train", "-p", json.dumps(patch))

    change(["python", "-c", "raise SystemExit(2)"])
    began = time.time()
    release.kubectl.apply(retraining(release, "failing"))
    try:
        yield began
    finally:
        change(container.get("command"))
        delete_policy(release, "failing")


@contextmanager
def rows_stopped(release: Release) -> Iterator[float]:
    """Do nothing: the fault is as old as the newest row. Then send rides again."""
    with database_of(release) as database:
        newest = database["predictions"].find_one(sort=[("stored_at", -1)])
    assert newest is not None
    yield newest["stored_at"].replace(tzinfo=UTC).timestamp()
    send_rides(release, _ordinary())
