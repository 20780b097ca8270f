"""The most important alerts for real: each by its fault, told by a real Alertmanager, and over."""

import importlib.metadata
import json
import platform
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from support import alert_faults
from support.cluster_alerting import VERSION, Alerting, Labels, Told, alerting
from support.waiting import wait_for

from taxi_stories.prometheus import Prometheus
from taxi_stories.release import Release

pytestmark = [pytest.mark.e2e, pytest.mark.soak, pytest.mark.timeout(5400)]

RESULT = Path(__file__).parents[2] / "benchmarks" / "results" / "soak_alerts.json"
QUIET_SECONDS = 60
ON_CALL = "on-call"
#: Of errors it takes half an hour: so long a few are many for a release that answers little.
_OVER_SECONDS = 2700
#: Shorter than the chart's, in the same order: what says it all is known before what follows from
#: it, and goes after it. Thresholds of a small spool.
ALERTS: dict[str, dict[str, Any]] = {
    "TaxiPredictorUnavailable": {"for": "5s"},
    "TaxiPredictorErrors": {"for": "0s", "keepFiringFor": "0s"},
    "TaxiPredictorSpoolFull": {"threshold": 0.8, "keepFiringFor": "10s"},
    "TaxiPredictorSpoolFilling": {"for": "45s", "threshold": 0.4, "keepFiringFor": "10s"},
    "TaxiPredictorSpoolOld": {"for": "45s", "threshold": 20, "keepFiringFor": "10s"},
    "TaxiPredictorRowsRefused": {"for": "5s", "slowThreshold": 0.05},
    "TaxiMongodbDown": {"for": "5s", "keepFiringFor": "60s"},
    "TaxiTargetDown": {"for": "5s", "keepFiringFor": "20s"},
    "TaxiTargetAbsent": {"for": "20s"},
    "TaxiPolicyBlind": {"for": "10s"},
    "TaxiDriftDetected": {"for": "5s", "keepFiringFor": "0s"},
    "TaxiRowsStopped": {"for": "5s"},
    "TaxiChampionUnavailable": {"for": "5s"},
    "TaxiFallbackServing": {"for": "5s"},
    # The disk of whatever machine this is.
    "TaxiMongodbDiskFilling": {"enabled": False},
}


@dataclass(frozen=True, slots=True)
class Alert:
    """An alert that is waited for: its name and what else tells it from others of that name."""

    name: str
    job: str = ""
    policy: str = ""

    @property
    def labels(self) -> Labels:
        """Labels that it has, at least."""
        wanted = {"alertname": self.name, "job": self.job, "policy": self.policy}
        return {name: value for name, value in wanted.items() if value}

    def __str__(self) -> str:
        return " ".join(filter(None, (self.name, self.job, self.policy)))


@dataclass(frozen=True, slots=True)
class Case:
    """A fault, and what comes of it.

    Attributes:
        fault: Lets it happen.
        told: Alerts that receivers are told of.
        kept: Alerts that they are not told of, each with the one that inhibits it.
        seconds: How long the alerts may take.
        over_at_once: The next fault waits until the alerts are over; others look at minutes that
            are gone.
        over: The alerts are over within this run.
    """

    fault: Callable[[Release], AbstractContextManager[float]]
    told: tuple[Alert, ...]
    kept: dict[Alert, str] = field(default_factory=dict)
    seconds: float = 120
    over_at_once: bool = True
    over: bool = True


