"""Conditions: observations for people and tools, derived from the status. Pure."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from taxi_operator.core.decisions import QUEUED, Traffic
from taxi_operator.core.signals import Reading, SignalState
from taxi_operator.memory.requests import REFUSED
from taxi_operator.memory.status import Status
from taxi_operator.times import text_of

Document = dict[str, Any]

READY: Final = "Ready"
METRICS: Final = "MetricsAvailable"
DRIFT: Final = "DriftDetected"
RETRAIN: Final = "RetrainInProgress"
FALLBACK: Final = "FallbackActive"
BUDGET: Final = "BudgetExhausted"
ALL: Final = (READY, METRICS, DRIFT, RETRAIN, FALLBACK, BUDGET)


@dataclass(frozen=True, slots=True)
class Finding:
    """One condition as it is now."""

    kind: str
    status: str
    reason: str
    message: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a reconcile found out beside the status.

    Attributes:
        readings: Of the signals; empty when nothing was read.
        problem: What keeps the policy from being served, None when nothing does.
        unreachable: Why Prometheus did not answer, empty when it did.
        holds: Why decisions are held back, one reason for each rule that is.
        unavailable: Since when the champion is unavailable, None when it is not.
        unready: The Deployment that the Service should select and does not: no pod of it is ready.
    """

    readings: Sequence[Reading] = ()
    problem: Finding | None = None
    unreachable: str = ""
    holds: Sequence[str] = ()
    unready: Traffic | None = None
    unavailable: float | None = None


def unknown() -> list[Finding]:
    """Return the conditions of a policy that was never evaluated."""
    return [Finding(kind, "Unknown", "NotReadYet") for kind in ALL]


def findings(status: Status, outcome: Outcome) -> list[Finding]:
    """Return all conditions after a reconcile."""
    return [
        outcome.problem or _accepted(status),
        _metrics(outcome),
        _drift(outcome.readings),
        _retrain(status, outcome),
        _fallback(status, outcome),
        _budget(status),
    ]


def rebuilt(status: Status) -> str:
    """Return what could not be read of a status, and what became of it."""
    problems = "; ".join(status.unreadable.values())
    return f"status.{problems}; rebuilt from the Jobs, the Service and the registry"


def _accepted(status: Status) -> Finding:
    if status.unreadable:
        return Finding(READY, "True", "StatusRebuilt", rebuilt(status))
    return Finding(READY, "True", "PolicyAccepted", (status.requests or {}).get(REFUSED, ""))


def merged(
    old: Sequence[Mapping[str, Any]], new: Sequence[Finding], generation: int, now: float
) -> list[Document]:
    """Return the conditions to write; the time of transition stays where the status does."""
    before = {one["type"]: one for one in old}
    found = []
    for one in new:
        previous = before.get(one.kind)
        same = previous is not None and previous["status"] == one.status
        found.append(
            {
                "type": one.kind,
                "status": one.status,
                "reason": one.reason,
                "message": one.message,
                "observedGeneration": generation,
                "lastTransitionTime": previous["lastTransitionTime"]
                if same and previous is not None
                else text_of(now),
            }
        )
    return found


def transitions(old: Sequence[Mapping[str, Any]], new: Sequence[Finding]) -> list[Finding]:
    """Return the conditions that people are told of: what turned bad, and what is good again.

    The run and the traffic tell their own steps.
    """
    before = {one["type"]: one["status"] for one in old}
    told = []
    for one in new:
        was = before.get(one.kind, "Unknown")
        if one.kind not in _TOLD or one.status in {was, "Unknown"}:
            continue
        if is_bad(one) or was != "Unknown":
            told.append(one)
    return told


def is_bad(finding: Finding) -> bool:
    """Tell whether somebody should look at it."""
    return finding.status == ("False" if finding.kind in {READY, METRICS} else "True")


_TOLD: Final = {READY, METRICS, DRIFT, BUDGET}


def _metrics(outcome: Outcome) -> Finding:
    readings = outcome.readings
    if outcome.unreachable:
        return Finding(METRICS, "False", "PrometheusUnreachable", outcome.unreachable)
    if not readings:
        return Finding(METRICS, "Unknown", "NotReadYet")
    missing = [
        one for one in readings if one.value is None and one.state is not SignalState.UNKNOWN
    ]
    if missing:
        text = "; ".join(f"{one.name}: {one.reason}" for one in missing)
        failures = {one.failure for one in missing} - {""}
        return Finding(METRICS, "False", min(failures, key=_FAILURES.index, default="NoData"), text)
    if any(one.state is SignalState.UNKNOWN for one in readings):
        return Finding(METRICS, "Unknown", "Settling", "a new model was just promoted")
    return Finding(METRICS, "True", "AllSignalsFresh")


