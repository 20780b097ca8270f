"""The chart's rules in a real Prometheus, by a real Alertmanager, to who should hear of them."""

import itertools
import json
import time
from pathlib import Path

import httpx
import pytest
import yaml
from support.alertmanager import (
    Receivers,
    configuration,
    documented_config,
    running_alertmanager,
)
from support.chart import manifests, template
from support.control_plane import Server, program
from support.prometheus import Exporter
from support.waiting import wait_for

from taxi_local.ports import free_port

pytestmark = pytest.mark.component

NAMESPACES = ("taxi", "other")
CRITICAL = {
    "TaxiPredictorUnavailable", "TaxiPredictorErrors", "TaxiPredictorSlow",
    "TaxiPredictorSpoolFull",
}  # fmt: skip
WARNINGS = {
    "TaxiMongodbDown", "TaxiMongodbDiskFilling", "TaxiPolicyBlind", "TaxiRunFailed",
    "TaxiDriftHarmful", "TaxiDataFault",
}  # fmt: skip
#: What fires too, and says nothing that the others do not say.
INHIBITED = {
    "TaxiPredictorSpoolOld", "TaxiPredictorSpoolFilling", "TaxiEvidenceAlarm",
}  # fmt: skip


class Faults(Exporter):
    """Exports the series of releases that are ill; counters grow with each scrape."""

    def __init__(self) -> None:
        super().__init__()
        #: Namespaces whose pods Prometheus does not reach; their alerts inhibit others.
        self.unreached: set[str] = set()
        #: Whether what only follows is there yet: what says it all has to be known first.
        self.followed = False
        self._scrapes = itertools.count(1)

    def page(self) -> str:
        scrape = next(self._scrapes)
        return "".join(self._of(namespace, scrape) for namespace in NAMESPACES)

    def _of(self, namespace: str, scrape: int) -> str:
        def series(job: str, name: str, value: float, **labels: str) -> str:
            given = {"namespace": namespace, "job": f"taxi-{job}", "pod": job, **labels}
            text = ",".join(f"{label}={json.dumps(one)}" for label, one in given.items())
            return f"{name}{{{text}}} {value} {now:.0f}\n"

        # Samples with a time outlive a scrape that comes too late; others would end their alerts.
        now = 1000 * time.time()
        up = float(namespace not in self.unreached)
        model = {"model": "m", "model_role": "champion"}
        duration = "taxi_predictor_request_duration_seconds"
        predicted, failed, slow = 100.0 * scrape, 50.0 * scrape, 40.0 * scrape
        following = [
            series("predictor", "taxi_predictor_spool_oldest_record_age_seconds", 900),
            series("monitor", "taxi_monitor_evidence_alarm", 1, side="rows", **model),
            series("operator", "taxi_operator_runs_total", scrape, policy="p", result="Failed"),
        ]  # fmt: skip
        return "".join(
            [
                *(following if self.followed else []),
                series("predictor", "up", up), series("fallback", "up", 1),
                series("monitor", "up", 1), series("operator", "up", 1),
                series("predictor", "taxi_predictor_requests_total", predicted,
                       route="/predict", code="200"),
                series("predictor", "taxi_predictor_requests_total", failed,
                       route="/predict", code="503"),
                series("predictor", f"{duration}_count", predicted, route="/predict"),
                series("predictor", f"{duration}_bucket", slow, route="/predict", le="0.25"),
                series("predictor", "taxi_predictor_spool_bytes", 268435456),
                series("monitor", "taxi_monitor_mongodb_up", 0),
                series("monitor", "taxi_monitor_mongodb_disk_used_bytes", 95),
                series("monitor", "taxi_monitor_mongodb_disk_size_bytes", 100),
                series("monitor", "taxi_monitor_drift_kind", 1, kind="Concept", **model),
                series("monitor", "taxi_monitor_drift_kind", 1, kind="DataFault", **model),
                series("operator", "taxi_operator_policy_condition", 1, policy="p",
                       type="MetricsAvailable", status="False"),
            ]
        )  # fmt: skip


