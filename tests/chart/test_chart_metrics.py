"""Alerts and dashboards: they parse, and use only what the catalogue has."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml
from support.chart import CHART, manifests, objects, template

from taxi_domain.metric import Metric, MetricType
from taxi_domain.metrics import CATALOGUE

pytestmark = pytest.mark.chart

RUNBOOKS = CHART.parents[1] / "docs" / "runbooks"
TARGET_LABELS = {"namespace", "job", "pod", "service", "exported_service", "le"}
SMALL_FALLBACK = {"fallback": {"spool": {"maxBytes": 67108864}}}
#: Series of others, with their labels beside those of a target.
OF_OTHERS = {
    "up": set(),
    "kubelet_volume_stats_available_bytes": {"persistentvolumeclaim"},
    "kubelet_volume_stats_capacity_bytes": {"persistentvolumeclaim"},
}
_NAME = re.compile(rf"\b(taxi_[a-z_]+|{'|'.join(OF_OTHERS)})\b")


def series() -> dict[str, Metric]:
    """Return the catalogue's metric of every series name."""
    found: dict[str, Metric] = {}
    for metric in CATALOGUE:
        names = [metric.name]
        if metric.type is MetricType.HISTOGRAM:
            names = [f"{metric.name}_{suffix}" for suffix in ("bucket", "sum", "count")]
        found |= dict.fromkeys(names, metric)
    return found


SERIES = series()


def rules() -> list[dict[str, Any]]:
    """Return the rules of a release that has all of them."""
    values = {
        "batchReport": {"enabled": True},
        "backup": {"enabled": True, "destination": "s3://bucket/taxi"},
    }
    (rule,) = (one for one in manifests(template(values)) if one["kind"] == "PrometheusRule")
    return list(rule["spec"]["groups"][0]["rules"])


def dashboard() -> dict[str, Any]:
    config = objects("default", "ConfigMap")["taxi-dashboards"]
    assert config["metadata"]["labels"]["grafana_dashboard"] == "1"
    loaded: dict[str, Any] = json.loads(config["data"]["taxi-monitoring.json"])
    return loaded


def panels() -> Iterator[dict[str, Any]]:
    yield from (one for one in dashboard()["panels"] if one["type"] != "row")


def dashboard_queries() -> list[str]:
    queries = [target["expr"] for panel in panels() for target in panel["targets"]]
    queries += [one["expr"] for one in dashboard()["annotations"]["list"]]
    filled = {"$__rate_interval": "1m", "$namespace": "ns", "$model_role": "champion"}
    for variable, value in filled.items():
        queries = [query.replace(variable, value) for query in queries]
    return queries


def selectors(query: str) -> list[Any]:
    """Return all vector selectors of a query."""
    found: list[Any] = []

    def walk(node: Any) -> None:
        if isinstance(node, promql_parser.VectorSelector):
            found.append(node)
        for child in ("expr", "lhs", "rhs", "vector_selector"):
            below = getattr(node, child, None)
            if below is not None:
                walk(below)
        for argument in getattr(node, "args", None) or []:
            walk(argument)

    walk(promql_parser.parse(query))
    return found


def own_labels(name: str) -> set[str]:
    return OF_OTHERS[name] if name in OF_OTHERS else set(SERIES[name].labels)


def labels_of(selector: Any) -> set[str]:
    return {matcher.name for matcher in selector.matchers.matchers}


ALL_QUERIES = [*(rule["expr"] for rule in rules()), *dashboard_queries()]


@pytest.mark.parametrize("query", ALL_QUERIES)
def test_a_query_uses_only_the_catalogue(query: str) -> None:
    found = selectors(query)

    assert len(found) == len(_NAME.findall(query))
    for selector in found:
        if selector.name == "up":
            continue
        assert selector.name in SERIES or selector.name in OF_OTHERS
        known = {*own_labels(selector.name), *TARGET_LABELS}
        assert labels_of(selector) <= known
        assert "namespace" in labels_of(selector), "a query must stay in its namespace"


@pytest.mark.parametrize("query", ALL_QUERIES)
def test_a_query_groups_by_labels_that_exist(query: str) -> None:
    known = {label for name in _NAME.findall(query) for label in own_labels(name)}
    grouped = {
        label.strip()
        for group in re.findall(r"by \(([^)]*)\)", query)
        for label in group.split(",")
    }

    assert grouped <= known | TARGET_LABELS


@pytest.mark.parametrize("query", ALL_QUERIES)
def test_gauges_of_a_model_are_aggregated_over_pods(query: str) -> None:
    # A replaced monitor pod must not show as two series.
    gauges = [
        one.name
        for one in selectors(query)
        if one.name in SERIES
        and SERIES[one.name].type is MetricType.GAUGE
        and "model_role" in SERIES[one.name].labels
        and "model" in SERIES[one.name].labels
    ]

    assert not gauges or re.match(r"max by \((namespace, )?model, model_role", query)


