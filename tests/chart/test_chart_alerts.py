"""Every alert says which namespace it is about, and looks at no other."""

import copy
import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml
from promql_parser import AggModifierType, LabelModifierType, MatchOp
from support.alertmanager import documented_config
from support.chart import CHART, manifests, template

from taxi_domain.metrics import PREDICTOR_REQUEST_DURATION

pytestmark = pytest.mark.chart

#: A namespace's AlertmanagerConfig hears only alerts that have this label.
NAMESPACE = "namespace"
CASES = Path(__file__).with_name("alerts_test.yaml")


def rules() -> list[dict[str, Any]]:
    """Return all rules, with a spool of the fallback as the cases expect it."""
    values = {
        "fallback": {"spool": {"maxBytes": 67108864}}, "batchReport": {"enabled": True},
        "backup": {"enabled": True, "destination": "s3://bucket/taxi"},
        "mongodb": {"replicas": 3},
    }  # fmt: skip
    (rule,) = (one for one in manifests(template(values)) if one["kind"] == "PrometheusRule")
    return [one for group in rule["spec"]["groups"] for one in group["rules"]]


ALL = rules()
RULES = [one for one in ALL if "alert" in one]
RECORDED = {one["record"]: one for one in ALL if "record" in one}
#: Alerts that call somebody at night: clients are hurt.
CRITICAL = {
    "TaxiPredictorUnavailable", "TaxiPredictorErrors", "TaxiPredictorSlow", "TaxiPredictorSpoolFull"
}  # fmt: skip


def losses(query: str) -> list[str]:
    """Return the parts of a query that lose or mix the label `namespace`."""
    return _losses(promql_parser.parse(query))


def _losses(node: Any) -> list[str]:
    """Return the losses at a node and below it."""
    match node:
        case promql_parser.VectorSelector():
            kept = any(
                one.name == NAMESPACE and one.op == MatchOp.Equal for one in node.matchers.matchers
            )
            return [] if kept else [f"{node.name}: of no namespace"]
        case promql_parser.AggregateExpr():
            by = node.modifier is not None and node.modifier.type == AggModifierType.By
            labels = node.modifier.labels if node.modifier is not None else []
            own = [] if by == (NAMESPACE in labels) and labels else [f"{node.op}: loses it"]
            return own + _losses(node.expr)
        case promql_parser.BinaryExpr():
            return _losses_of_sides(node) + _losses(node.lhs) + _losses(node.rhs)
        case promql_parser.Call():
            return [loss for argument in node.args for loss in _losses(argument)]
        case promql_parser.MatrixSelector():
            return _losses(node.vector_selector)
        case promql_parser.NumberLiteral() | promql_parser.StringLiteral():
            return []
        case _:
            return _losses(node.expr)


def _losses_of_sides(node: promql_parser.BinaryExpr) -> list[str]:
    """Return whether two sides are joined without their namespaces."""
    matching = node.modifier.matching if node.modifier is not None else None
    if matching is None:
        return []
    by = matching.type == LabelModifierType.Include
    return [] if by == (NAMESPACE in matching.labels) else [f"{node.op}: joins without it"]


@pytest.mark.parametrize("rule", ALL, ids=lambda rule: rule.get("alert") or rule["record"])
def test_an_alert_keeps_its_namespace(rule: dict[str, Any]) -> None:
    assert losses(rule["expr"]) == []


@pytest.mark.parametrize(
    ("query", "loss"),
    [
        ('sum by (job) (a{namespace="ns"}) > 1', "sum: loses it"),
        ('sum(a{namespace="ns"})', "sum: loses it"),
        ('max without (namespace) (a{namespace="ns"})', "max: loses it"),
        ('a{namespace="ns"} and on (policy) b{namespace="ns"}', "and: joins without it"),
        ('a{namespace="ns"} and ignoring (namespace) b{namespace="ns"}', "and: joins without it"),
        ("sum by (namespace) (rate(a[5m]))", "a: of no namespace"),
        ('a{namespace="ns"} or absent(b)', "b: of no namespace"),
    ],
)
def test_a_loss_is_found(query: str, loss: str) -> None:
    assert losses(query) == [loss]


