"""Signals by name: what a preset brings, and what may stand beside it."""

from typing import Any

import pytest

from taxi_domain.errors import FieldError
from taxi_domain.metrics import CATALOGUE
from taxi_operator.spec.policy import policy_of
from taxi_operator.spec.presets import PRESETS
from taxi_operator.spec.signals import Signal
from taxi_profiles.evidence.kinds import Kind


def signal_of(signal: dict[str, Any], **spec: Any) -> Signal:
    target = {"deploymentName": "p", "activeServiceName": "s"}
    (found,) = policy_of({"target": target, "signals": [signal], **spec}, "fares").signals
    return found


def test_preset_asks_about_the_model_in_the_policy_s_namespace() -> None:
    found = signal_of({"name": "inputs", "preset": "inputs"}, modelName="flight-delay")

    assert found.promql == (
        "max by (model, model_role) (taxi_monitor_drift_score_ratio"
        '{namespace="fares",model="flight-delay",model_role="champion"})'
    )
    assert "taxi_monitor_window_rows" in found.min_samples_promql
    assert "taxi_monitor_evaluation_age_seconds" in found.freshness_promql
    assert "by (feature)" in found.explain_promql


def test_preset_is_safe_without_a_word_more() -> None:
    found = signal_of({"name": "e", "preset": "error"})

    assert (found.enter.value, found.enter.for_seconds) == (1.0, 300.0)
    assert (found.exit.value, found.exit.for_seconds) == (0.8, 900.0)
    assert found.min_samples == 2000
    assert "taxi_monitor_window_labelled_rows" in found.min_samples_promql


@pytest.mark.parametrize("name", ["evidence", "harm", "fault"])
def test_presets_of_the_evidence_ask_about_its_own_age(name: str) -> None:
    found = signal_of({"name": "v", "preset": name})

    assert "taxi_monitor_evidence_age_seconds" in found.freshness_promql
    assert (found.enter.value, found.exit.value) == (1.0, 0.8)


def test_presets_of_kinds_name_kinds_that_there_are() -> None:
    kinds = {kind for preset in PRESETS.values() for kind in preset.kinds}

    assert kinds < {str(kind) for kind in Kind}
    assert signal_of({"name": "v", "preset": "harm"}).promql == (
        'max by (model, model_role) (taxi_monitor_drift_kind{namespace="fares",'
        'model="taxi-duration",model_role="champion",kind=~"HarmfulCovariate|Concept"})'
    )


def test_every_metric_of_a_preset_is_in_the_catalogue() -> None:
    names = {metric.name for metric in CATALOGUE}
    asked = {
        gauge
        for preset in PRESETS.values()
        for gauge in (preset.score, preset.rows, preset.age, preset.parts)
        if gauge
    }

    assert asked <= names


def test_what_stands_beside_a_preset_wins() -> None:
    enter = {"op": "GreaterOrEqual", "value": "1.5", "for": "2m"}
    found = signal_of(
        {
            "name": "e",
            "preset": "error",
            "enter": enter,
            "maxAgeSeconds": 30,
            "minSamples": {"value": 500},
        }
    )

    assert (found.enter.value, found.enter.for_seconds) == (1.5, 120.0)
    assert found.exit.value == 0.8
    assert found.max_age_seconds == 30
    assert found.min_samples == 500
    assert "taxi_monitor_window_labelled_rows" in found.min_samples_promql


@pytest.mark.parametrize(
    ("signal", "field"),
    [
        ({"preset": "weather"}, r"signals\[e\].preset"),
        ({"preset": ["error"]}, r"signals\[e\].preset"),
        ({"preset": "error", "promql": "x"}, r"signals\[e\].promql"),
        ({"preset": "error", "minSamples": {"promql": "x", "value": 5}}, "minSamples.promql"),
        ({"preset": "error", "enter": {"op": "Less", "value": "1"}}, r"signals\[e\].exit"),
        ({"preset": "error", "enter": {"op": "Greater", "value": "0.5"}}, r"signals\[e\].exit"),
    ],
)
def test_preset_that_cannot_be_used_is_refused_with_the_field(
    signal: dict[str, Any], field: str
) -> None:
    with pytest.raises(FieldError, match=field):
        signal_of({"name": "e", **signal})
