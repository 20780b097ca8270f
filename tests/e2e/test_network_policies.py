"""With networkPolicy.enabled the flows of docs/network.md work, and others fail.

The first pod that a policy denies everything tells whether the CNI enforces policies. Where it does
not, a release with policies is as good as one without: the flows are tried with the one that is
there. That the forbidden flows work without policies shows, everywhere, that it is the policies
which stop them, and not a wrong name or port.
"""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
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
#: How often in a row a connection is refused where policies count.
REFUSALS = 3
#: How long names and connections may take on a busy cluster.
SETTLED_SECONDS = 300.0
#: A name that is not known is another thing than a connection that is refused.
CONNECT = """
import socket, sys
host, port = sys.argv[1], int(sys.argv[2])
try:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
except OSError as error:
    print(f"unknown: {error}")
    sys.exit()
said = []
for *_, address in found:
    try:
        socket.create_connection(address[:2], timeout=3).close()
    except OSError as error:
        said.append(f"{address[0]}: {error}")
    else:
        print("connected")
        sys.exit()
print(f"refused: {said}")
"""
#: From a pod (or `deployment/name`), to a host, by a port; a host without a dot is of the release.
Flow = tuple[str, str, int]


def reaches(kubectl: Kubectl, pod: str, host: str, port: int) -> bool:
    """Tell whether a pod (or `deployment/name`) can open a connection.

    A name that stays unknown fails the test, since it would pass for a flow that is stopped.
    """
    words = ("exec", pod, "--", "python3", "-c", CONNECT, host, str(port))

    def answer() -> str:
        said = kubectl(*words, timeout=60).strip()
        return "" if said.startswith("unknown: ") else said

    found: str = wait_for(f"an address of {host} in {pod}", answer, SETTLED_SECONDS)
    assert found == "connected" or found.startswith("refused: "), found
    return found == "connected"


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


def is_enforced(kubectl: Kubectl, image: str) -> bool:
    """Tell whether a policy that denies everything denies anything."""
    run_pod(kubectl, image, "denied", {"probe": "denied"})
    run_pod(kubectl, image, "asking", {"probe": "asking"})
    kubectl("wait", "pod/denied", "pod/asking", "--for=condition=Ready", "--timeout=90s",
            timeout=100)  # fmt: skip
    address = kubectl.get("pod", "denied")["status"]["podIP"]
    wait_for("the server", lambda: reaches(kubectl, "asking", address, 8000))
    deny(kubectl, {"probe": "denied"})
    # A busy cluster loses a connection now and then; a policy that counts lets none through.
    refused, deadline = 0, time.monotonic() + ENFORCED_SECONDS
    while refused < REFUSALS and (refused or time.monotonic() < deadline):
        refused = 0 if reaches(kubectl, "asking", address, 8000) else refused + 1
    return refused == REFUSALS


@pytest.fixture(scope="module")
def kubectl(context: str) -> Iterator[Kubectl]:
    one = Kubectl(context, NAMESPACE)
    release = Release(one, "taxi")
    release.uninstall()  # what a run that was cut off left
    one("create", "namespace", NAMESPACE)
    yield one
    release.uninstall()


@pytest.fixture(scope="module")
def image(values: dict[str, Any]) -> str:
    """Return the name of an image with Python."""
    named = values["images"]["predict"]
    prefix = f"{named['registry']}/" if named.get("registry") else ""
    return f"{prefix}{named['repository']}:{named['tag']}"


@pytest.fixture(scope="module")
def enforced(kubectl: Kubectl, image: str) -> bool:
    """Tell whether policies count on this cluster."""
    return is_enforced(kubectl, image)


