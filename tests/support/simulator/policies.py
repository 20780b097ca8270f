"""Policies of the simulated stories, and what each acts on."""

from dataclasses import dataclass
from typing import Any

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Target:
    """Names of everything that belongs to one policy."""

    policy: str

    @property
    def model(self) -> str:
        return f"{self.policy}-model"

    @property
    def service(self) -> str:
        return f"{self.policy}-active"

    @property
    def champion(self) -> str:
        return f"{self.policy}-champion"

    @property
    def fallback(self) -> str:
        return f"{self.policy}-fallback"

    @property
    def cron_job(self) -> str:
        return f"{self.policy}-train"

    @property
    def drift(self) -> str:
        """Query of the signal that asks for a retrain."""
        return f"{self.policy}_drift"

    @property
    def error(self) -> str:
        """Query of the signal that asks for the fallback."""
        return f"{self.policy}_error"


MAIN = Target("main")
OTHER = Target("other")

#: So much of a spec is in seconds here for the invariants.
MIN_DWELL = 300.0
MAX_RUNS = 3
WINDOW = 86_400.0
MAX_AGE = 30.0


def spec_of(target: Target) -> Document:
    """Return a spec with everything: two signals, retrain, fallback."""
    return {
        "mode": "Enforce",
        "modelName": target.model,
        "target": {"deploymentName": target.champion, "activeServiceName": target.service},
        "prometheus": {"url": "http://prometheus:9090"},
        "evaluation": {"intervalSeconds": 60, "settleSeconds": 30},
        "signals": [_signal("drift", target.drift), _signal("error", target.error)],
        "rules": {
            "retrain": {"anyOf": [{"allOf": ["drift"]}]},
            "fallback": {"anyOf": [{"allOf": ["error"]}]},
        },
        "retrain": retrain_of(target),
        "gate": {"champion": {"minLabelledRows": 1000}},
        "fallback": fallback_of(target),
    }


def retrain_of(target: Target) -> Document:
    return {
        "jobFrom": {"cronJobName": target.cron_job},
        "activeDeadlineSeconds": 600,
        "attempts": {"max": 2, "initialBackoff": "1m", "factor": 2, "maxBackoff": "5m"},
        "pauseAfter": {"success": "10m", "failure": "2m"},
        "maxPerDay": MAX_RUNS,
    }


#: How promotions are observed, where they are.
OBSERVATION: Document = {"for": "3m", "minLabelledRows": 500, "confidence": "0.95"}


def fallback_of(target: Target) -> Document:
    return {"deploymentName": target.fallback, "minReady": 1, "minDwell": "5m"}


def _signal(name: str, promql: str) -> Document:
    return {
        "name": name, "promql": promql, "maxAgeSeconds": int(MAX_AGE),
        "enter": {"op": "Greater", "value": "1", "for": "2m"},
        "exit": {"op": "Less", "value": "0.8", "for": "3m"},
    }  # fmt: skip
