"""With networkPolicy.enabled the flows of docs/network.md work, and others fail.

Without a CNI that enforces policies there is nothing to see: the first pod that a policy denies
everything tells whether there is one.
"""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from support.waiting import wait_for

from taxi_stories.kubectl import Kubectl, run
from taxi_stories.prometheus import Prometheus
from taxi_stories.release import Release

pytestmark = pytest.mark.e2e

NAMESPACE = "taxi-policies"
CLIENT = {"taxi-monitoring.io/client": "true"}
#: How long a CNI may take until a new policy counts.
ENFORCED_SECONDS = 20.0
TRIES = 3
CONNECT = """
import socket, sys
try:
    socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=3).close()
except OSError as error:
    print(f"refused: {error}")
else:
    print("connected")
"""


def reaches(kubectl: Kubectl, pod: str, host: str, port: int) -> bool:
    """Tell whether a pod (or `deployment/name`) can open a connection."""
    words = ("exec", pod, "--", "python3", "-c", CONNECT, host, str(port))
    return kubectl(*words, timeout=60).strip() == "connected"


def run_pod(kubectl: Kubectl, image: str, name: str, labels: dict[str, str]) -> None:
    """Start a pod that only listens on port 8000."""
    container: dict[str, Any] = {
        "name": "pod", "image": image, "command": ["python3", "-m", "http.server", "8000"],
        "workingDir": "/tmp",
    }  # fmt: skip
    kubectl.apply({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": labels},
        "spec": {"containers": [container], "terminationGracePeriodSeconds": 0},
    })  # fmt: skip


def deny(kubectl: Kubectl, labels: dict[str, str]) -> None:
    kubectl.apply({
        "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
        "metadata": {"name": "denied"},
        "spec": {"podSelector": {"matchLabels": labels}, "policyTypes": ["Ingress"]},
    })  # fmt: skip


def is_denied(kubectl: Kubectl, address: str) -> bool:
    """Tell whether the denied pod is reached never in a few tries: single ones may be late."""
    return not any(reaches(kubectl, "asking", address, 8000) for _ in range(TRIES))


def is_enforced(kubectl: Kubectl, image: str) -> bool:
    """Tell whether a policy that denies everything denies anything."""
    run_pod(kubectl, image, "denied", {"probe": "denied"})
    run_pod(kubectl, image, "asking", {"probe": "asking"})
    kubectl("wait", "pod/denied", "pod/asking", "--for=condition=Ready", "--timeout=300s",
            timeout=320)  # fmt: skip
    address = kubectl.get("pod", "denied")["status"]["podIP"]
    wait_for("the server", lambda: reaches(kubectl, "asking", address, 8000))
    deny(kubectl, {"probe": "denied"})
    deadline = time.monotonic() + ENFORCED_SECONDS
    while time.monotonic() < deadline:
        # A busy kubelet does not serve every call.
        if wait_for("an answer", lambda: (is_denied(kubectl, address),))[0]:
            return True
        time.sleep(1)
    return False


@pytest.fixture(scope="module")
def kubectl(context: str) -> Iterator[Kubectl]:
    one = Kubectl(context, NAMESPACE)
    release = Release(one, "taxi")
    release.uninstall()  # what a run that was cut off left
    one("create", "namespace", NAMESPACE)
    yield one
    release.uninstall()


@pytest.fixture(scope="module")
def release(kubectl: Kubectl, values: dict[str, Any]) -> Release:
    """Return a release with policies, beside a client and a stranger; skip where none counts."""
    image = values["images"]["predict"]
    prefix = f"{image['registry']}/" if image.get("registry") else ""
    name = f"{prefix}{image['repository']}:{image['tag']}"
    if not is_enforced(kubectl, name):
        pytest.skip("the cluster's CNI does not enforce NetworkPolicies (docs/cluster-builder.md)")
    run_pod(kubectl, name, "client", CLIENT)
    run_pod(kubectl, name, "stranger", {"probe": "stranger"})
    one = Release(kubectl, "taxi")
    one.install({
        **values, "networkPolicy": {"enabled": True},
        "metrics": {"serviceMonitor": {"interval": "5s"}},
    })  # fmt: skip
    return one


#: Who may not, whom, by which port: one of each kind.
FORBIDDEN = [
    ("stranger", "taxi-predict", 80),
    ("stranger", "taxi-mongodb", 27017),
    ("client", "taxi-predictor-metrics", 9697),
    ("client", "taxi-mongodb", 27017),
    ("deployment/taxi-monitor", "taxi-predictor", 80),
    ("deployment/taxi-predictor", "kubernetes.default", 443),
]


@pytest.mark.timeout(1200)
def test_allowed_flows_work(release: Release, prometheus: Prometheus) -> None:
    """What the release needs to become ready (MongoDB, the first model) worked already."""
    kubectl = release.kubectl
    allowed = [
        ("client", "taxi-predict", 80),
        ("client", "taxi-monitor", 80),
        ("deployment/taxi-predictor", "taxi-monitor", 80),
        ("deployment/taxi-operator", "kubernetes.default", 443),
        ("deployment/taxi-operator", "prometheus-operated.monitoring", 9090),
    ]
    # A connection may be late; one that is not allowed is never there.
    for one in allowed:
        wait_for(f"a connection {one}", lambda one=one: reaches(kubectl, *one))

    jobs = {f"taxi-{part}" for part in ("predictor", "fallback", "monitor", "operator")}
    query = f'up{{namespace="{NAMESPACE}"}} == 1'
    wait_for(
        "all scrapes", lambda: {one["job"] for one, _ in prometheus.query(query)} == jobs,
        seconds=300,
    )  # fmt: skip
    helm_test(release)


def helm_test(release: Release) -> None:
    """Run the checks of `helm test` in a pod as the chart renders it."""
    command = [
        release.helm, "test", release.name, "--kube-context", release.kubectl.context,
        "--namespace", release.kubectl.namespace, "--timeout", "120s",
    ]  # fmt: skip
    assert "Succeeded" in run(command, timeout=150)


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("flow", FORBIDDEN, ids=json.dumps)
def test_forbidden_flows_fail(release: Release, flow: tuple[str, str, int]) -> None:
    assert not reaches(release.kubectl, *flow)