def rules(folder: Path) -> list[str]:
    """Write the rules of a release in each namespace, without the times they wait for."""
    files = []
    for namespace in NAMESPACES:
        found = manifests(template(namespace=namespace, binary=program("helm")))
        (rule,) = (one for one in found if one["kind"] == "PrometheusRule")
        for group in rule["spec"]["groups"]:
            group["interval"] = "1s"
            for one in group["rules"]:
                one.pop("for", None)
                one.pop("keep_firing_for", None)
        files.append(str(folder / f"{namespace}.yaml"))
        Path(files[-1]).write_text(yaml.safe_dump(rule["spec"]))
    return files


def test_each_namespace_hears_its_own_alerts_grouped_and_without_those_that_follow(
    tmp_path: Path,
) -> None:
    receivers, faults = Receivers(), Faults()
    configs = configuration([documented_config(one) for one in NAMESPACES], receivers)
    with running_alertmanager(tmp_path, configs) as alertmanager:
        config = {
            "global": dict.fromkeys(
                ("scrape_interval", "scrape_timeout", "evaluation_interval"), "1s"
            ),
            "rule_files": rules(tmp_path),
            "alerting": {
                "alertmanagers": [{"static_configs": [{"targets": [alertmanager.url[7:]]}]}]
            },
            "scrape_configs": [
                {
                    "job_name": "faults", "honor_labels": True,
                    "static_configs": [{"targets": [faults.address]}],
                }
            ],
        }  # fmt: skip
        (tmp_path / "prometheus.yml").write_text(json.dumps(config))
        url = f"http://127.0.0.1:{free_port()}"
        prometheus = Server(
            tmp_path / "prometheus.log", url, program("prometheus"),
            f"--config.file={tmp_path / 'prometheus.yml'}",
            f"--storage.tsdb.path={tmp_path / 'data'}", f"--web.listen-address={url[7:]}",
        )  # fmt: skip
        prometheus.start("/-/ready")
        try:
            _told(receivers, "taxi-on-call", CRITICAL - {"TaxiPredictorUnavailable"})
            # A run that failed is inhibited by MongoDB's absence.
            _told(receivers, "taxi-team", WARNINGS - {"TaxiRunFailed"})
            _told(receivers, "other-on-call", CRITICAL - {"TaxiPredictorUnavailable"})
            _told(receivers, "other-team", WARNINGS - {"TaxiRunFailed"})
            faults.followed = True
            follow = INHIBITED | {"TaxiRunFailed"}
            wait_for("what follows", lambda: follow <= _suppressed(alertmanager.url))
            before = len(receivers.taken)
            faults.unreached = {"other"}
            _told(receivers, "other-on-call", {"TaxiPredictorUnavailable"})
            after = receivers.taken[before:]
        finally:
            prometheus.kill()
            faults.close()
            receivers.close()

    told = {name: receivers.heard(name) for name in ("taxi-team", "taxi-on-call")}
    assert told["taxi-on-call"] == CRITICAL - {"TaxiPredictorUnavailable"}
    assert not told["taxi-team"] & (INHIBITED | {"TaxiRunFailed"} | CRITICAL)
    for name, body in receivers.taken:
        namespaces = {one["labels"]["namespace"] for one in body["alerts"]}
        assert namespaces == {name.partition("-")[0]}, "hears of another namespace"
        assert body["groupLabels"].keys() == {"release", "severity"}
        assert all(one["annotations"]["runbook_url"] for one in body["alerts"])
    assert any(len(body["alerts"]) > 1 for _, body in receivers.taken), "nothing is grouped"
    # Who is not reached answers no request with an error, or too late.
    named = [
        {one["labels"]["alertname"] for one in body["alerts"] if one["status"] == "firing"}
        for name, body in after if name == "other-on-call"
    ]  # fmt: skip
    assert {"TaxiPredictorUnavailable", "TaxiPredictorSpoolFull"} in named


def _suppressed(url: str) -> set[str]:
    """Return the names of the alerts that an Alertmanager knows of and tells nobody."""
    found = httpx.get(f"{url}/api/v2/alerts", timeout=10).raise_for_status().json()
    return {one["labels"]["alertname"] for one in found if one["status"]["state"] == "suppressed"}


def _told(receivers: Receivers, receiver: str, alerts: set[str]) -> None:
    wait_for(f"{sorted(alerts)} at {receiver}", lambda: alerts <= receivers.heard(receiver))