@dataclass(frozen=True, slots=True)
class Flows:
    """A release, beside a client and a stranger who have pods of their own.

    Attributes:
        release: With policies where they count.
        beside: Where the two pods are; with policies, the release's namespace.
    """

    release: Release
    beside: Kubectl

    def wait_until_they_work(self, wanted: list[Flow]) -> None:
        for flow in wanted:
            wait_for(f"connection {flow}", partial(self.work, flow), SETTLED_SECONDS)

    def work(self, flow: Flow) -> bool:
        """Tell whether a connection can be opened."""
        source, host, port = flow
        kubectl = self.release.kubectl if "/" in source else self.beside
        named = host if "." in host else f"{host}.{self.release.kubectl.namespace}"
        return reaches(kubectl, source, named, port)


@pytest.fixture(scope="module")
def flows(
    kubectl: Kubectl, image: str, enforced: bool, installed: Release, values: dict[str, Any]
) -> Flows:
    run_pod(kubectl, image, "client", CLIENT)
    run_pod(kubectl, image, "stranger", {"probe": "stranger"})
    release = installed
    if enforced:
        release = Release(kubectl, "taxi")
        release.install({
            **values, "networkPolicy": {"enabled": True},
            "metrics": {"serviceMonitor": {"interval": "5s"}},
        })  # fmt: skip
    kubectl("wait", "pod/client", "pod/stranger", "--for=condition=Ready", "--timeout=90s",
            timeout=100)  # fmt: skip
    return Flows(release, kubectl)


#: What docs/network.md has, one of each kind.
ALLOWED: list[Flow] = [
    ("client", "taxi-predict", 80),
    ("client", "taxi-monitor", 80),
    ("deployment/taxi-predictor", "taxi-monitor", 80),
    ("deployment/taxi-operator", "kubernetes.default", 443),
    ("deployment/taxi-operator", "prometheus-operated.monitoring", 9090),
]
#: Who may not, whom, by which port: one of each kind.
FORBIDDEN: list[Flow] = [
    ("stranger", "taxi-predict", 80),
    ("stranger", "taxi-mongodb", 27017),
    ("client", "taxi-predictor-metrics", 9697),
    ("client", "taxi-mongodb", 27017),
    ("deployment/taxi-monitor", "taxi-predictor", 80),
    ("deployment/taxi-predictor", "kubernetes.default", 443),
]


@pytest.mark.timeout(1200)
def test_allowed_flows_work(flows: Flows, prometheus: Prometheus, enforced: bool) -> None:
    """What the release needs to become ready (MongoDB, the first model) worked already."""
    flows.wait_until_they_work(ALLOWED)

    jobs = {f"taxi-{part}" for part in ("predictor", "fallback", "monitor", "operator")}
    query = f'up{{namespace="{flows.release.kubectl.namespace}"}} == 1'
    wait_for(
        "all scrapes", lambda: {one["job"] for one, _ in prometheus.query(query)} >= jobs,
        seconds=300,
    )  # fmt: skip
    if enforced:  # another test runs it without policies
        helm_test(flows.release)


def helm_test(release: Release) -> None:
    """Run the checks of `helm test` in a pod as the chart renders it."""
    command = [
        release.helm, "test", release.name, "--kube-context", release.kubectl.context,
        "--namespace", release.kubectl.namespace, "--timeout", "120s",
    ]  # fmt: skip
    assert "Succeeded" in run(command, timeout=150)


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("flow", FORBIDDEN, ids=json.dumps)
def test_forbidden_flows_fail(flows: Flows, enforced: bool, flow: Flow) -> None:
    if not enforced:
        pytest.skip("the cluster's CNI does not enforce NetworkPolicies (docs/cluster-builder.md)")
    assert not flows.work(flow)


@pytest.mark.timeout(1200)
def test_forbidden_flows_work_without_policies(flows: Flows, enforced: bool) -> None:
    """The last one, since the release has no policies afterwards."""
    if enforced:
        flows.release.kubectl("delete", "networkpolicy", "--all", "--timeout=60s", timeout=70)
    flows.wait_until_they_work(FORBIDDEN)
