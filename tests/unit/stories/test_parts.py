"""The parts of a release, asked of the cluster; what is missing is named with the remedy."""

import base64
from typing import Any

import pytest
from support.fake_kubectl import FakeKubectl

from taxi_domain.kube import ACTIVE, COMPONENT_LABEL, INSTANCE_LABEL, MONITOR
from taxi_stories.kubectl import CommandError
from taxi_stories.parts import PartError, service, token


def secret(**data: str) -> dict[str, Any]:
    coded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
    return {"kind": "Secret", "metadata": {"name": "our-tokens"}, "data": coded}


def one(kind: str, name: str, component: str, spec: Any, release: str = "taxi") -> dict[str, Any]:
    labels = {INSTANCE_LABEL: release, COMPONENT_LABEL: component}
    return {"kind": kind, "metadata": {"name": name, "labels": labels}, "spec": spec}


def cluster(*objects: dict[str, Any]) -> FakeKubectl:
    return FakeKubectl("context", "ns", objects)


def monitor(*volumes: dict[str, Any]) -> dict[str, Any]:
    spec = {"containers": [{"name": "monitor"}], "volumes": [{"name": "tmp"}, *volumes]}
    return one("Deployment", "m", MONITOR, {"template": {"spec": spec}})


TOKENS = {"name": "tokens", "secret": {"secretName": "our-tokens"}}
PORTS = {"ports": [{"name": "metrics", "port": 9090}, {"name": "http", "port": 8080}]}


def test_a_service_is_found_by_its_labels_with_its_port() -> None:
    found = cluster(
        one("Service", "other-predict", ACTIVE, PORTS, release="other"),
        one("Service", "drift-prod-predict", ACTIVE, PORTS),
        one("Service", "drift-prod-monitor", MONITOR, PORTS),
    )

    assert service(found, "taxi", ACTIVE) == ("drift-prod-predict", 8080)


@pytest.mark.parametrize(
    ("data", "sent"),
    [
        ({"ingest": "i", "labels": "new\nold\n", "token": "x"}, "new"),
        ({"token": "for-all\n"}, "for-all"),
    ],
)
def test_the_token_is_that_for_labels_of_the_monitors_secret(
    data: dict[str, str], sent: str
) -> None:
    assert token(cluster(monitor(TOKENS), secret(**data)), "taxi") == sent


def test_a_missing_secret_is_the_clusters_answer() -> None:
    with pytest.raises(CommandError, match="our-tokens"):
        token(cluster(monitor(TOKENS)), "taxi")


@pytest.mark.parametrize("volumes", [[], [{"name": "tokens", "emptyDir": {}}]])
def test_tokens_of_no_secret_are_told(volumes: list[dict[str, Any]]) -> None:
    with pytest.raises(PartError, match="has no volume tokens of a Secret"):
        token(cluster(monitor(*volumes)), "taxi")


def test_a_release_that_is_not_there_is_told_with_the_remedy() -> None:
    with pytest.raises(PartError, match=r"release taxi in namespace ns has none; `helm list"):
        service(cluster(), "taxi", ACTIVE)


def test_a_part_that_is_there_twice_is_told() -> None:
    twice = [one("Service", name, ACTIVE, PORTS) for name in ("a", "b")]

    with pytest.raises(PartError, match=r"has several \(a, b\)"):
        service(cluster(*twice), "taxi", ACTIVE)


def test_a_service_without_the_port_is_told() -> None:
    with pytest.raises(PartError, match="Service a: has no port named http"):
        service(cluster(one("Service", "a", ACTIVE, {})), "taxi", ACTIVE)
