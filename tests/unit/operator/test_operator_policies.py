"""What a policy may ask for: bounds hold also where the resource's schema does not."""

import copy
from typing import Any

import pytest

from taxi_domain.errors import FieldError
from taxi_operator.spec.bounds import DURATIONS, MAX_QUERY, NUMBERS
from taxi_operator.spec.durations import seconds_of
from taxi_operator.spec.policy import policy_of

SIGNAL: dict[str, Any] = {
    "name": "drift",
    "promql": "q",
    "enter": {"op": "GreaterOrEqual", "value": "1"},
    "exit": {"op": "Less", "value": "0.8"},
}
SPEC: dict[str, Any] = {
    "target": {"deploymentName": "p", "activeServiceName": "s"},
    "prometheus": {"url": "http://prometheus:9090"},
    "signals": [SIGNAL],
    "retrain": {"jobFrom": {"cronJobName": "t"}},
    "fallback": {"deploymentName": "f"},
}


def changed(path: str, value: object) -> dict[str, Any]:
    """Return the spec with one field changed; `signals` stands for the only one.

    What has to agree with it does.
    """
    spec = copy.deepcopy(SPEC)
    if path == "evaluation.intervalSeconds":
        spec["signals"][0]["enter"]["for"] = spec["signals"][0]["exit"]["for"] = "1h"
    if path.startswith("retrain.attempts."):
        spec["retrain"]["attempts"] = {"initialBackoff": "1s", "maxBackoff": "24h"}
    *groups, name = path.split(".")
    part: Any = spec
    for group in groups:
        part = part.setdefault(group, {})
        if isinstance(part, list):
            part = part[0]
    if path.startswith("signals.minSamples"):
        part["promql"] = "n"
    part[name] = value
    return spec


def test_defaults_need_time_before_they_act() -> None:
    (signal,) = policy_of(SPEC).signals

    assert (signal.enter.for_seconds, signal.exit.for_seconds) == (300, 900)


@pytest.mark.parametrize("path", DURATIONS)
def test_duration_out_of_bounds_is_refused(path: str) -> None:
    least, most = DURATIONS[path]
    for inside in (least, most):
        policy_of(changed(path, inside))
    outside = [f"{seconds_of(most, 'x') + 1:.0f}s", "87600h", "9" * 400 + "h", 5]
    if least != "0s":
        outside += ["0s", f"{seconds_of(least, 'x') * 1000 - 1:.0f}ms"]

    for one in outside:
        with pytest.raises(FieldError) as refusal:
            policy_of(changed(path, one))
        assert refusal.value.field.endswith(path.removeprefix("signals"))
        assert len(str(refusal.value)) < 200


@pytest.mark.parametrize("path", NUMBERS)
def test_number_out_of_bounds_is_refused(path: str) -> None:
    least, most = NUMBERS[path]
    for inside in (least, most):
        policy_of(changed(path, inside))

    for one in (least - 1, most + 1, 10**400, "5", 1.5, True, float("nan")):
        with pytest.raises(FieldError) as refusal:
            policy_of(changed(path, one))
        assert refusal.value.field.endswith(path.removeprefix("signals"))
        assert str(least) in refusal.value.remedy


@pytest.mark.parametrize(
    ("path", "value", "field"),
    [
        ("fallback.deploymentName", "p", "spec.fallback.deploymentName"),
        ("signals.promql", "x" * (MAX_QUERY + 1), "spec.signals[drift].promql"),
        ("signals.promql", "", "spec.signals[drift].promql"),
        ("signals.explainPromql", "x" * (MAX_QUERY + 1), "spec.signals[drift].explainPromql"),
        ("signals.freshnessPromql", 5, "spec.signals[drift].freshnessPromql"),
        ("gate.champion.minRelativeGain", "-1", "spec.gate.champion.minRelativeGain"),
        ("gate.champion.minRelativeGain", "nan", "spec.gate.champion.minRelativeGain"),
        ("gate.champion.confidence", "1", "spec.gate.champion.confidence"),
        ("prometheus.url", "http://user:hunter2@host", "spec.prometheus.url"),
        ("prometheus.url", "file:///hunter2", "spec.prometheus.url"),
        ("prometheus.url", 5, "spec.prometheus.url"),
        ("signals.onNoData", "Breach", "spec.signals[drift].onNoData"),
        ("signals.onNoData", "Healthy", "spec.signals[drift].onNoData"),
    ],
)
def test_field_that_cannot_be_used_is_named_with_its_remedy(
    path: str, value: object, field: str
) -> None:
    with pytest.raises(FieldError) as refusal:
        policy_of(changed(path, value))

    assert refusal.value.field == field
    assert refusal.value.remedy
    assert "hunter2" not in str(refusal.value)


def test_platform_s_server_is_asked_where_a_policy_names_none() -> None:
    for prometheus in (None, {}, {"timeoutSeconds": 9}):
        policy = policy_of({**SPEC, "prometheus": prometheus})

        assert policy.prometheus_url == ""
        assert policy.prometheus_timeout == (9 if prometheus else None)


def test_field_of_missing_data_may_stay_where_it_holds() -> None:
    assert policy_of(changed("signals.onNoData", "Hold")) == policy_of(SPEC)


def test_number_of_signals_is_bounded() -> None:
    many = [{**SIGNAL, "name": f"s{number}"} for number in range(17)]

    policy_of({**SPEC, "signals": many[:16]})
    with pytest.raises(FieldError, match=r"spec\.signals"):
        policy_of({**SPEC, "signals": many})
