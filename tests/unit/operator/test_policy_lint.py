"""What `taxi-policy lint` tells of bad policies: all of it, with field and remedy."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from taxi_operator.cli.main import app
from taxi_operator.spec.lint import Problem, Severity, problems_of
from taxi_operator.spec.orders import MAX_FORCE
from taxi_operator.spec.unwise import is_aggregated

ROOT = Path(__file__).parents[3]
QUERY = "max by (model) (score)"
SIGNAL: dict[str, Any] = {
    "name": "error", "promql": QUERY, "freshnessPromql": "max(age)",
    "enter": {"op": "GreaterOrEqual", "value": "1", "for": "5m"},
    "exit": {"op": "Less", "value": "0.8", "for": "15m"},
    "minSamples": {"promql": "max(rows)", "value": 500},
}  # fmt: skip
GOOD: dict[str, Any] = {
    "target": {"deploymentName": "champion", "activeServiceName": "active"},
    "signals": [SIGNAL],
    "rules": {
        "retrain": {"anyOf": [{"allOf": ["error"]}]},
        "fallback": {"anyOf": [{"allOf": ["error"]}]},
    },
    "retrain": {"jobFrom": {"cronJobName": "train"}},
    "fallback": {"deploymentName": "fallback"},
}


def changed(path: str, value: Any) -> dict[str, Any]:
    """Return the good spec with a field changed, or removed by None; `signals` is the only one."""
    spec = copy.deepcopy(GOOD)
    *groups, last = path.split(".")
    part: Any = spec
    for group in groups:
        part = part.setdefault(group, {})
        part = part[0] if isinstance(part, list) else part
    if value is None:
        del part[last]
    else:
        part[last] = value
    return spec


def told(spec: object, severity: Severity) -> dict[str, str]:
    """Return the problems of one severity: what is wrong, by field."""
    found = [one for one in problems_of(spec) if one.severity is severity]
    assert all(one.remedy and one.problem for one in found)
    return {one.field: one.problem for one in found}


def test_good_policy_has_no_problems() -> None:
    assert problems_of(GOOD) == []


@pytest.mark.parametrize("path", sorted((ROOT / "k8s" / "examples").glob("*.yaml")), ids=str)
def test_examples_are_legal(path: Path) -> None:
    found = CliRunner().invoke(app, ["lint", str(path), "-o", "json"])

    assert found.exit_code == 0, found.output
    assert all(one["policy"] for one in json.loads(found.output))


ERRORS: list[tuple[str, Any, str, str]] = [
    ("target", None, "spec.target", "is missing"),
    ("target.deploymentName", None, "spec.target.deploymentName", "is missing"),
    ("mode", "Enforced", "spec.mode", "is not known"),
    ("minDwel", "5m", "spec.minDwel", "is not known"),
    ("fallback.minDwel", "5m", "spec.fallback.minDwel", "is not known"),
    ("signals.enter.value", 1, "spec.signals[error].enter.value", "is no text"),
    ("signals.enter.op", "Above", "spec.signals[error].enter.op", "is not known"),
    ("signals.enter.for", "5 minutes", "spec.signals[error].enter.for", "is no duration"),
    ("signals.enter.for", "200h", "spec.signals[error].enter.for", "out of bounds"),
    ("signals.enter.for", "10s", "spec.signals[error].enter.for", "is shorter than"),
    ("signals.promql", " ", "spec.signals[error].promql", "no query"),
    ("signals.exit.value", "1.2", "spec.signals[error].exit", "healthy side"),
    ("signals.onNoData", "Breach", "spec.signals[error].onNoData", "Hold"),
    ("signals.maxAgeSeconds", "120", "spec.signals[error].maxAgeSeconds", "no whole number"),
    ("rules.retrain", {"anyOf": [{"allOf": ["eror"]}]}, "spec.rules.retrain", "no signal eror"),
    ("retrain", None, "spec.retrain", "is missing"),
    ("retrain.maxPerDay", 500, "spec.retrain.maxPerDay", "out of bounds"),
    ("retrain.attempts", {"initialBackoff": "2h"}, "spec.retrain.attempts.maxBackoff", "shorter"),
    ("retrain.jobFrom", {}, "spec.retrain.jobFrom.cronJobName", "is missing"),
    ("gate.champion.confidence", "2", "spec.gate.champion.confidence", "out of bounds"),
    ("fallback.deploymentName", "champion", "spec.fallback.deploymentName", "the champion's"),
    ("prometheus.url", "http://u:p@h", "spec.prometheus.url", "user or a password"),
    ("forceTraffic", {"to": "Fallback", "reason": "x"}, "spec.forceTraffic.until", "is missing"),
    ("freezeWindows", [{"days": ["Fri"], "from": "25:00", "to": "08:00"}],
     "spec.freezeWindows[0].from", "no time of day"),
    ("retrainRequest", 7, "spec.retrainRequest", "is no text"),
]  # fmt: skip


@pytest.mark.parametrize(("path", "value", "field", "problem"), ERRORS)
def test_error_is_told_with_its_field(path: str, value: Any, field: str, problem: str) -> None:
    found = told(changed(path, value), Severity.ERROR)

    assert problem in found.get(field, ""), found
    assert len(found) == 1, found


WARNINGS: list[tuple[str, Any, str, str]] = [
    ("signals.minSamples", None, "spec.signals[error].minSamples", "is missing"),
    ("signals.freshnessPromql", None, "spec.signals[error].freshnessPromql", "is missing"),
    ("signals.promql", "score", "spec.signals[error].promql", "is not aggregated"),
    ("signals.maxAgeSeconds", 20, "spec.signals[error].maxAgeSeconds", "two scrapes"),
    ("signals.exit", {"op": "Less", "value": "1", "for": "15m"}, "spec.signals[error].exit",
     "has the value of enter"),
    ("signals.enter.for", "0s", "spec.signals[error].enter.for", "one sample"),
    ("signals.enter.for", "168h", "spec.signals[error].enter.for", "steps of 121 s"),
    ("rules.fallback", None, "spec.fallback", "the rescue is on"),
    ("rules.retrain", None, "spec.retrain", "has no rule"),
    ("mode", "Suspend", "spec.mode", "nothing is decided"),
    ("rules.retrain", {"anyOf": [{"allOf": ["error"]}, {"allOf": ["error"]}]},
     "spec.rules.retrain.anyOf[1]", "decides nothing"),
    ("rules.retrain", {"anyOf": [{"allOf": []}]}, "spec.rules.retrain.anyOf[0]", "never fires"),
]  # fmt: skip


@pytest.mark.parametrize(("path", "value", "field", "problem"), WARNINGS)
def test_legal_but_unwise_is_a_warning(path: str, value: Any, field: str, problem: str) -> None:
    spec = changed(path, value)

    assert told(spec, Severity.ERROR) == {}
    found = told(spec, Severity.WARNING)
    assert problem in found.get(field, ""), found


def test_rule_of_signals_that_exclude_each_other_never_fires() -> None:
    low = {
        **SIGNAL, "name": "low", "enter": {"op": "Less", "value": "0.2"},
        "exit": {"op": "Greater", "value": "0.4"},
    }  # fmt: skip
    rules = {
        "retrain": {"anyOf": [{"allOf": ["error", "low"]}]},
        "fallback": GOOD["rules"]["fallback"],
    }
    found = told({**GOOD, "signals": [SIGNAL, low], "rules": rules}, Severity.WARNING)

    assert "never fires" in found["spec.rules.retrain.anyOf[0]"]


def test_retrain_without_a_signal_of_the_error_is_unwise() -> None:
    inputs = {**SIGNAL, "name": "inputs"}
    rules = {"retrain": {"anyOf": [{"allOf": ["inputs"]}]}}
    found = told({**GOOD, "signals": [inputs], "rules": rules}, Severity.WARNING)

    assert "no signal of the error" in found["spec.rules.retrain"]


def test_signal_without_a_name_is_told_by_its_place() -> None:
    found = told(changed("signals.name", None), Severity.ERROR)

    assert found["spec.signals[0].name"] == "is missing"
    assert "no signal error" in found["spec.rules.retrain"]


def test_all_errors_are_told_at_once() -> None:
    spec = copy.deepcopy(GOOD)
    spec["signals"].append({**SIGNAL, "name": "b", "enter": {"op": "Less", "value": "1"}})
    spec["signals"].append({"name": "c", "promql": "max(x)"})
    spec["rules"]["retrain"]["anyOf"] += [{"allOf": ["b"]}, {"allOf": ["c", "nobody"]}]
    spec["retrain"]["maxPerDay"] = 0
    spec["fallback"]["minDwell"] = "48h"
    spec["evaluation"] = {"intervalSeconds": 1}
    spec["modus"] = "Enforce"

    found = told(spec, Severity.ERROR)

    assert {
        "spec.modus", "spec.signals[b].exit", "spec.rules.retrain", "spec.retrain.maxPerDay",
        "spec.fallback.minDwell", "spec.evaluation.intervalSeconds",
    } < set(found)  # fmt: skip
    assert any(field.startswith("spec.signals[c]") or field == "spec" for field in found)


@pytest.mark.parametrize("spec", [None, [], "x", {}, {"signals": "x", "target": 5, "rules": 7}])
def test_what_is_no_spec_at_all_is_told(spec: object) -> None:
    assert told(spec, Severity.ERROR)


def test_aggregation_is_seen_outside_of_labels_and_comments() -> None:
    assert is_aggregated("sum without (pod) (rate(x[5m]))")
    assert is_aggregated("quantile(0.9, x)")
    assert not is_aggregated('x{a="sum(y)"}  # max (')
    assert not is_aggregated("rate(summary_total[5m])")


def test_problems_are_printed_and_counted_by_the_exit_code(tmp_path: Path) -> None:
    path = tmp_path / "policies.yaml"
    bad = {"kind": "DriftPolicy", "metadata": {"name": "bad"}, "spec": changed("mode", "On")}
    unwise = {"kind": "DriftPolicy", "metadata": {"name": "unwise"},
              "spec": changed("signals.minSamples", None)}  # fmt: skip
    run = CliRunner()

    path.write_text(json.dumps(unwise))
    assert run.invoke(app, ["lint", str(path)]).exit_code == 0
    assert run.invoke(app, ["lint", "--strict", str(path)]).exit_code == 1

    path.write_text(f"{json.dumps(unwise)}\n---\nkind: Service\n---\n{json.dumps(bad)}")
    found = run.invoke(app, ["lint", str(path)])
    assert found.exit_code == 1
    assert "unwise: 0 errors, 1 warnings" in found.output
    assert "error: spec.mode: 'On' is not known; give Enforce, DryRun or Suspend" in found.output
    documents = json.loads(run.invoke(app, ["lint", str(path), "-o", "json"]).output)
    assert [one["policy"] for one in documents] == ["unwise", "bad"]
    assert documents[1]["problems"][0]["field"] == "spec.mode"


@pytest.mark.parametrize("text", ["", "kind: Service", "a: [", "[" * 5000])
def test_file_without_a_policy_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "one.yaml"
    path.write_text(text)

    found = CliRunner().invoke(app, ["lint", str(path)])

    assert found.exit_code == 1
    assert "one.yaml: " in found.output
    assert CliRunner().invoke(app, ["lint"]).exit_code == 2


def test_time_without_quotes_is_the_text_that_kubectl_reads(tmp_path: Path) -> None:
    path = tmp_path / "one.yaml"
    force = {"to": "Fallback", "until": "LATER", "reason": "x"}
    policy = {
        "kind": "DriftPolicy",
        "metadata": {"name": "p"},
        "spec": {**GOOD, "forceTraffic": force},
    }
    path.write_text(json.dumps(policy).replace('"LATER"', "2026-01-31T18:00:00Z"))

    assert CliRunner().invoke(app, ["lint", str(path)]).exit_code == 0


def test_force_that_ends_too_far_ahead_is_told_where_the_time_is_known() -> None:
    force = {"to": "Fallback", "until": "2026-01-31T00:00:00Z", "reason": "x"}
    spec, end = {**GOOD, "forceTraffic": force}, 1_769_817_600.0

    assert problems_of(spec) == problems_of(spec, now=end - MAX_FORCE) == []
    (one,) = problems_of(spec, now=end - MAX_FORCE - 1)
    assert (one.severity, one.field) == (Severity.WARNING, "spec.forceTraffic.until")
    assert "30 days ahead" in one.problem


def test_problem_is_a_value() -> None:
    one = Problem(Severity.ERROR, "a", "b", "c")

    assert one == Problem(Severity.ERROR, "a", "b", "c")
