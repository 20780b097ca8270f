"""The cluster itself: a pod on each worker finds names, Services and pods of other nodes."""

import json
import os
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.e2e

PROBE = """
import socket, sys, urllib.request
socket.setdefaulttimeout(5)
print(socket.gethostbyname("kubernetes.default.svc.cluster.local"))
url = "http://prometheus-operated.monitoring:9090/-/ready"
print(urllib.request.urlopen(url, timeout=5).status)
for host, port in (word.split(":") for word in sys.argv[1:]):
    socket.create_connection((host, int(port)), timeout=5).close()
"""


def kubectl(*words: str, timeout: int = 60) -> str:
    done = subprocess.run(
        ["kubectl", "--context", os.environ["TAXI_CONTEXT"], *words],
        capture_output=True, text=True, timeout=timeout, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout


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
        kubectl(
            "wait", "pod", name, "--for=jsonpath={.status.phase}=Succeeded", "--timeout=60s",
            timeout=90,
        )  # fmt: skip
        assert kubectl("logs", name).split()[1] == "200", worker


def test_default_storage_class_is_called_as_in_kind() -> None:
    classes = json.loads(kubectl("get", "storageclass", "-o", "json"))["items"]
    default = "storageclass.kubernetes.io/is-default-class"

    assert [
        one["metadata"]["name"]
        for one in classes
        if one["metadata"].get("annotations", {}).get(default) == "true"
    ] == ["standard"]
