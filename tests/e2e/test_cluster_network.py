"""The cluster itself: a pod on each worker finds names, Services and pods of other nodes."""

import json
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.waiting import wait_for

from taxi_stories.kubectl import Kubectl

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

#: Asks again for what is late: a packet that is lost is no route that is missing.
PROBE = """
import socket, sys, time, urllib.request
SECONDS = 10
socket.setdefaulttimeout(SECONDS)
deadline = time.monotonic() + 120

def again(ask):
    while True:
        try:
            return ask()
        except OSError as error:
            print(repr(error), file=sys.stderr)
            if time.monotonic() > deadline:
                raise
            time.sleep(1)

print(again(lambda: socket.gethostbyname("kubernetes.default.svc.cluster.local")))
url = "http://prometheus-operated.monitoring:9090/-/ready"
print(again(lambda: urllib.request.urlopen(url, timeout=SECONDS)).status)
for host, port in (word.split(":") for word in sys.argv[1:]):
    again(lambda: socket.create_connection((host, int(port)), timeout=SECONDS)).close()
print("reached")
"""


def kubectl(*words: str, timeout: int = 60) -> str:
    return Kubectl(os.environ["TAXI_CONTEXT"])(*words, timeout=timeout)


def workers() -> list[str]:
    nodes = json.loads(kubectl("get", "nodes", "-o", "json"))["items"]
    role = "node-role.kubernetes.io/control-plane"
    return [one["metadata"]["name"] for one in nodes if role not in one["metadata"]["labels"]]


@pytest.fixture
def pod_names() -> Iterator[dict[str, str]]:
    names = {worker: f"network-{uuid.uuid4().hex[:8]}" for worker in workers()}
    yield names
    kubectl("delete", "pod", "--ignore-not-found", "--wait=false", *names.values())


def test_every_worker_reaches_names_services_and_pods_of_other_nodes(
    pod_names: dict[str, str],
) -> None:
    image = json.loads(Path(os.environ["TAXI_VALUES"]).read_text())["images"]["monitor"]
    prefix = f"{image['registry']}/" if image["registry"] else ""
    dns = json.loads(
        kubectl("get", "pods", "-n", "kube-system", "-l", "k8s-app=kube-dns", "-o", "json")
    )["items"]
    addresses = [f"{pod['status']['podIP']}:53" for pod in dns]
    assert pod_names, "no workers"
    assert addresses, "no name service"
    for worker, name in pod_names.items():
        container: dict[str, Any] = {
            "name": "probe",
            "image": f"{prefix}{image['repository']}:{image['tag']}",
            "command": ["python3", "-c", PROBE, *addresses],
        }
        spec = {"nodeName": worker, "restartPolicy": "Never", "containers": [container]}
        kubectl(
            "run", name, "--image", container["image"], "--restart=Never",
            "--overrides", json.dumps({"spec": spec}),
        )  # fmt: skip

    for worker, name in pod_names.items():
        wait_for(
            f"the end of the probe on {worker}",
            lambda name=name: (
                kubectl("get", "pod", name, "-o", "jsonpath={.status.phase}")
                in {"Succeeded", "Failed"}
            ),
            seconds=300,
        )
        lines = kubectl("logs", name).splitlines()
        assert {"200", "reached"} <= set(lines), (worker, lines)


def test_default_storage_class_is_called_as_in_kind() -> None:
    classes = json.loads(kubectl("get", "storageclass", "-o", "json"))["items"]
    default = "storageclass.kubernetes.io/is-default-class"

    assert [
        one["metadata"]["name"]
        for one in classes
        if one["metadata"].get("annotations", {}).get(default) == "true"
    ] == ["standard"]
