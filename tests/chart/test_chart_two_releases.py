"""Two releases in one namespace: no name is taken twice, and nothing selects the other's pods."""

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

import pytest
from support.chart import VALUE_SETS, Manifest, manifests, template

pytestmark = pytest.mark.chart

Identity = tuple[str, str, str]
RESOURCE = "driftpolicies.taxi-monitoring.io"
#: The resource and the cluster's roles for it.
SHARED = {
    ("CustomResourceDefinition", "", RESOURCE),
    *(("ClusterRole", "", f"{RESOURCE}-{role}") for role in ("view", "edit")),
}


@cache
def release(name: str, values: str = "default", *, crds: bool = True) -> tuple[Manifest, ...]:
    """Return the objects of a release; its name begins those of all its objects."""
    path = VALUE_SETS[values]
    own = {"fullnameOverride": "", "crds": {"install": crds}}
    return tuple(manifests(template(own, files=[path] if path else [], release=name)))


def identities(objects: Sequence[Manifest]) -> list[Identity]:
    return [
        (one["kind"], one["metadata"].get("namespace", ""), one["metadata"]["name"])
        for one in objects
    ]


@pytest.mark.parametrize(
    ("values", "second"),
    [*((values, "flights") for values in VALUE_SETS), ("default", "taxi-2")],
)
def test_nothing_but_the_resource_definition_is_shared(values: str, second: str) -> None:
    first, other = (identities(release(name, values)) for name in ("taxi", second))

    assert len(set(first)) == len(first) > 10
    assert set(first) & set(other) == SHARED
    more = {one for one in first if not one[1]} - SHARED
    assert all("AdmissionPolicy" in kind for kind, _, _ in more), "objects without a namespace"


def test_a_release_leaves_the_resource_definition_to_another_one() -> None:
    assert not set(identities(release("taxi"))) & set(identities(release("flights", crds=False)))


def selectors(objects: Sequence[Manifest]) -> Iterator[tuple[Identity, dict[str, str]]]:
    """Return the labels by which objects choose pods."""
    for one, identity in zip(objects, identities(objects), strict=True):
        spec: Any = one.get("spec") or {}
        if one["kind"] == "Service" and spec.get("selector"):
            yield identity, spec["selector"]
        for key in ("selector", "podSelector"):
            if isinstance(labels := (spec.get(key) or {}).get("matchLabels"), dict):
                yield identity, labels


def pod_labels(objects: Sequence[Manifest]) -> Iterator[dict[str, str]]:
    """Return the labels of all pods that objects make."""
    for one in objects:
        spec = one.get("spec") or {}
        job = (spec.get("jobTemplate") or {}).get("spec") or spec
        if "template" in job:
            yield job["template"]["metadata"]["labels"]
        elif one["kind"] == "Pod":
            yield one["metadata"]["labels"]


@pytest.mark.parametrize("values", VALUE_SETS)
def test_no_selector_of_a_release_chooses_pods_of_the_other(values: str) -> None:
    first, other = (release(name, values) for name in ("taxi", "flights"))

    for ours, theirs in ((first, other), (other, first)):
        chosen = dict(selectors(ours))
        assert len(chosen) > 5
        pods, strangers = list(pod_labels(ours)), list(pod_labels(theirs))
        assert pods
        for identity, labels in chosen.items():
            if identity[0] != "ServiceMonitor":  # chooses Services
                assert any(labels.items() <= pod.items() for pod in pods), identity
            assert not [pod for pod in strangers if labels.items() <= pod.items()], identity


@pytest.mark.parametrize("values", VALUE_SETS)
def test_a_service_monitor_chooses_services_of_its_release(values: str) -> None:
    first, other = (release(name, values) for name in ("taxi", "flights"))
    theirs = [one["metadata"]["labels"] for one in other if one["kind"] == "Service"]
    monitors = {key: found for key, found in selectors(first) if key[0] == "ServiceMonitor"}

    assert monitors or values == "single-replica", "which switches them off"
    assert not [
        service
        for labels in monitors.values()
        for service in theirs
        if labels.items() <= service.items()
    ]
