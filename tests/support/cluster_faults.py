"""Faults that are injected into a running cluster, and the log to count rides in."""

import contextlib
import subprocess
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.database import Database

from support.waiting import wait_for
from taxi_stories.forwards import Forward
from taxi_stories.kubectl import CommandError
from taxi_stories.release import Release


def kill_containers(release: Release, component: str) -> dict[str, int]:
    """Kill the first process of each of a component's containers, as the kernel would.

    Only a node that is a local container can be reached this way.

    Returns:
        For each pod how often its container had been started again before.
    """
    before = restarts_of(release, component)
    assert before, f"{component} has no pods"
    for pod in _pods(release, component):
        (status,) = pod["status"]["containerStatuses"]
        _kill(pod["spec"]["nodeName"], status["containerID"].removeprefix("containerd://"))
    return before


def _kill(node: str, container: str) -> None:
    if not _docker("container", "inspect", node):
        pytest.skip(f"node {node} is no local container: its processes cannot be killed from here")
    kill = ("ctr", "-n", "k8s.io", "task", "kill", "-s", "SIGKILL", container)
    if not _docker("exec", node, *kill):
        pytest.fail(f"container {container} of node {node} was not killed")


def _docker(*words: str) -> bool:
    try:
        done = subprocess.run(["docker", *words], capture_output=True, timeout=60, check=False)
    except FileNotFoundError:
        return False
    return done.returncode == 0


def started_again(release: Release, before: dict[str, int]) -> bool:
    """Tell whether all killed containers were started again."""
    pods = (release.kubectl.get("pod", name) for name in before)
    return all(_restarts(pod) > before[pod["metadata"]["name"]] for pod in pods)


#: Many processes, each smaller than a worker: the kernel takes the largest, so theirs come last.
_HOG = """
import os, time
for _ in range(16):
    if os.fork() == 0:
        kept = b"x" * (40 << 20)
        time.sleep(5)
        os._exit(0)
time.sleep(7)
"""


def exhaust_memory(release: Release, component: str) -> list[str]:
    """Use all memory that a component's containers may have; return the pods' names."""
    pods = [one["metadata"]["name"] for one in _pods(release, component)]
    for pod in pods:
        # Cut off when the whole container goes.
        with contextlib.suppress(CommandError):
            release.kubectl("exec", pod, "-c", component, "--", "python", "-c", _HOG)
    return pods


def out_of_memory_kills(release: Release, pod: str) -> int:
    """Count processes of a pod that the kernel killed because there was no memory.

    Kernels with control groups of version 2 end the whole container, others one process: a
    worker, which its supervisor reports, or the first one, which ends the container too.
    """
    (status,) = release.kubectl.get("pod", pod)["status"]["containerStatuses"]
    logs = release.kubectl("logs", pod)
    if status["restartCount"]:
        logs += release.kubectl("logs", pod, "--previous")
    ended = status.get("lastState", {}).get("terminated", {}).get("reason") == "OOMKilled"
    return logs.count("Perhaps out of memory") + int(ended)


def restarts_of(release: Release, component: str) -> dict[str, int]:
    """Return for each pod of a component how often its container was started again."""
    return {pod["metadata"]["name"]: _restarts(pod) for pod in _pods(release, component)}


def leaving(release: Release, component: str) -> list[str]:
    """Return the pods of a component that are being removed and are not gone yet."""
    return [
        pod["metadata"]["name"]
        for pod in _pods(release, component)
        if "deletionTimestamp" in pod["metadata"]
    ]


def _restarts(pod: Any) -> int:
    return sum(int(one["restartCount"]) for one in pod["status"].get("containerStatuses") or [])


def _pods(release: Release, component: str) -> list[Any]:
    selector = f"app.kubernetes.io/instance={release.name},app.kubernetes.io/component={component}"
    found: list[Any] = release.kubectl.get("pods", "-l", selector)["items"]
    return found


def wait_for_more(release: Release, count: int) -> None:
    """Wait until the log has so many rides more than it has now."""

    def logged() -> int:
        # Opened anew each time: a forwarded port can break.
        with database_of(release) as database:
            return database["predictions"].count_documents({})

    (before,) = wait_for("the log", lambda: (logged(),))
    wait_for(f"{count} rides more in the log", lambda: logged() >= before + count, seconds=300)


def assert_all_logged(release: Release, ride_ids: Iterable[str]) -> None:
    """See that the log has every ride in the end; an id is there once or not at all."""
    wanted = set(ride_ids)

    def all_there() -> bool:
        # Opened anew each time: a forwarded port can break.
        with database_of(release) as database:
            found = database["predictions"].find({"_id": {"$in": list(wanted)}}, {"_id": 1})
            return wanted <= {one["_id"] for one in found}

    wait_for(f"{len(wanted)} rides in the log", all_there, seconds=300)


@contextlib.contextmanager
def database_of(release: Release) -> Iterator[Database[Any]]:
    """Open the release's database as root through a forwarded port."""
    secret = f"{release.name}-mongodb-root"
    user = release.kubectl.secret(secret, "username")
    password = release.kubectl.secret(secret, "password")
    with Forward(release.kubectl, f"pod/{release.name}-mongodb-0", 27017) as forward:
        address = forward.url().removeprefix("http://")
        host, port = address.split(":")
        client: MongoClient[Any] = MongoClient(
            host, int(port), username=user, password=password, authSource="admin",
            directConnection=True, serverSelectionTimeoutMS=20_000,
        )  # fmt: skip
        with client:
            yield client["taxi"]
