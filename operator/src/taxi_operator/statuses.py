"""A policy's status: what the operator has to remember, and what people want to see."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Final

from taxi_operator.decisions import Action, Traffic
from taxi_operator.signals import Reading, SignalState
from taxi_operator.times import seconds_since_epoch, text_of

Document = dict[str, Any]

_MOST_HISTORY: Final = 20


class RunState(StrEnum):
    """Where a retrain run is; the first four are open."""

    STARTING = "Starting"
    RUNNING = "Running"
    BACKOFF = "Backoff"
    PROMOTING = "Promoting"
    PROMOTED = "Promoted"
    REFUSED = "Refused"
    FAILED = "Failed"


_OPEN: Final = {RunState.STARTING, RunState.RUNNING, RunState.BACKOFF, RunState.PROMOTING}


@dataclass(frozen=True, slots=True)
class Run:
    """The newest retrain run.

    Attributes:
        number: Decision that it belongs to.
        attempt: Attempt, from 1.
        state: Where it is.
        job_name: Job of the attempt.
        started_at: Time of the decision.
        next_attempt_at: When a backoff ends.
        candidate: Version that is being promoted.
        champion: Version that the alias is expected to point at.
        ended_at: End, for a run that is over.
        message: For people.
    """

    number: int
    attempt: int
    state: RunState
    job_name: str
    started_at: float
    next_attempt_at: float | None = None
    candidate: str | None = None
    champion: str | None = None
    ended_at: float | None = None
    message: str = ""

    @property
    def is_open(self) -> bool:
        """Whether it still goes on."""
        return self.state in _OPEN


@dataclass(frozen=True, slots=True)
class Status:
    """Everything that survives a restart of the operator."""

    number: int = 0
    decision: Mapping[str, Any] | None = None
    run: Run | None = None
    candidate: Mapping[str, Any] | None = None
    traffic: Traffic = Traffic.CHAMPION
    #: False until somebody looked at the Service: the status is new, or was lost.
    traffic_known: bool = False
    traffic_since: float | None = None
    last_swap_seconds: float | None = None
    reset_at: float | None = None
    breached: Mapping[str, bool] = field(default_factory=dict)
    signals: Sequence[Mapping[str, Any]] = ()
    conditions: Sequence[Mapping[str, Any]] = ()
    history: tuple[Mapping[str, Any], ...] = ()
    budget: Mapping[str, Any] | None = None

    @property
    def is_swapping(self) -> bool:
        """Whether a swap of the traffic was decided and has not been seen to end."""
        return self.traffic_since is not None and self.last_swap_seconds is None

    def decided(self, number: int, action: Action, because: Sequence[str], now: float) -> "Status":
        """Return the status with a decision written down."""
        decision = {
            "id": f"{number:04d}", "number": number, "action": str(action),
            "because": list(because), "at": text_of(now),
        }  # fmt: skip
        return replace(
            self, number=number, decision=decision,
            history=(decision, *self.history)[:_MOST_HISTORY],
        )  # fmt: skip

    def forgotten(self) -> "Status":
        """Return the status with all signals unknown: they spoke of another model."""
        unknown = [
            {"name": one["name"], "state": str(SignalState.UNKNOWN), "breached": False}
            for one in self.signals
        ]
        return replace(self, signals=unknown, breached=dict.fromkeys(self.breached, False))

    def read(self, readings: Sequence[Reading]) -> "Status":
        """Return the status with the signals of a tick."""
        shown = [
            {
                "name": one.name, "state": str(one.state),
                "breached": one.breached, "message": one.reason,
                **({} if one.value is None else {"value": f"{one.value:.6g}"}),
                **({} if one.samples is None else {"samples": int(one.samples)}),
                **({"explanation": one.explanation} if one.explanation else {}),
            }
            for one in readings
        ]  # fmt: skip
        return replace(self, breached={one.name: one.breached for one in readings}, signals=shown)


def status_of(document: Mapping[str, Any] | None) -> Status:
    """Read a status; what is not there is at its beginning."""
    found = document or {}
    traffic = found.get("traffic") or {}
    decision = found.get("decision")
    return Status(
        number=int((decision or {}).get("number", 0)),
        decision=decision,
        run=_run(found.get("run")),
        candidate=found.get("candidate"),
        traffic=Traffic(traffic.get("active", Traffic.CHAMPION)),
        traffic_known="active" in traffic,
        traffic_since=seconds_since_epoch(traffic.get("since")),
        last_swap_seconds=(
            float(traffic["lastSwapSeconds"]) if traffic.get("lastSwapSeconds") else None
        ),
        reset_at=seconds_since_epoch(found.get("signalsResetAt")),
        breached={one["name"]: bool(one.get("breached")) for one in found.get("signals") or []},
        signals=found.get("signals") or (),
        conditions=found.get("conditions") or (),
        history=tuple(found.get("history") or ()),
        budget=found.get("budget"),
    )


def document_of(status: Status, generation: int) -> Document:
    """Return the form that is written; empty parts are left out."""
    traffic = {
        "active": str(status.traffic) if status.traffic_known else None,
        "since": text_of(status.traffic_since),
        "lastSwapSeconds": (
            None if status.last_swap_seconds is None else f"{status.last_swap_seconds:.2f}"
        ),
    }
    parts: Document = {
        "observedGeneration": generation,
        "conditions": list(status.conditions),
        "signals": list(status.signals),
        "decision": status.decision,
        "run": _run_document(status.run),
        "candidate": status.candidate,
        "traffic": {name: value for name, value in traffic.items() if value is not None},
        "budget": status.budget,
        "signalsResetAt": text_of(status.reset_at),
        "history": list(status.history),
    }
    return {name: value for name, value in parts.items() if value not in (None, [], {})}


def _run(found: Mapping[str, Any] | None) -> Run | None:
    if not found:
        return None
    return Run(
        number=int(found["number"]),
        attempt=int(found["attempt"]),
        state=RunState(found["state"]),
        job_name=found["jobName"],
        started_at=seconds_since_epoch(found["startedAt"]) or 0.0,
        next_attempt_at=seconds_since_epoch(found.get("nextAttemptAt")),
        candidate=found.get("candidate"),
        champion=found.get("champion"),
        ended_at=seconds_since_epoch(found.get("endedAt")),
        message=found.get("message", ""),
    )


def _run_document(run: Run | None) -> Document | None:
    if run is None:
        return None
    parts = {
        "number": run.number, "attempt": run.attempt, "state": str(run.state),
        "jobName": run.job_name, "startedAt": text_of(run.started_at),
        "nextAttemptAt": text_of(run.next_attempt_at), "candidate": run.candidate,
        "champion": run.champion, "endedAt": text_of(run.ended_at), "message": run.message or None,
    }  # fmt: skip
    return {name: value for name, value in parts.items() if value is not None}
