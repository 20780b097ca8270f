"""Faults that are injected into a running cluster, and the log to count rides in."""

import contextlib
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.database import Database

from taxi_stories.forwards import Forward
from taxi_stories.release import Release


def kill_container(release: Release, component: str) -> str:
    """Kill a container's first process on its node, as the kernel would; return the pod's name.

    Only a node that is a local container can be reached this way.
    """
    selector = f"app.kubernetes.io/instance={release.name},app.kubernetes.io/component={component}"
    pod = release.kubectl.get("pods", "-l", selector)["items"][0]
    node, name = pod["spec"]["nodeName"], pod["metadata"]["name"]
    identity = pod["status"]["containerStatuses"][0]["containerID"].removeprefix("containerd://")
    done = subprocess.run(
        ["docker", "exec", node, "ctr", "-n", "k8s.io", "task", "kill", "-s", "SIGKILL", identity],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        pytest.skip(f"containers of node {node} cannot be killed from here: {done.stderr[:200]}")
    return str(name)


def restarts(release: Release, pod: str) -> int:
    """Return how often a pod's first container was started again."""
    found: Any = release.kubectl.get("pod", pod)
    return int(found["status"]["containerStatuses"][0]["restartCount"])


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