def test_every_metric_of_the_catalogue_that_people_look_at_is_on_the_dashboard() -> None:
    shown = {name for query in dashboard_queries() for name in _NAME.findall(query)}
    missing = {
        metric.name for metric in CATALOGUE if not {metric.name, f"{metric.name}_bucket"} & shown
    }

    assert missing <= {
        "taxi_predictor_spool_bytes",
        "taxi_predictor_torn_counter_files",
        "taxi_monitor_feature_drift_pvalue",
        "taxi_monitor_feature_rows_total",
        "taxi_monitor_reference_bin_ratio",
        "taxi_monitor_drifted_features",
        "taxi_monitor_drift_detected",
        "taxi_monitor_reference_rows",
        "taxi_monitor_window_start_timestamp_seconds",
        "taxi_monitor_window_end_timestamp_seconds",
        "taxi_monitor_model_info",
        "taxi_monitor_background_up",
        "taxi_operator_reconcile_duration_seconds",
        "taxi_operator_duplicates_prevented_total",
        "taxi_operator_champion_unavailable",
        "taxi_operator_rescues_total",
        "taxi_operator_last_switch_seconds",
        "taxi_operator_policy_condition",
        "taxi_operator_webhook_pending",
        "taxi_monitor_mongodb_kept_timestamp_seconds",
    }


def test_the_dashboard_works_in_any_grafana() -> None:
    board = dashboard()
    variables = {one["name"]: one for one in board["templating"]["list"]}

    assert "__inputs" not in board
    assert board["uid"] == "taxi-monitoring"
    assert variables["datasource"]["type"] == "datasource"
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    for panel in panels():
        assert panel["datasource"]["uid"] == "${datasource}"
        assert panel["title"]
        assert panel["description"]
    for name in ("namespace", "model_role"):
        (metric,) = _NAME.findall(variables[name]["query"]["query"])
        assert metric in SERIES


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_an_alert_says_what_happened_and_has_a_runbook(rule: dict[str, Any]) -> None:
    page = RUNBOOKS / f"{rule['alert']}.md"

    assert rule["labels"]["severity"] in {"warning", "critical"}
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


def groups_of(values: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the groups of rules that values lead to."""
    (rule,) = (one for one in manifests(template(values)) if one["kind"] == "PrometheusRule")
    return list(rule["spec"]["groups"])


def alerts_of(values: dict[str, Any]) -> dict[str, str]:
    """Return the expressions of the alerts by name."""
    return {one["alert"]: one["expr"] for one in groups_of(values)[0]["rules"]}


def test_thresholds_reach_the_rules() -> None:
    values = {"metrics": {"prometheusRule": {"thresholds": {"evaluationAgeSeconds": 17}}}}
    found = alerts_of(values)

    assert found["TaxiMonitorEvaluationStale"].endswith("> 17")
    assert not re.search(r"NAMESPACE|RELEASE|[A-Z]+_[A-Z]+", yaml.dump(found))


def test_each_spool_has_the_threshold_of_its_own_size() -> None:
    query = alerts_of(SMALL_FALLBACK)["TaxiPredictorSpoolFilling"]

    limits = dict(re.findall(r'job="taxi-(\w+)"}\) > (\d+)', query))
    assert limits == {"predictor": "134217728", "fallback": "33554432"}


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
    expected = {
        "exp_labels": {"severity": "warning", "namespace": "ns", "job": "taxi-predictor"},
        "exp_annotations": {
            "summary": "taxi-predictor refuses 40% of the rows that it is asked",
            "description": "Refused in the last half an hour, by field or reason: "
            "trip_distance 600; PULocationID 200; no window and no verdict has these rows.",
            "runbook": "docs/runbooks/TaxiPredictorRowsRefused.md",
        },
    }
    check = {
        "eval_time": "20m", "alertname": "TaxiPredictorRowsRefused", "exp_alerts": [expected],
    }  # fmt: skip
    case = {
        "interval": "1m",
        "input_series": [{"series": name, "values": one} for name, one in counters.items()],
        "alert_rule_test": [check],
    }
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump({"groups": groups_of({})}))
    cases = {"rule_files": ["rules.yaml"], "evaluation_interval": "1m", "tests": [case]}
    (tmp_path / "cases.yaml").write_text(yaml.safe_dump(cases))

    promtool(tmp_path, "test", "rules", "cases.yaml")


def promtool(folder: Path, *words: str) -> None:
    """Run promtool, which says what is not as it was written."""
    done = subprocess.run(
        ["promtool", *words], cwd=folder, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_has_a_case_that_fires_it() -> None:
    cases = yaml.safe_load(Path(__file__).with_name("alerts_test.yaml").read_text())
    fired = {
        check["alertname"]
        for case in cases["tests"]
        for check in case["alert_rule_test"]
        if check.get("exp_alerts")
    }

    assert fired == {rule["alert"] for rule in rules()}
