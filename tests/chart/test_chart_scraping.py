"""What users add to ServiceMonitors, rules and dashboards: relabelings, annotations, a place."""

from typing import Any

import pytest
from support.chart import Manifest, manifests, template

pytestmark = pytest.mark.chart

BLOCKS = {
    "ServiceMonitor": "serviceMonitor",
    "PrometheusRule": "prometheusRule",
    "ConfigMap": "dashboards",
}


def found(kind: str, values: dict[str, Any], namespace: str = "ns") -> list[Manifest]:
    """Return the objects of a kind that Prometheus or Grafana takes."""
    text = template({"metrics": {BLOCKS[kind]: values}}, namespace=namespace)
    own = [one for one in manifests(text) if one["kind"] == kind]
    return [one for one in own if kind != "ConfigMap" or "grafana" in str(one["metadata"])]


def test_relabelings_of_ones_own_stand_behind_the_one_that_names_the_job() -> None:
    own = [{"action": "replace", "targetLabel": "cluster", "replacement": "eu"}]
    dropped = [{"action": "drop", "sourceLabels": ["__name__"], "regex": "python_.*"}]
    monitors = found("ServiceMonitor", {"relabelings": own, "metricRelabelings": dropped})

    assert len(monitors) == 4
    for one in monitors:
        (endpoint,) = one["spec"]["endpoints"]
        first, *others = endpoint["relabelings"]
        assert (first["targetLabel"], first["replacement"]) == ("job", one["metadata"]["name"])
        assert others == own
        assert endpoint["metricRelabelings"] == dropped
    for one in found("ServiceMonitor", {}):
        assert "metricRelabelings" not in one["spec"]["endpoints"][0]


@pytest.mark.parametrize("kind", BLOCKS)
def test_it_can_have_annotations(kind: str) -> None:
    for one in found(kind, {"annotations": {"example.org/a": "b"}}):
        assert one["metadata"]["annotations"] == {"example.org/a": "b"}


@pytest.mark.parametrize("kind", BLOCKS)
def test_it_can_be_in_the_namespace_that_somebody_looks_into(kind: str) -> None:
    plain = found(kind, {})
    elsewhere = found(kind, {"namespace": "monitoring"})

    assert len(plain) == len(elsewhere) > 0
    assert {one["metadata"]["namespace"] for one in elsewhere} == {"monitoring"}
    # What it is about stays where it is.
    for one, other in zip(plain, elsewhere, strict=True):
        body = {key: value for key, value in one.items() if key != "metadata"}
        assert body == {key: value for key, value in other.items() if key != "metadata"}
    assert found(kind, {"namespace": "ns"}) == plain


@pytest.mark.parametrize("kind", BLOCKS)
def test_releases_of_two_namespaces_do_not_meet_there(kind: str) -> None:
    names = [
        one["metadata"]["name"]
        for namespace in ("ns", "other")
        for one in found(kind, {"namespace": "monitoring"}, namespace)
    ]

    assert len(set(names)) == len(names) > 0
