"""The shipped dashboards and alerts in the cluster's Prometheus: each panel shows something."""

import json
import math
import re
import threading
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from support.waiting import wait_for

from taxi_domain.kube import PLURAL
from taxi_stories.forwards import Forward, patient_get
from taxi_stories.kubectl import Kubectl
from taxi_stories.prometheus import Prometheus
from taxi_stories.release import CHART, Release
from taxi_stories.rows import TAXI_SCHEMA, LabelledBody, read_rides
from taxi_stories.sender import Rate, Sender
from taxi_stories.story import EXAMPLES, SAMPLES

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1200)]

POLICY = "dashboard"
#: The rides of the file are sent so often: for a quarter of an hour, which these tests do not need.
TIMES = 5
#: Prometheus finds a new release within two minutes, and evaluates most groups of rules each
#: minute, over two scrapes.
FOUND_SECONDS = 300
#: The boards by the name of their file, as they are before the release is filled in.
BOARDS: dict[str, dict[str, Any]] = {
    path.stem: json.loads(path.read_text())
    for path in sorted((CHART / "files/dashboards").glob("*.json"))
}
#: What Grafana fills in: four scrapes, and the first value of each variable.
FILLED = {
    "$__rate_interval": "1m", "$namespace": "taxi", "$model_role": "champion", "$cluster": ".*",
    "$release": "taxi", "$model": "taxi-duration",
}  # fmt: skip
BATCHES = "the rows of these tests come in batches, which have no time of their own to keep"
BATCH_REPORT = "a report is made by its schedule, or when somebody asks for one"
STATE_METRICS = "the test's cluster has no kube-state-metrics"
#: Queries that have nothing to show while all is well, with the reason.
SILENT = {
    **{
        f"{name}: annotation Decisions": "nothing is decided here"
        for name in ("model", "overview", "pipeline", "policies")
    },
    **{
        f"overview: Rows that were answered too late - {{{{job}}}} {span}": BATCHES
        for span in ("5m", "1h", "6h")
    },
    "overview: Alerts that fire - {{alertname}}": "no alert fires on a healthy release",
    "model: Kind of drift - known event: {{event}}": "this release knows of none",
    "model: p-values - {{feature}} ({{method}})": "no score with a p-value is asked for",
    "model: PSI of an hour - {{feature}}": "it is recorded when an hour has enough rows",
    "pipeline: Documents that cannot be read - {{source}} {{collection}} {{field}}": (
        "the field at fault is known with the first document that cannot be read"
    ),
    "pipeline: Volumes in use - {{persistentvolumeclaim}}": (
        "the kubelet has no figures of the test cluster's kind of volumes"
    ),
    "pipeline: Healthy members of MongoDB - members": "one server is no replica set",
    "pipeline: Time since the last backup - backup": "a backup has to be asked for",
    "pipeline: Containers started again - {{pod}}": STATE_METRICS,
    "pipeline: Jobs that failed - {{job_name}}": STATE_METRICS,
    "pipeline: Batch report over its alarm level - {{model}}": BATCH_REPORT,
    "pipeline: Verdict of the batch report - {{model}}": BATCH_REPORT,
    "pipeline: Rows of the batch report - {{model}}": BATCH_REPORT,
    "pipeline: Time to make the batch report - {{model}}": BATCH_REPORT,
    "pipeline: Time since the last batch report - {{model}}: made": BATCH_REPORT,
    "pipeline: Time since the last batch report - {{model}}: failed": "no report has failed",
    "pipeline: Time since the last batch report - {{model}}: made by the schedule": BATCH_REPORT,
    "pipeline: Time since the last batch report - {{model}}: failed by the schedule": (
        "none has failed"
    ),
    "policies: Time of the last switch - last switch": "the traffic has stayed where it is",
}

#: Of the rules' groups, seconds: a new one is evaluated somewhere within its first interval.
LONGEST_INTERVAL = 240
LOOKING_BACK = (
    "TaxiPredictorErrors", "TaxiPredictorErrorBudgetBurning", "TaxiPredictorSlow",
    "TaxiPredictorLatencyBudgetBurning", "TaxiRunFailed", "TaxiRunRefused", "TaxiRunRolledBack",
)  # fmt: skip


def filled(query: str) -> str:
    for variable in sorted(FILLED, key=len, reverse=True):
        query = query.replace(variable, FILLED[variable])
    return query


def queries() -> dict[str, str]:
    """Return every query of the boards by where it stands; the same one is asked once."""
    found: dict[str, str] = {}
    for name, board in BOARDS.items():
        for panel in board["panels"]:
            for target in panel.get("targets", []):
                found[f"{name}: {panel['title']} - {target['legendFormat']}"] = target["expr"]
        for one in board["annotations"]["list"]:
            found[f"{name}: annotation {one['name']}"] = one["expr"]
        for one in board["templating"]["list"]:
            if one["type"] == "query":
                values = re.fullmatch(r"label_values\((.*), (\w+)\)", one["query"]["query"])
                assert values is not None, one
                found[f"variable {one['name']}"] = f"group by ({values[2]}) ({values[1]})"
    return found


QUERIES = queries()


