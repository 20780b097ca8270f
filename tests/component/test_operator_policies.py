"""Policies that the real API server refuses, with the field in its answer."""

import copy
from typing import Any

import pytest
import yaml
from support.control_plane import ControlPlane

from taxi_stories.story import EXAMPLES

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


def test_target_of_a_policy_stays(control_plane: ControlPlane) -> None:
    control_plane.api.apply(POLICY, "default")

    for name in ("deploymentName", "activeServiceName"):
        with pytest.raises(RuntimeError, match=r"spec\.target cannot be changed"):
            control_plane.api.apply(changed(("target", name), "another"), "default")


@pytest.mark.parametrize(
    ("path", "value", "text"),
    [
        (("retrain", "attempts", "initialBackoff"), "87600h", "must be 1s to 24h"),
        (("retrain", "attempts", "maxBackoff"), "87600h", "attempts.maxBackoff"),
        (("retrain", "pauseAfter", "failure"), "87600h", "must be 0s to 720h"),
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
        (("target", "deploymentName"), "Not A Name", "target.deploymentName"),
        (("target", "activeServiceName"), None, "target.activeServiceName"),
        (("mode",), "Observe", "mode"),
        (("modelName",), "", "modelName"),
        (("deletionPolicy",), "Delete", "deletionPolicy"),
        (("prometheus", "url"), "ftp://prometheus", "prometheus.url"),
        (("prometheus", "timeoutSeconds"), 0, "prometheus.timeoutSeconds"),
        (("evaluation", "intervalSeconds"), 1, "evaluation.intervalSeconds"),
        (("evaluation", "settleSeconds"), -1, "evaluation.settleSeconds"),
        (("signals",), [], "signals"),
        (("signals", 0, "name"), "Not A Name", r"signals\[0\].name"),
        (("signals", 0, "promql"), "", "promql"),
        (("signals", 0, "promql"), " \t", "promql"),
        (("signals", 0, "maxAgeSeconds"), 0, "maxAgeSeconds"),
        (("signals", 0, "enter", "value"), "much", "enter.value"),
        (("signals", 0, "enter", "op"), "Equal", "enter.op"),
        (("signals", 0, "enter", "for"), "soon", "enter.for"),
        (("signals", 0, "enter", "for"), "10s", "shorter than spec.evaluation.intervalSeconds"),
        (("signals", 0, "exit", "for"), "29s", "shorter than spec.evaluation.intervalSeconds"),
        (("signals", 0, "exit", "value"), "1.2", "on the healthy side of enter"),
        (("signals", 0, "exit", "op"), "Greater", "on the healthy side of enter"),
        (("signals", 0, "minSamples"), {"promql": "q", "value": 0}, "minSamples.value"),
        (("signals", 0, "minSamples"), {"promql": " ", "value": 5}, "minSamples.promql"),
        (("rules",), {"retrain": {"anyOf": []}}, "anyOf"),
        (("rules",), {"retrain": {"anyOf": [{"allOf": []}]}}, "allOf"),
        (("rules",), {"retrain": {"anyOf": [{"allOf": ["drift", "drift"]}]}}, "duplicate"),
        (("rules",), {"retrain": {"anyOf": [{"allOf": ["other"]}]}}, "spec.signals does not have"),
        (("rules",), {"fallback": {"anyOf": [{"allOf": ["other"]}]}}, "does not have"),
        (("retrain", "jobFrom"), {}, "retrain.jobFrom"),
        (("retrain", "activeDeadlineSeconds"), 5, "activeDeadlineSeconds"),
        (("retrain", "attempts"), {"max": 0}, "attempts.max"),
        (("retrain", "attempts"), {"factor": 0}, "attempts.factor"),
        (("retrain", "attempts"), {"maxBackoff": "30s"}, "shorter than initialBackoff"),
        (("retrain", "attempts"), {"initialBackoff": "2h"}, "shorter than initialBackoff"),
        (("retrain", "maxPerDay"), 0, "maxPerDay"),
        (("retrain", "maxPerDay"), 401, "maxPerDay"),
        (("gate", "champion"), {"minLabelledRows": 99}, "minLabelledRows"),
        (("gate", "champion"), {"minRelativeGain": "2"}, "minRelativeGain"),
        (("gate", "champion"), {"confidence": "1"}, "confidence"),
        (("gate", "approval"), "Sometimes", "gate.approval"),
        (("gate", "maxVerdictAge"), "1m", "must be 1h to 720h"),
        (("signals", 0, "preset"), "inputs", "either preset"),
        (("signals",), [{"name": "drift", "preset": "weather"}], "preset"),
        (("signals",), [{"name": "drift", "promql": "q"}], "enter and exit are needed"),
        (("signals", 0, "minSamples"), {"value": 5}, "minSamples needs promql"),
        (("retrainRequest",), "x" * 65, "retrainRequest"),
        (("forceTraffic",), {"to": "Fallback", "until": "2026-01-01T00:00:00Z"}, "reason"),
        (("forceTraffic",), {"to": "Both", "until": "2026-01-01T00:00:00Z", "reason": "r"}, "to"),
        (("forceTraffic",), {"to": "Champion", "until": "noon", "reason": "r"}, "until"),
        (("freezeWindows",), [{"days": ["Fri"], "from": "18:00"}], "give days, from and to"),
        (("freezeWindows",), [{"days": ["Friday"], "from": "18:00", "to": "08:00"}], "days"),
        (("freezeWindows",), [{"days": ["Fri"], "from": "6 pm", "to": "08:00"}], "from"),
        (
            ("freezeWindows",),
            [{"start": "2026-01-02T00:00:00Z", "end": "2026-01-01T00:00:00Z"}],
            "end must be after start",
        ),
        (("fallback", "minReady"), 0, "fallback.minReady"),
        (("fallback", "restore"), "Never", "fallback.restore"),
    ],
)
def test_policy_out_of_bounds_is_refused_with_the_field(
    control_plane: ControlPlane, path: tuple[str | int, ...], value: object, text: str
) -> None:
    with pytest.raises(RuntimeError, match=text):
        control_plane.api.apply(changed(path, value), "default")


