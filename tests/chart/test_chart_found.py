"""What sends traffic finds its way through every release, whatever its values call things."""

import base64
from typing import Any

import pytest
from support.chart import manifests, template, wanted_secrets
from support.fake_kubectl import FakeKubectl

from taxi_domain.kube import ACTIVE, MONITOR
from taxi_stories.parts import service, token
from taxi_stories.release import Release

pytestmark = pytest.mark.chart


def coded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


OWN_TOKEN = {
    "kind": "Secret",
    "metadata": {"name": "label-token"},
    "data": {"token": coded("of ours")},
}


@pytest.mark.parametrize(
    ("values", "start"),
    [
        ({}, "taxi"),
        ({"nameOverride": "drift"}, "taxi"),
        ({"fullnameOverride": "drift-prod"}, "drift-prod"),
        ({"monitor": {"existingTokenSecret": "label-token"}}, "taxi"),
    ],
)
def test_services_and_token_are_found(values: dict[str, Any], start: str) -> None:
    neighbour = manifests(template({"fullnameOverride": "taxi-2"}, release="neighbour"))
    objects = [*neighbour, *manifests(template(values)), OWN_TOKEN]
    # As the Jobs of both releases make them.
    objects += [
        {"kind": "Secret", "metadata": one, "data": {"labels": coded(f"of {one['name']}")}}
        for one in (*wanted_secrets(neighbour), *wanted_secrets(manifests(template(values))))
    ]
    kubectl = FakeKubectl("context", "ns", objects)

    release = Release(kubectl, "taxi")

    assert service(kubectl, "taxi", ACTIVE) == (f"{start}-predict", 80)
    assert service(kubectl, "taxi", MONITOR) == (f"{start}-monitor", 80)
    found = release.addresses(release.predictor(), release.monitor()).token
    assert found == ("of ours" if "monitor" in values else f"of {start}-monitor-token")
    assert token(kubectl, "neighbour") == "of taxi-2-monitor-token"
