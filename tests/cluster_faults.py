"""Faults that are injected into a running cluster, and the log to count rides in."""

import contextlib
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.database import Database

from taxi_stories.forwards import Forward
from taxi_stories.kubectl import CommandError
from taxi_stories.release import Release


def kill_container(release: Release, component: str) -> str:
    """Kill a container's first process on its node, as the kernel would; return the pod's name.

    Only a node that is a local container can be reached this way.
    """
    pod = _pods(release, component)[0]
    node, name = pod["spec"]["nodeName"], pod["metadata"]["name"]
    identity = pod["status"]["containerStatuses"][0]["containerID"].removeprefix("containerd://")
    done = subprocess.run(
        ["docker", "exec", node, "ctr", "-n", "k8s.io", "task", "kill", "-s", "SIGKILL", identity],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        pytest.skip(f"containers of node {node} cannot be killed from here: {done.stderr[:200]}")
    return str(name)


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
    return logs.count("Perhaps out of memory") + ended


def restarts(release: Release, pod: str) -> int:
    """Return how often a pod's first container was started again."""
    found: Any = release.kubectl.get("pod", pod)
    return int(found["status"]["containerStatuses"][0]["restartCount"])


def _pods(release: Release, component: str) -> list[Any]:
    selector = f"app.kubernetes.io/instance={release.name},app.kubernetes.io/component={component}"
    found: list[Any] = release.kubectl.get("pods", "-l", selector)["items"]
    return found


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