CASES = (
    Case(alert_faults.rows_refused, (Alert("TaxiPredictorRowsRefused"),)),
    Case(alert_faults.rides_drift, (Alert("TaxiDriftDetected"),)),
    Case(
        alert_faults.predictors_gone,
        (Alert("TaxiPredictorUnavailable"),),
        kept={Alert("TaxiTargetAbsent", job="taxi-predictor"): "TaxiPredictorUnavailable"},
    ),
    Case(
        alert_faults.champion_gone,
        (
            Alert("TaxiChampionUnavailable", policy="rescue"),
            Alert("TaxiFallbackServing"),
        ),
        seconds=300,
    ),
    Case(
        alert_faults.mongodb_away,
        (
            Alert("TaxiMongodbDown"),
            Alert("TaxiPredictorSpoolFull"),
            Alert("TaxiPredictorErrors", job="taxi-predictor"),
        ),
        kept={
            Alert("TaxiPredictorSpoolOld"): "TaxiMongodbDown",
            Alert("TaxiPredictorSpoolFilling"): "TaxiMongodbDown",
        },
        seconds=300,
        over_at_once=False,
    ),
    Case(alert_faults.operator_gone, (Alert("TaxiTargetAbsent", job="taxi-operator"),)),
    Case(alert_faults.signal_without_data, (Alert("TaxiPolicyBlind", policy="wrong"),)),
    Case(
        alert_faults.monitor_hung,
        (Alert("TaxiTargetDown", job="taxi-monitor"),),
        kept={Alert("TaxiPolicyBlind", policy="watching"): "TaxiTargetDown"},
    ),
    # It is about the last hour.
    Case(
        alert_faults.train_job_fails,
        (Alert("TaxiRunFailed", policy="failing"),),
        seconds=240,
        over_at_once=False,
        over=False,
    ),
    Case(alert_faults.rows_stopped, (Alert("TaxiRowsStopped"),), seconds=1200),
)


@pytest.fixture(scope="module")
def own_values() -> dict[str, Any]:
    """Give alerts short times, and the predictor a spool that is full soon."""
    return {
        "predictor": {"replicas": 1, "workers": 1, "spool": {"maxBytes": 1 << 19}},
        # No verdict by evidence within the run: it would say more than the windows do.
        "monitor": {"settleSeconds": 300, "evaluationSeconds": 2},
        "metrics": {"serviceMonitor": {"interval": "5s"}, "prometheusRule": {"alerts": ALERTS}},
    }


class Watched:
    """The alerts of one fault, from its begin to their end."""

    def __init__(self, heard: Alerting, case: Case) -> None:
        self.case = case
        self.ended = 0.0
        self._heard = heard
        self._began = 0.0
        self._kept: dict[str, str] = {}

    def run(self, release: Release) -> None:
        """Let the fault happen until all is told that should be, and mend it."""
        with self.case.fault(release) as began:
            self._began = began
            for alert in self.case.told:
                wait_for(
                    f"{alert} at its receiver",
                    lambda a=alert: self._first(a, "firing", self._heard.told()),
                    seconds=self.case.seconds,
                )
            for alert, by in self.case.kept.items():
                wait_for(
                    f"{alert} inhibited by {by}",
                    lambda a=alert, by=by: by in self._heard.inhibitors(a.labels),
                    seconds=self.case.seconds,
                )
                self._kept[str(alert)] = by
            self.ended = time.time()

    def wait_until_over(self) -> None:
        """Wait until receivers know that the alerts are over."""
        for alert in self.case.told:
            wait_for(
                f"the end of {alert}",
                lambda a=alert: self._first(a, "resolved", self._heard.told()),
                seconds=_OVER_SECONDS,
            )

    def figures(self, told: list[Told]) -> dict[str, Any]:
        """Return what was measured, by all that was told."""
        return {
            "alerts": {str(one): self._times(one, told) for one in self.case.told},
            "inhibited_by": self._kept,
            "told_although_inhibited": [
                str(alert) for alert in self.case.kept
                if any(one.is_of(alert.labels) for one in self._begun(told))
            ],
            "told_beside": sorted(
                {one.labels["alertname"] for one in self._begun(told)}
                - {one.name for one in self.case.told}
            ),
        }  # fmt: skip

    def _times(self, alert: Alert, told: list[Told]) -> dict[str, Any]:
        """Return seconds since the fault began, and since it ended."""
        firing = self._first(alert, "firing", told)
        assert firing is not None
        over = self._first(alert, "resolved", told) if self.case.over else None
        return {
            "severity": firing.labels["severity"],
            "receiver": firing.receiver,
            "firing_seconds": round(firing.began - self._began, 1),
            "told_seconds": round(firing.at - self._began, 1),
            "over_seconds": None if over is None else round(over.ended - self.ended, 1),
            "over_told_seconds": None if over is None else round(over.at - self.ended, 1),
        }

    def _first(self, alert: Alert, status: str, told: list[Told]) -> Told | None:
        """Return the first notification of that kind since the fault began, or ended."""
        since = self._began if status == "firing" else self.ended
        return next(
            (
                one for one in told
                if one.is_of(alert.labels) and one.status == status and one.at >= since
                and one.began >= self._began
            ),
            None,
        )  # fmt: skip

    def _begun(self, told: list[Told]) -> Iterator[Told]:
        """Yield the alerts that began while the fault went on, and were told as firing.

        That one is over may be told with the end of the one that inhibited it.
        """
        return (
            one for one in told
            if one.status == "firing" and self._began <= one.began <= self.ended
        )  # fmt: skip


