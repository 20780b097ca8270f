"""Conditions: observations for people and tools, derived from the status. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from taxi_operator.decisions import Traffic
from taxi_operator.signals import Reading, SignalState
from taxi_operator.statuses import Status
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


def findings(
    status: Status, readings: Sequence[Reading], *, problem: Finding | None, budget_exhausted: bool
) -> list[Finding]:
    """Return all conditions.

    Args:
        status: After the tick.
        readings: Of the tick; empty when nothing could be read.
        problem: What keeps the policy from being served, None when nothing does.
        budget_exhausted: A retrain run is held back by the budget.
    """
    ready = problem or Finding(READY, "True", "PolicyAccepted")
    return [
        ready,
        _metrics(readings),
        _drift(readings),
        _retrain(status),
        _fallback(status),
        Finding(BUDGET, "True", "BudgetExhausted", "no run is left in the window")
        if budget_exhausted
        else Finding(BUDGET, "False", "WithinBudget"),
    ]


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
    """Return the conditions whose status changed, without the first Unknown."""
    before = {one["type"]: one["status"] for one in old}
    return [one for one in new if before.get(one.kind) not in {None, one.status}]


def _metrics(readings: Sequence[Reading]) -> Finding:
    if not readings:
        return Finding(METRICS, "Unknown", "NotReadYet")
    missing = [one for one in readings if one.state is SignalState.NO_DATA]
    if missing:
        text = "; ".join(f"{one.name}: {one.reason}" for one in missing)
        return Finding(METRICS, "False", "NoData", text)
    return Finding(METRICS, "True", "AllSignalsFresh")


def _drift(readings: Sequence[Reading]) -> Finding:
    if not readings:
        return Finding(DRIFT, "Unknown", "NotReadYet")
    breached = [one for one in readings if one.breached]
    if breached:
        text = "; ".join(f"{one.name}: {one.reason}" for one in breached)
        return Finding(DRIFT, "True", "SignalBreached", text)
    if all(one.state in {SignalState.NO_DATA, SignalState.UNKNOWN} for one in readings):
        return Finding(DRIFT, "Unknown", "NoData")
    return Finding(DRIFT, "False", "SignalsHealthy")


def _retrain(status: Status) -> Finding:
    if status.run is None:
        return Finding(RETRAIN, "False", "NoRun")
    state = str(status.run.state)
    return Finding(RETRAIN, "True" if status.run.is_open else "False", state, status.run.message)


def _fallback(status: Status) -> Finding:
    if status.traffic is Traffic.FALLBACK:
        return Finding(FALLBACK, "True", "FallbackServing")
    return Finding(FALLBACK, "False", "ChampionServing")