def test_smallest_example_is_taken_and_has_fifteen_lines(control_plane: ControlPlane) -> None:
    text = (EXAMPLES / "smallest.yaml").read_text()
    policy = yaml.safe_load(text)

    control_plane.api.apply(policy, "default")
    assert len([one for one in text.splitlines() if not one.startswith("#")]) == 15
    del policy["spec"]["fallback"]
    policy["spec"]["forceTraffic"] = {
        "to": "Fallback", "until": "2026-01-01T00:00:00Z", "reason": "a trial",
    }  # fmt: skip
    with pytest.raises(RuntimeError, match=r"spec\.forceTraffic needs spec\.fallback"):
        control_plane.api.apply(policy, "default")


@pytest.mark.parametrize(
    ("without", "rules", "text"),
    [
        ("retrain", {"retrain": {"anyOf": [{"allOf": ["drift"]}]}}, "needs spec.retrain"),
        ("fallback", {"fallback": {"anyOf": [{"allOf": ["drift"]}]}}, "needs spec.fallback"),
    ],
)
def test_rule_without_its_action_is_refused(
    control_plane: ControlPlane, without: str, rules: dict[str, Any], text: str
) -> None:
    manifest = changed(("rules",), rules)
    del manifest["spec"][without]

    with pytest.raises(RuntimeError, match=text):
        control_plane.api.apply(manifest, "default")


def test_signals_that_swing_or_that_nobody_asks_for_are_refused(
    control_plane: ControlPlane,
) -> None:
    (signal,) = POLICY["spec"]["signals"]
    swinging = {
        **signal, "enter": {**signal["enter"], "for": "0s"},
        "exit": {"op": "Less", "value": "1", "for": "0s"},
    }  # fmt: skip
    with pytest.raises(RuntimeError, match=r"would move things at each look; give enter\.for"):
        control_plane.api.apply(changed(("signals",), [swinging]), "default")

    manifest = changed(("signals",), [signal, {**signal, "name": "unused"}])
    manifest["spec"]["rules"] = {"retrain": {"anyOf": [{"allOf": ["drift"]}]}}
    with pytest.raises(RuntimeError, match=r"spec\.signals has one that no rule names"):
        control_plane.api.apply(manifest, "default")
