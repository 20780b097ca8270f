"""The newest retrain run, as a status remembers it. Pure."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from taxi_operator.memory.fields import Fields
from taxi_operator.memory.looks import Looks, observation_document, observation_of
from taxi_operator.spec.policy import Gate, Observation, Policy
from taxi_operator.times import text_of

Document = dict[str, Any]

#: A backoff ends in the future; no policy may let it last longer, seconds.
_MAX_BACKOFF: Final = 7 * 86_400.0
#: Longest age of a verdict in runs of a release that did not ask, seconds.
_DAY: Final = 86_400.0


class RunState(StrEnum):
    """Where a run is."""

    STARTING = "Starting"
    RUNNING = "Running"
    BACKOFF = "Backoff"
    AWAITING_APPROVAL = "AwaitingApproval"
    FROZEN = "Frozen"
    PROMOTING = "Promoting"
    OBSERVING = "Observing"
    ROLLING_BACK = "RollingBack"
    PROMOTED = "Promoted"
    ABANDONED = "Abandoned"
    REFUSED = "Refused"
    FAILED = "Failed"
    ROLLED_BACK = "RolledBack"


#: The candidate is better, and something has to come before its promotion.
HELD: Final = frozenset({RunState.AWAITING_APPROVAL, RunState.FROZEN})
#: Alias and pods are on their way, and do not agree.
_MOVING: Final = frozenset({RunState.PROMOTING, RunState.ROLLING_BACK})
_OPEN: Final = HELD | _MOVING | {
    RunState.STARTING, RunState.RUNNING, RunState.BACKOFF, RunState.OBSERVING
}  # fmt: skip
#: How a run can end.
ENDED: Final = frozenset(RunState) - _OPEN


@dataclass(frozen=True, slots=True)
class Run:
    """The newest retrain run, or the rollback that was requested after it.

    Attributes:
        number: Decision that it belongs to.
        attempt: Attempt, from 1.
        state: Where it is.
        job_name: Job of the attempt; empty for a rollback that was requested.
        started_at: Time of the decision.
        next_attempt_at: When a backoff ends.
        candidate: Version that is promoted; of a rollback the one that is left.
        champion: Version that the alias is expected to point at before; a rollback leads to it.
        model: Model that it was begun for.
        deployment: Deployment whose pods a promotion rolls.
        promoting_since: When its promotion, or its rollback, began.
        cron_job: CronJob that its Jobs are made from; an edit of the policy is for the next run.
        gate: What its candidate has to show; None when that is not known.
        observation: How its promotion is observed, None when it is not.
        looks: How far that is.
        by_request: It is a rollback that was requested, and no retrain run.
        alias_revision: Revision of the alias when a rollback began.
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
    model: str | None = None
    deployment: str | None = None
    promoting_since: float | None = None
    cron_job: str | None = None
    gate: Gate | None = None
    observation: Observation | None = None
    looks: Looks | None = None
    by_request: bool = False
    alias_revision: int | None = None
    ended_at: float | None = None
    message: str = ""

    @property
    def is_open(self) -> bool:
        """Whether it still goes on."""
        return self.state in _OPEN

    @property
    def is_moving(self) -> bool:
        """Whether alias and pods are on their way: that is carried to its end in every mode."""
        return self.state in _MOVING

    def observation_by(self, policy: Policy) -> Observation | None:
        """Return how its promotion is observed: as the policy asked when it began.

        Of a run that is known from a Job of an older release alone nothing of that is known.
        """
        return policy.observation if self.gate is None else self.observation


def run_of(found: Fields) -> Run | None:
    """Read what was written; None when it is not complete."""
    if not found.found:
        return None
    number, attempt = found.integer("number"), found.integer("attempt")
    state, job_name = found.word("state", RunState), found.text("jobName") or ""
    started_at, by_request = found.time("startedAt"), found.found.get("byRequest") is True
    is_named = bool(job_name) or by_request
    if number is None or attempt is None or state is None or not is_named or started_at is None:
        found.note("", "is not complete")
        return None
    observation, looks = observation_of(found.part("observation"))
    run = Run(
        number=number, attempt=max(attempt, 1), state=state, job_name=job_name,
        started_at=started_at,
        next_attempt_at=found.time("nextAttemptAt", ahead=_MAX_BACKOFF),
        candidate=found.text("candidate"), champion=found.text("champion"),
        model=found.text("modelName"), deployment=found.text("deploymentName"),
        promoting_since=found.time("promotingSince"),
        cron_job=found.text("cronJobName"), gate=_gate(found.part("gate")),
        observation=observation, looks=looks, by_request=by_request,
        alias_revision=found.integer("aliasRevision"),
        ended_at=found.time("endedAt"), message=found.text("message") or "",
    )  # fmt: skip
    if (run.is_moving or state is RunState.OBSERVING) and not (run.candidate and run.champion):
        found.note("", "promotes, and names no candidate or no champion")
        return None
    if state is RunState.OBSERVING and (observation is None or looks is None):
        found.note("", "observes, and does not say how, or since when")
        return None
    return run


def _gate(found: Fields) -> Gate | None:
    rows, gain = found.integer("minLabelledRows"), found.text("minRelativeGain")
    confidence = found.text("confidence")
    if rows is None or gain is None or confidence is None:
        return None
    asks, age = found.text("approval") == "Required", found.integer("maxVerdictAgeSeconds")
    return Gate(rows, gain, confidence, asks, _DAY if age is None else float(age))


def _gate_document(gate: Gate | None) -> Document | None:
    if gate is None:
        return None
    return {
        "minLabelledRows": gate.min_labelled_rows, "minRelativeGain": gate.min_relative_gain,
        "confidence": gate.confidence,
        "approval": "Required" if gate.asks_for_approval else "None",
        "maxVerdictAgeSeconds": int(gate.max_verdict_age),
    }  # fmt: skip


def run_document(run: Run | None) -> Document | None:
    """Return the form that is written."""
    if run is None:
        return None
    parts = {
        "number": run.number, "attempt": run.attempt, "state": str(run.state),
        "jobName": run.job_name or None, "startedAt": text_of(run.started_at),
        "nextAttemptAt": text_of(run.next_attempt_at), "candidate": run.candidate,
        "champion": run.champion, "modelName": run.model, "deploymentName": run.deployment,
        "promotingSince": text_of(run.promoting_since), "cronJobName": run.cron_job,
        "gate": _gate_document(run.gate),
        "observation": observation_document(run.observation, run.looks),
        "byRequest": run.by_request or None, "aliasRevision": run.alias_revision,
        "endedAt": text_of(run.ended_at),
        "message": run.message or None,
    }  # fmt: skip
    return {name: value for name, value in parts.items() if value is not None}
