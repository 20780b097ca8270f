"""Alerts: they parse, use only what the catalogue has, and say what happened."""

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.chart import CHART, manifests, objects, template
from support.promql import (
    OF_OTHERS,
    TARGET_LABELS,
    grouped,
    labels_of,
    model_gauges,
    names,
    own_labels,
    selectors,
)

pytestmark = pytest.mark.chart

RUNBOOKS = CHART.parents[1] / "docs" / "runbooks"
SMALL_FALLBACK = {"fallback": {"spool": {"maxBytes": 67108864}}}
EVERYTHING = {
    "batchReport": {"enabled": True},
    "backup": {"enabled": True, "destination": "s3://bucket/taxi"},
    "mongodb": {"replicas": 3},
}


def groups_of(values: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the groups of rules that values lead to."""
    (rule,) = (one for one in manifests(template(values)) if one["kind"] == "PrometheusRule")
    return list(rule["spec"]["groups"])


def rules() -> list[dict[str, Any]]:
    """Return the alerts of a release that has all of them."""
    return list(groups_of(EVERYTHING)[0]["rules"])


def recorded() -> list[dict[str, Any]]:
    """Return the groups of recorded series."""
    return groups_of(EVERYTHING)[1:]


ALL_RULES = rules() + [rule for group in recorded() for rule in group["rules"]]
ALL_QUERIES = [rule["expr"] for rule in ALL_RULES]


@pytest.mark.parametrize("query", ALL_QUERIES)
def test_a_query_uses_only_the_catalogue(query: str) -> None:
    found = selectors(query)

    assert [one.name for one in found] == names(query)
    for selector in found:
        known = {*own_labels(selector.name), *TARGET_LABELS}
        assert labels_of(selector) <= known
        assert "namespace" in labels_of(selector), "a query must stay in its namespace"
        assert labels_of(selector) & {"job", "persistentvolumeclaim"}, "and in its release"


@pytest.mark.parametrize("query", ALL_QUERIES)
def test_a_query_groups_by_labels_that_exist(query: str) -> None:
    known = {label for name in names(query) for label in own_labels(name)}

    assert grouped(query) <= known | TARGET_LABELS


@pytest.mark.parametrize("query", [rule["expr"] for rule in rules()])
def test_gauges_of_a_model_are_aggregated_over_pods(query: str) -> None:
    # A replaced monitor pod must not show as two series.
    assert not model_gauges(query) or re.match(r"max by \(namespace, model, model_role", query)


def test_what_the_rules_read_of_others_is_there_without_more() -> None:
    read = {name for query in ALL_QUERIES for name in names(query)} & set(OF_OTHERS)

    assert read == {
        "up", "kubelet_volume_stats_available_bytes", "kubelet_volume_stats_capacity_bytes",
    }  # fmt: skip


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_an_alert_says_what_happened_and_has_a_runbook(rule: dict[str, Any]) -> None:
    page = RUNBOOKS / f"{rule['alert']}.md"

    assert rule["labels"]["severity"] in {"info", "warning", "critical"}
    assert rule["annotations"]["summary"]
    assert rule["annotations"]["description"]
    assert rule["annotations"]["runbook"] == f"docs/runbooks/{rule['alert']}.md"
    text = page.read_text()
    assert text.startswith(f"# {rule['alert']}\n")
    for heading in ("## Meaning", "## Look", "## Remedy"):
        assert heading in text


def test_every_runbook_has_its_alert() -> None:
    pages = {path.stem for path in RUNBOOKS.glob("Taxi*.md")}

    assert pages == {rule["alert"] for rule in rules()}


def test_alerts_can_be_left_out_labelled_and_linked() -> None:
    (rule,) = objects("everything", "PrometheusRule").values()
    found = {one["alert"]: one for one in rule["spec"]["groups"][0]["rules"]}

    assert "TaxiFallbackServing" not in found
    drift = found["TaxiDriftDetected"]
    assert drift["labels"]["team"] == "ml"
    assert drift["annotations"]["runbook_url"] == (
        "https://example.org/runbooks/TaxiDriftDetected.md"
    )


def alerts_of(values: dict[str, Any]) -> dict[str, str]:
    """Return the expressions of the alerts by name."""
    return {one["alert"]: one["expr"] for one in groups_of(values)[0]["rules"]}


def test_thresholds_reach_the_rules() -> None:
    stale = {"TaxiMonitorEvaluationStale": {"threshold": 17}}
    found = alerts_of({"metrics": {"prometheusRule": {"alerts": stale}}})

    assert found["TaxiMonitorEvaluationStale"].endswith("> 17")
    assert not re.search(r"NAMESPACE|RELEASE|THRESHOLD|[A-Z]+_[A-Z]+", yaml.dump(groups_of({})))


def test_each_spool_has_the_threshold_of_its_own_size() -> None:
    query = alerts_of(SMALL_FALLBACK)["TaxiPredictorSpoolFilling"]

    limits = dict(re.findall(r'job="taxi-(\w+)"}\) > 0.5 \* (\d+)', query))
    assert limits == {"predictor": "268435456", "fallback": "67108864"}


@pytest.mark.parametrize("enabled", [True, False])
def test_every_part_that_is_scraped_is_missed(enabled: bool) -> None:
    values = {"operator": {"enabled": enabled}}
    scraped = {
        one["metadata"]["name"]
        for one in manifests(template(values))
        if one["kind"] == "ServiceMonitor"
    }

    missed = re.findall(r'absent\(up{namespace="ns", job="([^"]+)"}\)',
                        alerts_of(values)["TaxiTargetAbsent"])  # fmt: skip
    assert sorted(missed) == sorted(scraped)


# In CI a missing promtool is a failure: a test that is skipped there shows nothing.
needs_promtool = pytest.mark.skipif(
    not shutil.which("promtool") and not os.environ.get("CI"), reason="promtool is not installed"
)


@needs_promtool
def test_promtool_takes_the_rules(tmp_path: Path) -> None:
    # Their cases are run by test_chart_alerts.
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump({"groups": groups_of(SMALL_FALLBACK)}))

    promtool(tmp_path, "check", "rules", "rules.yaml")


@needs_promtool
def test_the_alert_of_refused_rides_tells_the_fields(tmp_path: Path) -> None:
    common = 'namespace="ns",job="taxi-predictor"'
    counters = {
        f"taxi_predictor_predictions_total{{{common}}}": "0+60x20",
        f'taxi_predictor_refused_rows_total{{{common},reason="trip_distance"}}': "0+30x20",
        f'taxi_predictor_refused_rows_total{{{common},reason="PULocationID"}}': "0+10x20",
        f'taxi_predictor_refused_rows_total{{{common},reason="body"}}': "0x20",
    }
    check = fired(
        "TaxiPredictorRowsRefused",
        "taxi-predictor refuses 40% of the rows that it is asked",
        "Refused in the last half an hour, by field or reason: "
        "trip_distance 600; PULocationID 200; no window and no verdict has these rows.",
        job="taxi-predictor",
    )

    check_texts(tmp_path, {}, counters, check)


@needs_promtool
def test_the_alert_of_a_full_disk_tells_the_volumes(tmp_path: Path) -> None:
    gauges = {}
    for member, free in enumerate((60, 15, 50)):
        labels = f'namespace="ns",persistentvolumeclaim="data-taxi-mongodb-{member}"'
        gauges[f"kubelet_volume_stats_available_bytes{{{labels}}}"] = f"{free}x20"
        gauges[f"kubelet_volume_stats_capacity_bytes{{{labels}}}"] = "100x20"
    check = fired(
        "TaxiMongodbDiskFilling",
        "The disk of MongoDB in ns is 85% full",
        "When it is full no row and no label is stored; predictors keep what they answer in their "
        "spools until these are full, too. Volume data-taxi-mongodb-1: 85%. "
        "Volume data-taxi-mongodb-2: 50%. Volume data-taxi-mongodb-0: 40%.",
    )

    check_texts(tmp_path, {"mongodb": {"replicas": 3}}, gauges, check)


def fired(alert: str, summary: str, description: str, **labels: str) -> dict[str, Any]:
    """Return the check that an alert fires with these texts after twenty minutes."""
    expected = {
        "exp_labels": {"severity": "warning", "namespace": "ns", "release": "taxi", **labels},
        "exp_annotations": {
            "summary": summary, "description": description,
            "runbook": f"docs/runbooks/{alert}.md",
            "runbook_url": f"http://taxi-monitor.ns/runbooks/{alert}",
        },
    }  # fmt: skip
    return {"eval_time": "20m", "alertname": alert, "exp_alerts": [expected]}


def check_texts(
    folder: Path, values: dict[str, Any], series: dict[str, str], check: dict[str, Any]
) -> None:
    """Let promtool make a check of the rules that values lead to, with their texts."""
    case = {
        "interval": "1m",
        "input_series": [{"series": name, "values": one} for name, one in series.items()],
        "alert_rule_test": [check],
    }
    (folder / "rules.yaml").write_text(yaml.safe_dump({"groups": groups_of(values)}))
    cases = {"rule_files": ["rules.yaml"], "evaluation_interval": "1m", "tests": [case]}
    (folder / "cases.yaml").write_text(yaml.safe_dump(cases))

    promtool(folder, "test", "rules", "cases.yaml")


def promtool(folder: Path, *words: str) -> None:
    """Run promtool, which says what is not as it was written."""
    done = subprocess.run(
        ["promtool", *words], cwd=folder, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_has_a_case_that_fires_it_and_one_that_does_not() -> None:
    cases = yaml.safe_load(Path(__file__).with_name("alerts_test.yaml").read_text())
    checks = [check for case in cases["tests"] for check in case["alert_rule_test"]]
    fired = {check["alertname"] for check in checks if check.get("exp_alerts")}
    quiet = {check["alertname"] for check in checks if not check.get("exp_alerts")}

    alerts = {rule["alert"] for rule in rules()}
    assert fired == alerts
    assert quiet == alerts
