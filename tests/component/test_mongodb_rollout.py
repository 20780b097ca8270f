"""The StatefulSet of MongoDB under the real controller: it heals, and grows by an upgrade."""

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from pymongo.errors import ConnectionFailure
from support.chart import CHART, manifests, template
from support.control_plane import ADMIN, OPERATOR, ControlPlane, RefusedError, program
from support.controller_manager import running_controllers
from support.waiting import wait_for

from taxi_store.admin.bootstrap_users import Readiness, keep
from taxi_store.admin.replica_set import Membership, ReplicaSet

pytestmark = pytest.mark.component

POD = "taxi-mongodb-0"


@pytest.fixture(scope="module")
def namespace(
    control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """Return a namespace whose StatefulSets have their controller; its pods stay pending."""
    folder = tmp_path_factory.mktemp("controllers")
    with running_controllers(control_plane, folder, "statefulset-controller"):
        control_plane.api.apply(
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "rollout"}}
        )
        yield "rollout"


def refusal(plane: ControlPlane, folder: Path, namespace: str, **mongodb: Any) -> str:
    """Return why Helm, which sees the cluster, does not render the chart; empty when it does."""
    config = folder / "admin.json"
    config.write_text(
        plane.kubeconfig().read_text().replace(f'"token": "{OPERATOR}"', f'"token": "{ADMIN}"')
    )
    done = subprocess.run(
        [program("helm"), "install", "taxi", str(CHART), "--dry-run=server", "--take-ownership",
         "--namespace", namespace, "--values", "-"],
        input=json.dumps({"mongodb": mongodb}), capture_output=True, text=True, timeout=240,
        env={**os.environ, "KUBECONFIG": str(config), "HOME": str(folder)}, check=False,
    )  # fmt: skip
    return done.stderr if done.returncode else ""


def stateful_set(tag: str, namespace: str, replicas: int = 1) -> dict[str, Any]:
    values = {"images": {"mongodb": {"tag": tag}}, "mongodb": {"replicas": replicas}}
    found = manifests(template(values, namespace=namespace, binary=program("helm")))
    (only,) = (one for one in found if one["kind"] == "StatefulSet")
    return only


def image_of(plane: ControlPlane, namespace: str) -> str:
    """Return the image of mongod's container, empty when there is no pod."""
    pod = plane.api.get("Pod", namespace, POD)
    return str(pod["spec"]["containers"][0]["image"]) if pod else ""


def upgrade(plane: ControlPlane, namespace: str, tag: str) -> None:
    plane.api.apply(stateful_set(tag, namespace), namespace)
    wait_for(f"a pod with {tag}", lambda: image_of(plane, namespace).endswith(f":{tag}"))


def test_a_wrong_image_heals_by_the_next_upgrade(
    control_plane: ControlPlane, namespace: str
) -> None:
    upgrade(control_plane, namespace, "wrong")
    # Nothing pulls it: the pod is as little ready as one in ImagePullBackOff.
    upgrade(control_plane, namespace, "right")
    upgrade(control_plane, namespace, "wrong-again")
    # The way back to a revision that was there.
    upgrade(control_plane, namespace, "right")


TLS = {"tls": {"existingSecret": "tls"}}
THREE = {"replicas": 3}


@pytest.mark.parametrize(
    ("name", "there", "both", "each"),
    [("tls-on", {}, THREE | TLS, (THREE, TLS)), ("tls-off", TLS, THREE, (THREE | TLS, {}))],
)
def test_growth_and_tls_are_refused_in_one_upgrade(  # noqa: PLR0913, PLR0917 - cases
    control_plane: ControlPlane, tmp_path: Path, name: str,
    there: dict[str, Any], both: dict[str, Any], each: tuple[dict[str, Any], ...],
) -> None:  # fmt: skip
    control_plane.api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    found = manifests(template({"mongodb": there}, namespace=name))
    (only,) = (one for one in found if one["kind"] == "StatefulSet")
    control_plane.api.apply(only, name)

    assert "change both at the same time" in refusal(control_plane, tmp_path, name, **both)
    assert {refusal(control_plane, tmp_path, name, **one) for one in each} == {""}


class Nodes:
    """Make pods ready as the keeper beside each mongod does; servers only say what they are."""

    def __init__(self, plane: ControlPlane, namespace: str, folder: Path) -> None:
        self._plane = plane
        self._namespace = namespace
        self._folder = folder
        self._hosts = tuple(f"taxi-mongodb-{one}" for one in range(3))
        #: The pod in which each server runs, and what it says.
        self._servers: dict[str, tuple[str, dict[str, Any]]] = {}

    def act(self) -> bool:
        """Do one turn of each pod; return whether the set is made."""
        pods = {
            one["metadata"]["name"]: one for one in self._plane.api.list("Pod", self._namespace)
        }
        self._servers = {
            name: found for name, found in self._servers.items()
            if name in pods and pods[name]["metadata"]["uid"] == found[0]
        }  # fmt: skip
        for name, pod in pods.items():
            if self._ready(name, pod):
                self._tell(name, pod["metadata"]["uid"])
        _, hello = self._servers.get(POD, ("", {}))
        return "setName" in hello

    def _tell(self, name: str, uid: str) -> None:
        """Say that a pod is ready, if its controller has not replaced it meanwhile."""
        status = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
        change = {"metadata": {"uid": uid}, "status": status}
        try:
            self._plane.api.patch("Pod", self._namespace, name, change, "/status")
        except RefusedError as error:
            if error.status not in {404, 409}:
                raise

    def _ready(self, name: str, pod: dict[str, Any]) -> bool:
        arguments = pod["spec"]["containers"][0]["args"]
        uid = str(pod["metadata"]["uid"])
        of_set = any(one.startswith("--replSet=") for one in arguments)
        _, hello = self._servers.setdefault(name, (uid, {"isreplicaset": True} if of_set else {}))
        file, stop = self._folder / uid, Event()

        def apply() -> bool:
            stop.set()
            if of_set and "setName" not in hello:
                membership = Membership("rs0", self._hosts, name)
                ReplicaSet(membership, self._client).make(Server(hello))  # type: ignore[arg-type]
                hello.update({"setName": "rs0", "hosts": [name]})
            return False

        keep(apply, stop, Readiness(file), pause_seconds=0.001, patience_seconds=60)
        return file.exists()

    def _client(self, host: str) -> Any:
        return nullcontext(Server(self._servers.get(host, ("", None))[1]))


class Server:
    """Answers `hello` when it is there."""

    def __init__(self, hello: dict[str, Any] | None) -> None:
        self._hello = hello

    def __getitem__(self, _: str) -> "Server":
        return self

    def command(self, name: str, *_: Any) -> dict[str, Any]:
        if self._hello is None:
            raise ConnectionFailure("refused")
        return self._hello if name == "hello" else {}


def test_one_server_becomes_a_set_of_three(
    control_plane: ControlPlane, namespace: str, tmp_path: Path
) -> None:
    growing = f"{namespace}-growing"
    control_plane.api.apply(
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": growing}}
    )
    nodes = Nodes(control_plane, growing, tmp_path)

    def ready() -> int:
        nodes.act()
        found = control_plane.api.get("StatefulSet", growing, "taxi-mongodb")
        return int((found or {}).get("status", {}).get("readyReplicas", 0))

    control_plane.api.apply(stateful_set("same", growing), growing)
    wait_for("one server", lambda: ready() == 1)
    control_plane.api.apply(stateful_set("same", growing, 3), growing)

    # The first pod makes it only when it was restarted, for which the new ones have to be ready.
    wait_for("a set", nodes.act)
