"""The StatefulSet of MongoDB under the real controller: a wrong image heals by the next upgrade."""

from collections.abc import Iterator
from typing import Any

import pytest
from support.chart import manifests, template
from support.control_plane import ControlPlane, program
from support.controller_manager import running_controllers
from support.waiting import wait_for

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


def stateful_set(tag: str, namespace: str) -> dict[str, Any]:
    values = {"images": {"mongodb": {"tag": tag}}}
    found = manifests(template(values, namespace=namespace, binary=program("helm")))
    (only,) = (one for one in found if one["kind"] == "StatefulSet")
    return only


def image_of(plane: ControlPlane, namespace: str) -> str:
    """Return the image of mongod's container, empty when there is no pod."""
    pod = plane.api.get("Pod", namespace, POD)
    return str(pod["spec"]["containers"][0]["image"]) if pod else ""


def upgrade(plane: ControlPlane, namespace: str, tag: str) -> None:
    plane.api.apply(stateful_set(tag, namespace), namespace)
    wait_for(f"a pod with {tag}", lambda: image_of(plane, namespace).endswith(f":{tag}"), 30)


def test_a_wrong_image_heals_by_the_next_upgrade(
    control_plane: ControlPlane, namespace: str
) -> None:
    upgrade(control_plane, namespace, "wrong")
    # Nothing pulls it: the pod is as little ready as one in ImagePullBackOff.
    upgrade(control_plane, namespace, "right")
    upgrade(control_plane, namespace, "wrong-again")
    # The way back to a revision that was there.
    upgrade(control_plane, namespace, "right")