@pytest.fixture(scope="module", autouse=True)
def busy(installed: Release, prometheus: Prometheus) -> Iterator[None]:
    """Send rides and labels as long as the tests of this module run, watched by a policy."""
    key, prefix = TAXI_SCHEMA.id, f"d{uuid.uuid4().hex[:8]}"
    once = read_rides(SAMPLES / "green-2021-02-head.parquet")
    rides = [
        LabelledBody({**ride.body, key: f"{prefix}-{number}-{ride.body[key]}"}, ride.label)
        for number in range(TIMES)
        for ride in once
    ]
    failures: list[BaseException] = []
    with installed.predictor() as predictor, installed.monitor() as monitor:
        sender = Sender(rides, installed.addresses(predictor, monitor), Rate(60, 20, 2))

        def send() -> None:
            try:
                sender.run()
            except BaseException as error:
                failures.append(error)

        thread = threading.Thread(target=send, daemon=True)
        thread.start()
        try:
            installed.kubectl.apply(watching())
            wait_for("signals of the policy", lambda: len(signals(prometheus)) == 2, FOUND_SECONDS)
            yield
        finally:
            sender.stop.set()
            thread.join(180)
            installed.kubectl("delete", PLURAL, POLICY, "--timeout=300s", timeout=320)
    assert not thread.is_alive(), "the load does not end"
    assert not failures, failures


def watching() -> dict[str, Any]:
    """Return the policy of the quiet story for this release; it only says what it would do."""
    text = (EXAMPLES / "quiet.yaml").read_text().replace("taxi-quiet", "taxi")
    policy: dict[str, Any] = yaml.safe_load(text)
    policy["metadata"]["name"] = POLICY
    policy["spec"]["mode"] = "DryRun"
    return policy


def signals(prometheus: Prometheus) -> list[tuple[dict[str, str], float]]:
    return prometheus.query(f'taxi_operator_signal_value{{namespace="taxi", policy="{POLICY}"}}')


def test_the_cluster_has_the_shipped_dashboards(installed: Release) -> None:
    config = installed.kubectl.get("configmap", "taxi-dashboards")

    assert sorted(config["data"]) == [f"taxi-taxi-{name}.json" for name in BOARDS]
    for name, board in BOARDS.items():
        shipped = json.loads(config["data"][f"taxi-taxi-{name}.json"])
        assert [one["title"] for one in shipped["panels"]] == [
            one["title"] for one in board["panels"]
        ]


def test_only_queries_of_the_dashboards_may_be_silent() -> None:
    assert set(SILENT) <= set(QUERIES)


@pytest.mark.parametrize("where", QUERIES)
def test_a_query_of_the_dashboard_shows_data(where: str, prometheus: Prometheus) -> None:
    query = filled(QUERIES[where])
    assert "$" not in query

    def shown() -> list[Any]:
        # A quantile of nothing is NaN, which Grafana draws as nothing.
        return [series for series in prometheus.query(query) if not math.isnan(series[1])]

    if where in SILENT:
        shown()
    else:
        wait_for(query, shown, FOUND_SECONDS)


def test_the_variables_lead_to_the_release(prometheus: Prometheus) -> None:
    def values(variable: str) -> set[str]:
        query = filled(QUERIES[f"variable {variable}"])
        return {value for labels, _ in prometheus.query(query) for value in labels.values()}

    # One scrape that fails leaves a query without data until the next one.
    found = {
        name: wait_for(f"values of {name}", lambda name=name: values(name))
        for name in ("namespace", "release", "model", "model_role")
    }
    assert "taxi" in found["namespace"]
    # Grafana cuts the end off by the variable's expression.
    assert found["release"] == {"taxi-monitor"}
    assert found["model"] == {"taxi-duration"}
    # Grafana takes the first one.
    assert min(found["model_role"]) == "champion"


@pytest.fixture(scope="module")
def rules(context: str) -> list[dict[str, Any]]:
    """Return the release's rules as Prometheus has them, each evaluated at least once."""
    rule = Kubectl(context, "taxi").get("prometheusrule", "taxi-alerts")
    groups = {group["name"]: group["rules"] for group in rule["spec"]["groups"]}
    shipped = {one.get("alert") or one["record"] for rules in groups.values() for one in rules}
    with Forward(Kubectl(context, "monitoring"), "service/prometheus-operated", 9090) as forward:

        def loaded() -> list[dict[str, Any]]:
            answer = patient_get(forward, "/api/v1/rules", timeout_seconds=30).raise_for_status()
            found = [
                rule
                for group in answer.json()["data"]["groups"] if group["name"] in groups
                for rule in group["rules"]
            ]  # fmt: skip
            evaluated = {rule["name"] for rule in found if rule["health"] != "unknown"}
            return found if evaluated == shipped else []

        what = f"{len(shipped)} rules in Prometheus"
        found: list[dict[str, Any]] = wait_for(what, loaded, LONGEST_INTERVAL + 120)
    return found


def test_prometheus_evaluates_every_rule(rules: list[dict[str, Any]]) -> None:
    assert {rule["name"]: rule.get("lastError") for rule in rules if rule["health"] != "ok"} == {}


def test_no_alert_fires_on_a_healthy_release(rules: list[dict[str, Any]]) -> None:
    firing = {rule["name"]: rule["alerts"] for rule in rules if rule.get("state") == "firing"}
    # The rides are of the first days of February 2021, when snow made them longer: their error is
    # larger than January's, and the evidence says so after some thousand labels.
    storm = [one["labels"]["side"] for one in firing.pop("TaxiEvidenceAlarm", [])]
    assert set(storm) <= {"labels"}
    firing.pop("TaxiDriftHarmful", None)
    # These look back for hours: onto what other tests did to a cluster that is used again.
    for name in LOOKING_BACK:
        firing.pop(name, None)
    # MongoDB's disk is that of the machine which the cluster is on, however full that is.
    firing.pop("TaxiMongodbDiskFilling", None)
    assert firing == {}