def test_soak_alerts(breakable: Release, prometheus: Prometheus) -> None:
    jobs = {f"taxi-{part}" for part in ("predictor", "fallback", "monitor", "operator")}
    up = f'up{{namespace="{breakable.kubectl.namespace}"}} == 1'
    with alerting(breakable) as heard:
        # Until Prometheus has found the pods, targets are missing.
        wait_for(
            "all targets", lambda: {one["job"] for one, _ in prometheus.query(up)} >= jobs,
            seconds=300,
        )  # fmt: skip
        time.sleep(QUIET_SECONDS)
        # A release of this name that ended within the hour is told of still.
        wait_for("quiet", lambda: not heard.known(), seconds=3600)
        quiet_until = time.monotonic() + QUIET_SECONDS
        while time.monotonic() < quiet_until:
            (known,) = wait_for("Alertmanager's answer", lambda: (heard.known(),))
            assert known == [], "alerts of a new release without traffic"
            time.sleep(2)

        watched = []
        for case in CASES:
            watched.append(one := Watched(heard, case))
            one.run(breakable)
            print(case.fault.__name__, time.strftime("%T"), flush=True)
            if case.over_at_once:
                one.wait_until_over()
        for one in watched:
            if one.case.over:
                one.wait_until_over()

        told = wait_for("what receivers were told", heard.told)
        served = {
            url: wait_for(url, lambda url=url: heard.status_of(url))
            for url in {one.runbook_url for one in told}
        }

    faults = {one.case.fault.__name__: one.figures(told) for one in watched}
    together = max(one.together for one in told)
    write(
        {
            "quiet_seconds": QUIET_SECONDS, "faults": faults, "notified_alerts": len(told),
            "most_in_one_notification": together, "runbooks_served": len(served),
        }
    )  # fmt: skip
    assert set(served.values()) == {200}
    assert {one.labels["namespace"] for one in told} == {breakable.kubectl.namespace}
    assert {one.labels["release"] for one in told} == {breakable.name}
    assert {one.group for one in told} == {("release", "severity")}
    assert all((one.receiver == ON_CALL) == (one.labels["severity"] == "critical") for one in told)
    assert together > 1, "nothing was grouped"
    for name, figures in faults.items():
        assert figures["told_although_inhibited"] == [], name


def write(figures: dict[str, Any]) -> None:
    """Save what was measured."""
    versions = {
        "python": platform.python_version(),
        "alertmanager": VERSION,
        "kopf": importlib.metadata.version("kopf"),
    }
    document = {"figures": figures, "command": "make soak-alerts", "versions": versions}
    RESULT.write_text(json.dumps(document, indent=1) + "\n")