#: Why nothing was learned of a signal, worst first.
_FAILURES: Final = (
    "InvalidSpec", "PrometheusUnreachable", "InvalidQuery", "AmbiguousQuery", "QueryFailed",
)  # fmt: skip


def _drift(readings: Sequence[Reading]) -> Finding:
    if not readings:
        return Finding(DRIFT, "Unknown", "NotReadYet")
    breached = [one for one in readings if one.breached]
    if breached:
        text = "; ".join(f"{one.name}: {one.reason}" for one in breached)
        return Finding(DRIFT, "True", "SignalBreached", text)
    silent = [one for one in readings if one.state in _SILENT]
    if silent:
        # One healthy signal says nothing of the others.
        text = "; ".join(f"{one.name}: {one.reason}" for one in silent)
        return Finding(DRIFT, "Unknown", str(silent[0].state), text)
    return Finding(DRIFT, "False", "SignalsHealthy")


_SILENT: Final = {SignalState.NO_DATA, SignalState.UNKNOWN, SignalState.INSUFFICIENT}


def _retrain(status: Status, outcome: Outcome) -> Finding:
    if status.run is not None and status.run.is_open:
        return Finding(RETRAIN, "True", str(status.run.state), status.run.message)
    if "Suspended" in outcome.holds:
        return Finding(RETRAIN, "False", "Suspended", "spec.mode is Suspend: nothing is decided")
    held = _first(outcome.holds, _HOLDS_A_RUN)
    if held:
        return Finding(RETRAIN, "False", held, "a rule is breached, but no run may start")
    if status.run is None:
        return Finding(RETRAIN, "False", "NoRun")
    return Finding(RETRAIN, "False", str(status.run.state), status.run.message)


def _first(holds: Sequence[str], known: Collection[str]) -> str:
    """Return the first reason that a condition is for, empty without one."""
    return next((one for one in holds if one in known), "")


def _budget(status: Status) -> Finding:
    """Tell whether a run is left, whatever is breached now: it must not flip with the signals."""
    budget = status.budget or {}
    used, most = budget.get("runsInWindow"), budget.get("maxRuns")
    if used is None or most is None or used < most:
        return Finding(BUDGET, "False", "WithinBudget")
    return Finding(BUDGET, "True", "BudgetExhausted", "no run is left in the window")


_HOLDS_A_RUN: Final = {
    "Cooldown",
    "BudgetExhausted",
    "CronJobMissing",
    "JobsUnknown",
    "ChampionMissing",
    "JobUnfinished",
    QUEUED,
}


def _fallback(status: Status, outcome: Outcome) -> Finding:
    if outcome.unready is status.traffic:
        # The rows are still with the other one.
        active = "True" if status.traffic is Traffic.CHAMPION else "False"
        text = f"the traffic goes to the {status.traffic} when a pod of it is ready"
        return Finding(FALLBACK, active, f"{status.traffic}NotReady", text)
    held = _first(outcome.holds, _HOLDS_TRAFFIC)
    if outcome.unavailable is not None and held in {"", "ChampionNotReady"}:
        active = "True" if status.traffic is Traffic.FALLBACK else "False"
        text = f"the champion has had no ready pod since {text_of(outcome.unavailable)}"
        return Finding(FALLBACK, active, "ChampionUnavailable", text)
    if status.traffic is Traffic.FALLBACK:
        reason = "SwitchingToFallback" if status.is_swapping else held or "FallbackServing"
        return Finding(FALLBACK, "True", reason)
    reason = "SwitchingToChampion" if status.is_swapping else held or "ChampionServing"
    return Finding(FALLBACK, "False", reason)


_HOLDS_TRAFFIC: Final = {
    "FallbackNotReady", "ChampionNotReady", "ChampionSettling", "FallbackStays", "ManualRestore",
    "MinDwell", "Forced",
}  # fmt: skip


def was_held(status: Status) -> bool:
    """Tell whether the last reconcile said already that the traffic cannot leave the champion."""
    return any(
        one["type"] == FALLBACK and one["reason"] in {"ChampionUnavailable", "FallbackNotReady"}
        for one in status.conditions
    )
