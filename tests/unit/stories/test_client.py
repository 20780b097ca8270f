"""The client in the cluster: what it counts, and what a story reads of it."""

import json
from typing import Any

import httpx
import pytest
from support.fake_kubectl import FakeKubectl

from taxi_domain.kube import ACTIVE, COMPONENT_LABEL, INSTANCE_LABEL, PREDICTOR
from taxi_stories.client import Client, Counts, Load
from taxi_stories.client_in_pod import Clients
from taxi_stories.release import Release


def test_answers_are_counted_by_version_and_everything_else_is_a_failure() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content)
        assert body["miles"] == 3
        ride_id = body["ride"]
        if ride_id == "gone":
            raise httpx.ConnectError("refused")
        if ride_id == "late":
            return httpx.Response(503, text="no pod")
        return httpx.Response(200, json={"ride": ride_id, "model_version": "0a1b"})

    load = Clients("http://service/predict", 10, {"miles": 3}, "ride")
    with httpx.Client(transport=httpx.MockTransport(answer)) as client:
        for ride_id in ("a", "gone", "late", "b"):
            load.ask(client, ride_id)

    assert load.answered == [("a", "0a1b"), ("b", "0a1b")]
    assert load.failures == ["ConnectError('refused')", "503 no pod"]


def part(kind: str, component: str, spec: dict[str, Any]) -> dict[str, Any]:
    labels = {INSTANCE_LABEL: "taxi", COMPONENT_LABEL: component}
    return {"kind": kind, "metadata": {"name": "taxi-predict", "labels": labels}, "spec": spec}


CONTAINER = {"name": "predictor", "image": "i", "securityContext": {"runAsNonRoot": True}}
POD = {"securityContext": {}, "containers": [CONTAINER]}
OBJECTS = [
    part("Deployment", PREDICTOR, {"template": {"spec": POD}}),
    part("Service", ACTIVE, {"ports": [{"name": "http", "port": 80}]}),
]
TOLD = '{"answered": 40, "failed": 1, "failures": ["503 no pod"], "versions": ["a", "b"]}\n'


@pytest.mark.parametrize(
    ("line", "counts"), [("sending\n", None), (TOLD, Counts(40, 1, ("503 no pod",), ("a", "b")))]
)
def test_a_story_reads_the_last_line_of_a_pod_that_it_removes(
    line: str, counts: Counts | None
) -> None:
    kubectl = FakeKubectl("context", "ns", OBJECTS, {"logs": line})

    with Client(Release(kubectl), Load(20, {"miles": 3}, "ride")) as client:
        assert client.counts() == counts

    (pod,) = kubectl.applied
    (container,) = pod["spec"]["containers"]
    *_, url, rate, row, key, tells = container["command"]
    assert (url, rate, key, tells) == ("http://taxi-predict:80/predict", "20", "ride", "tell")
    assert json.loads(row) == {"miles": 3}
    assert kubectl.asked[-1][:3] == ("delete", "pod", "client")
