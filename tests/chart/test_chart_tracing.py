"""Traces are made where they are switched on: the parts know where to, and what they are."""

import subprocess
from collections.abc import Sequence
from typing import Any

import pytest
from support.chart import environment, manifests, pods, rendered, template

pytestmark = pytest.mark.chart

ON: dict[str, Any] = {"enabled": True, "endpoint": "http://collector.observability:4318"}
TRACED = {"predictor", "fallback", "monitor", "operator"}


def variables(found: Sequence[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return OpenTelemetry's variables of each pod that has some, by component."""
    read = {
        name: {
            key: value
            for container in spec["containers"]
            if "env" in container
            for key, value in environment(container).items()
            if key.startswith("OTEL_")
        }
        for name, spec in pods(found)
    }
    return {name.rpartition("/taxi-")[2]: one for name, one in read.items() if one}


def test_no_pod_has_a_variable_unless_traces_are_made() -> None:
    assert not variables(rendered("default"))


def test_parts_that_answer_and_act_know_where_to_and_what_they_are() -> None:
    found = variables(manifests(template({"tracing": {**ON, "sampleRatio": 0.01}})))

    assert set(found) == TRACED
    for name, one in found.items():
        assert one["OTEL_EXPORTER_OTLP_ENDPOINT"] == ON["endpoint"]
        assert one["OTEL_SERVICE_NAME"] == f"taxi-{name}"
        attributes = dict(pair.split("=") for pair in one["OTEL_RESOURCE_ATTRIBUTES"].split(","))
        assert attributes["k8s.pod.name"] == "$(OTEL_RESOURCE_ATTRIBUTES_POD_NAME)"
        assert (attributes["k8s.namespace.name"], attributes["taxi.release"]) == ("ns", "taxi")
        assert "OTEL_EXPORTER_OTLP_HEADERS" not in one
        # What a variable refers to has to stand before it.
        names = list(one)
        assert names.index("OTEL_RESOURCE_ATTRIBUTES_POD_NAME") < names.index(
            "OTEL_RESOURCE_ATTRIBUTES"
        )
    assert found["predictor"]["OTEL_TRACES_SAMPLER_ARG"] == "0.01"
    assert found["operator"]["OTEL_TRACES_SAMPLER"] == "parentbased_always_on"


@pytest.mark.parametrize(("given", "told"), [(None, "1"), (0, "0"), (0.25, "0.25")])
def test_all_requests_are_sampled_where_no_share_is_given(given: float | None, told: str) -> None:
    found = variables(manifests(template({"tracing": {**ON, "sampleRatio": given}})))

    assert {name: one.get("OTEL_TRACES_SAMPLER_ARG") for name, one in found.items()} == {
        "predictor": told, "fallback": told, "monitor": told, "operator": None
    }  # fmt: skip


def test_policies_that_would_stop_the_spans_are_refused() -> None:
    """`helm upgrade --reuse-values` from an earlier release has no `networkPolicy.to.collector`."""
    policy: dict[str, Any] = {"enabled": True, "to": {"collector": None}}
    with pytest.raises(subprocess.CalledProcessError) as caught:
        template({"tracing": ON, "networkPolicy": policy})
    assert "networkPolicy.to.collector: is missing" in caught.value.stderr

    for values in (
        {"networkPolicy": policy},
        {"tracing": ON, "networkPolicy": {**policy, "enabled": False}},
        {"tracing": ON, "networkPolicy": {"enabled": True, "to": {"collector": {"peers": []}}}},
    ):
        assert template(values)


def test_headers_come_from_a_secret() -> None:
    for one in variables(
        manifests(template({"tracing": {**ON, "existingSecret": "otlp"}}))
    ).values():
        reference = one["OTEL_EXPORTER_OTLP_HEADERS"]["secretKeyRef"]
        assert reference == {"name": "otlp", "key": "headers"}


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"enabled": True}, "tracing.endpoint: is missing"),
        ({**ON, "endpoint": "collector:4317"}, "endpoint"),
        ({**ON, "endpoint": "http://user:password@collector:4318"}, "endpoint"),
        ({**ON, "sampleRatio": 1.5}, "sampleRatio"),
        ({**ON, "ratio": 1}, "ratio"),
    ],
)
def test_what_cannot_be_meant_is_refused(values: dict[str, Any], told: str) -> None:
    with pytest.raises(subprocess.CalledProcessError) as caught:
        template({"tracing": values})

    assert told in caught.value.stderr