# In CI a missing promtool is a failure: a test that is skipped there shows nothing.
@pytest.mark.skipif(
    not shutil.which("promtool") and not os.environ.get("CI"), reason="promtool is not installed"
)
def test_alerts_fire_and_keep_quiet_as_written_beside_neighbours(tmp_path: Path) -> None:
    # Each case beside what fires its alert, and what does not, in other namespaces. One alert at a
    # time: all rules over all cases take minutes. The texts are another test's matter.
    whole = yaml.safe_load(CASES.read_text())
    files = []
    for rule in RULES:
        name = rule["alert"]
        cases = [one for one in whole["tests"] if name in _alerts(one)]
        below = [one for record, one in RECORDED.items() if f"{record}{{" in rule["expr"]]
        group = {"name": name, "rules": [*below, {**rule, "annotations": {}}]}
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump({"groups": [group]}))
        tests = [_with_neighbours(one, cases, rule) for one in cases]
        files.append(f"{name}-cases.yaml")
        (tmp_path / files[-1]).write_text(
            yaml.safe_dump({**whole, "rule_files": [f"{name}.yaml"], "tests": tests})
        )

    done = subprocess.run(
        ["promtool", "test", "rules", *files],
        cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stdout + done.stderr


def _with_neighbours(
    case: dict[str, Any], cases: list[dict[str, Any]], rule: dict[str, Any]
) -> dict[str, Any]:
    """Return a case of one alert with the series of all its cases, each in another namespace."""
    found = copy.deepcopy(case)
    found["alert_rule_test"] = [
        one for one in found["alert_rule_test"] if one["alertname"] == rule["alert"]
    ]
    for check in found["alert_rule_test"]:
        for expected in check.get("exp_alerts") or []:
            expected["exp_labels"] |= rule["labels"]
    found["input_series"] += [
        {**series, "series": series["series"].replace('namespace="ns"', f'namespace="ns-{number}"')}
        for number, other in enumerate(cases)
        if other["interval"] == case["interval"]
        for series in other["input_series"]
    ]
    assert len(found["input_series"]) > len(case["input_series"])
    return found


def _alerts(case: dict[str, Any]) -> set[str]:
    return {check["alertname"] for check in case["alert_rule_test"]}


@pytest.mark.parametrize(("after", "seconds"), [("90m", 5400), ("26h", 93_600), ("8d", 691_200)])
def test_how_late_a_report_may_be_reaches_its_alert(after: str, seconds: int) -> None:
    found = alerts_of({"batchReport": {"enabled": True, "lateAfter": after}})

    assert f"> {seconds} or" in found["TaxiReportLate"]
    assert f"== 1) * {seconds} and" in found["TaxiReportLate"]
    assert f"offset {after} unless" in found["TaxiReportLate"]


@pytest.mark.parametrize("values", [{}, {"batchReport": None}, {"batchReport": {"enabled": False}}])
def test_nobody_misses_reports_that_are_not_made(values: dict[str, Any]) -> None:
    """`helm upgrade --reuse-values` from an earlier release has no `batchReport`."""
    found = alerts_of(values)

    assert not [name for name in found if name.startswith("TaxiReport")]
    assert "TaxiFallbackServing" in found


@pytest.mark.parametrize(
    ("values", "members"),
    [({}, None), ({"mongodb": {"replicas": 3}}, 3), ({"mongodb": {"replicas": None}}, None)],
)
def test_members_are_missed_where_there_is_a_set(
    values: dict[str, Any], members: int | None
) -> None:
    found = alerts_of(values).get("TaxiMongodbMemberLost")

    assert (None if found is None else int(found.rsplit("< ", 1)[1])) == members


def alerts_of(values: dict[str, Any]) -> dict[str, str]:
    """Return the expressions of the alerts by name."""
    return {name: one["expr"] for name, one in rules_of(values).items()}


def rules_of(values: dict[str, Any], release: str = "taxi") -> dict[str, dict[str, Any]]:
    """Return the alerts by name."""
    found = manifests(template(values, release=release))
    (rule,) = (one for one in found if one["kind"] == "PrometheusRule")
    return {one["alert"]: one for one in rule["spec"]["groups"][0]["rules"]}


def refusal(rule: dict[str, Any]) -> str:
    with pytest.raises(subprocess.CalledProcessError) as caught:
        template({"metrics": {"prometheusRule": rule}})
    return str(caught.value.stderr)


def test_values_of_another_release_lack_an_alert_and_are_told_which() -> None:
    """`helm upgrade --reuse-values` gives the chart the values of the release before."""
    problem = refusal({"alerts": {"TaxiPredictorRowsRefused": None}})

    assert "metrics.prometheusRule.alerts.TaxiPredictorRowsRefused: is missing" in problem


@pytest.mark.parametrize(
    ("gone", "now"),
    [
        ({"thresholds": {"errorRatio": 0.01}}, "alerts.<Name>.threshold"),
        ({"disabled": {"TaxiFallbackServing": True}}, "alerts.<Name>.enabled"),
    ],
)
def test_values_of_before_are_told_what_took_their_place(gone: dict[str, Any], now: str) -> None:
    assert f"is gone; give metrics.prometheusRule.{now}" in refusal(gone)


@pytest.mark.parametrize(
    ("alert", "field"),
    [
        ({"TaxiNobody": {"enabled": False}}, "TaxiNobody"),
        ({"TaxiTargetDown": {"threshold": 1}}, "threshold"),
        ({"TaxiTargetDown": {"for": "soon"}}, "for"),
        ({"TaxiTargetDown": {"severity": "Very High"}}, "severity"),
        ({"TaxiPredictorErrors": {"threshold": 5}}, "threshold"),
        ({"TaxiPredictorSlow": {"seconds": 0.3}}, "seconds"),
    ],
)
def test_an_alerts_values_are_strict(alert: dict[str, Any], field: str) -> None:
    assert field in refusal({"alerts": alert})


def test_each_value_of_an_alert_reaches_its_rule() -> None:
    own = {"for": "7m", "keepFiringFor": "9m", "severity": "page"}
    values = {
        "TaxiPredictorErrors": {**own, "threshold": 0.02},
        "TaxiPredictorRowsRefused": {"threshold": 0.11, "slowThreshold": 0.07},
        "TaxiPredictorSlow": {"seconds": 0.1},
        "TaxiPredictorUnavailable": {"for": "0s"},
        "TaxiFallbackServing": {"enabled": False},
    }
    found = rules_of({"metrics": {"prometheusRule": {"alerts": values}}})

    errors, refused = found["TaxiPredictorErrors"], found["TaxiPredictorRowsRefused"]["expr"]
    assert (errors["for"], errors["keep_firing_for"]) == ("7m", "9m")
    assert errors["labels"]["severity"] == "page"
    assert "14.4 * 0.02" in errors["expr"]
    assert "> 0.11 or" in refused
    assert refused.count("> 0.07") == 2
    assert "0.1 seconds" in found["TaxiPredictorSlow"]["annotations"]["description"]
    assert "for" not in found["TaxiPredictorUnavailable"]
    assert "TaxiFallbackServing" not in found


def test_the_seconds_that_are_slow_are_a_bucket_in_alert_and_schema() -> None:
    buckets = [one for one in PREDICTOR_REQUEST_DURATION.buckets if one != float("inf")]
    schema = json.loads((CHART / "values.schema.json").read_text())
    values = {"metrics": {"prometheusRule": {"alerts": {"TaxiPredictorSlow": {"seconds": 1}}}}}
    found = manifests(template(values))
    (rule,) = (one for one in found if one["kind"] == "PrometheusRule")
    text = yaml.safe_dump(rule)

    assert schema["$defs"]["alertSlow"]["properties"]["seconds"]["enum"] == buckets
    # As prometheus_client writes it.
    assert set(re.findall(r'[{ ]le="([^"]+)"', text)) == {"1.0"}


def test_only_what_hurts_clients_is_critical() -> None:
    severities = {one["alert"]: one["labels"]["severity"] for one in RULES}

    assert {name for name, one in severities.items() if one == "critical"} == CRITICAL
    assert set(severities.values()) == {"critical", "warning", "info"}


def test_what_follows_from_mongodb_is_over_before_its_alert() -> None:
    """It would be told as new otherwise, when MongoDB is back."""
    names = {one["alert"] for one in RULES}
    followed = 0
    for rule in documented_config("ns")["spec"]["inhibitRules"]:
        if rule["sourceMatch"][0]["value"] == "TaxiMongodbDown":
            (target,) = rule["targetMatch"]
            followed += 1
            after = {name for name in names if re.fullmatch(target["value"], name)}
            assert len(after) > 5
            assert max(map(_goes_on_for, after)) < _goes_on_for("TaxiMongodbDown")
    assert followed == 1


def _goes_on_for(name: str) -> int:
    """Return for how many minutes an alert goes on after its condition has ended."""
    (rule,) = (one for one in RULES if one["alert"] == name)
    return int(str(rule.get("keep_firing_for", "0m")).removesuffix("m"))


def test_two_releases_of_a_namespace_have_alerts_of_their_own() -> None:
    first, other = (rules_of({}, release) for release in ("taxi", "flights"))

    assert first.keys() == other.keys()
    for name, rule in first.items():
        assert rule["labels"]["release"] == "taxi"
        assert other[name]["labels"]["release"] == "flights"
        assert rule["expr"] != other[name]["expr"]


def test_an_alert_leads_to_its_runbook() -> None:
    given = {"metrics": {"prometheusRule": {"runbookUrl": "https://docs.example/runbooks/"}}}
    reports = {"batchReport": {"url": "https://monitor.example/"}}
    name = "TaxiTargetDown"

    def link(values: dict[str, Any]) -> str:
        found: str = rules_of(values)[name]["annotations"]["runbook_url"]
        return found

    assert link({}) == f"http://taxi-monitor.ns/runbooks/{name}"
    assert link(reports) == f"https://monitor.example/runbooks/{name}"
    assert link(given) == f"https://docs.example/runbooks/{name}.md"
