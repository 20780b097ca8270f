"""Policies that the real API server refuses, with the field in its answer."""

import copy
from typing import Any

import pytest
from support.control_plane import ControlPlane

pytestmark = pytest.mark.component

POLICY: dict[str, Any] = {
    "apiVersion": "taxi-monitoring.io/v1alpha1",
    "kind": "DriftPolicy",
    "metadata": {"name": "bounds"},
    "spec": {
        "target": {"deploymentName": "p", "activeServiceName": "s"},
        "prometheus": {"url": "http://prometheus:9090/path"},
        "signals": [
            {
                "name": "drift", "promql": "q",
                "enter": {"op": "GreaterOrEqual", "value": "1"},
                "exit": {"op": "Less", "value": "0.8"},
            }
        ],
        "retrain": {"jobFrom": {"cronJobName": "t"}},
        "fallback": {"deploymentName": "f"},
    },
}  # fmt: skip


def changed(path: tuple[str | int, ...], value: object) -> dict[str, Any]:
    manifest = copy.deepcopy(POLICY)
    part: Any = manifest["spec"]
    for name in path[:-1]:
        part = part.setdefault(name, {}) if isinstance(name, str) else part[name]
    part[path[-1]] = value
    return manifest


def test_defaults_of_a_signal_need_time(control_plane: ControlPlane) -> None:
    (signal,) = control_plane.api.apply(POLICY, "default")["spec"]["signals"]

    assert (signal["enter"]["for"], signal["exit"]["for"]) == ("5m", "15m")


def test_policy_needs_no_prometheus_and_may_say_that_silence_holds(
    control_plane: ControlPlane,
) -> None:
    policy = copy.deepcopy(POLICY)
    del policy["spec"]["prometheus"]
    policy["spec"]["signals"][0]["onNoData"] = "Hold"

    assert "prometheus" not in control_plane.api.apply(policy, "default")["spec"]


@pytest.mark.parametrize(
    ("path", "value", "text"),
    [
        (("retrain", "budget", "window"), "0s", "retrain.budget.window"),
        (("retrain", "budget", "window"), "1ms", "must be 1h to 720h"),
        (("retrain", "attempts", "initialBackoff"), "87600h", "must be 1s to 24h"),
        (("retrain", "attempts", "maxBackoff"), "87600h", "attempts.maxBackoff"),
        (("retrain", "cooldown", "afterFailure"), "87600h", "must be 0s to 720h"),
        (("fallback", "minDwell"), "87600h", "fallback.minDwell"),
        (("fallback", "minDwell"), "9999999999999h", "fallback.minDwell"),
        (("signals", 0, "enter", "for"), "87600h", "enter.for"),
        (("evaluation", "intervalSeconds"), 31_536_000, "evaluation.intervalSeconds"),
        (("fallback", "deploymentName"), "p", "the champion's Deployment"),
        (("signals", 0, "promql"), "x" * 2001, "promql"),
        (("prometheus", "url"), "http://p:9090?token=x", "prometheus.url"),
        (("prometheus", "url"), "http://user:password@p:9090", "prometheus.url"),
        (("prometheus", "timeoutSeconds"), 31, "prometheus.timeoutSeconds"),
        (("signals", 0, "onNoData"), "Breach", "alert on absence in Alertmanager"),
        (("signals", 0, "onNoData"), "Healthy", "a policy never acts on silence"),
    ],
)
def test_policy_out_of_bounds_is_refused_with_the_field(
    control_plane: ControlPlane, path: tuple[str | int, ...], value: object, text: str
) -> None:
    with pytest.raises(RuntimeError, match=text):
        control_plane.api.apply(changed(path, value), "default")
