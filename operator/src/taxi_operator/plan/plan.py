"""One step: a new memory, and what is to be done before and after it is written. Pure."""

from dataclasses import dataclass, replace
from typing import Final

from taxi_domain.errors import TaxiError
from taxi_operator.core.decisions import Decision
from taxi_operator.core.jobs import PolicyKey
from taxi_operator.memory.run import Run, RunState
from taxi_operator.memory.status import Status
from taxi_operator.plan.effects import Effect, EndJob
from taxi_operator.spec.orders import ABORT
from taxi_operator.texts import cut


@dataclass(frozen=True, slots=True)
class Note:
    """What people are told of a step."""

    reason: str
    message: str
    warning: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """A step of a policy.

    A crash between any two of its parts is made good by the next reconcile: what has to be done
    is written down before it is begun, and struck off after it is done.

    Attributes:
        memory: What is remembered from now on.
        first: Effects that are carried out before that is written: by then they have to be done.
        then: Effects that are carried out after it: it is the intent of them.
        note: What people are told once it is written.
        problem: What keeps the step from being done, None when nothing does.
        decision: What was decided in this step, None when nothing was.
        asks_for_run: A run is about to start; what it needs to know has to be looked up.
        asks_for_place: This Job is about to be made; whether it may be has to be looked up.
        holds: Why nothing is done although something could be.
    """

    memory: Status
    first: tuple[Effect, ...] = ()
    then: tuple[Effect, ...] = ()
    note: Note | None = None
    problem: TaxiError | None = None
    decision: Decision | None = None
    asks_for_run: bool = False
    asks_for_place: str = ""
    holds: tuple[str, ...] = ()

    def is_rest(self, memory: Status) -> bool:
        """Tell whether nothing is left to do, compared with what was remembered before."""
        effects = self.first or self.then
        return self.memory == memory and not effects and self.problem is None


#: Of a message that history keeps.
_MAX_MESSAGE: Final = 300
_REASONS: Final = {
    RunState.PROMOTED: "CandidatePromoted",
    RunState.REFUSED: "CandidateRefused",
    RunState.FAILED: "RetrainFailed",
    RunState.ABANDONED: "RetrainAbandoned",
    RunState.ROLLED_BACK: "ChampionRolledBack",
}


_BAD: Final = {RunState.FAILED, RunState.ROLLED_BACK}


def ended(status: Status, run: Run, state: RunState, message: str, now: float) -> Plan:
    """Return the last step of a run."""
    over = replace(run, state=state, ended_at=now, next_attempt_at=None, message=message)
    candidate = {} if run.by_request else status.candidate or {}
    status = status.with_outcome(
        run.number, str(state), now, message=cut(message, _MAX_MESSAGE),
        candidate=candidate.get("version") or run.candidate, gain=candidate.get("gain"),
    )  # fmt: skip
    failed_back = state is RunState.FAILED and run.state is RunState.ROLLING_BACK
    note = Note(
        "RollbackFailed" if failed_back else _REASONS[state],
        f"decision {run.number}: {message}", warning=state in _BAD,
    )  # fmt: skip
    return Plan(replace(status, run=over), note=note)


def abandoned(status: Status, why: str, now: float) -> Plan:
    """Return what ends a run whose verdict is not waited for; nothing when there is none.

    A promotion is no such run: it is carried to its end or back. One that is observed stands.
    """
    run = status.run
    if run is None or not run.is_open or run.is_moving:
        return Plan(status)
    if run.state is RunState.OBSERVING:
        return unobserved(status, run, why, now)
    # Nobody knows what the verdict is worth when decisions are made again.
    return ended(status, run, RunState.ABANDONED, f"{why}: the verdict is not waited for", now)


def aborted(key: PolicyKey, status: Status, word: str, now: float) -> Plan:
    """Return what gives the open run up, and ends its Job, since a person asks for it."""
    run = status.run
    taken = status.took(ABORT, word)
    if run is None or not run.is_open:
        return Plan(taken, note=Note("AbortRefused", "no run is open"))
    if run.is_moving:
        text = f"decision {run.number}: {run.candidate} is being promoted; that ends or goes back"
        return Plan(taken, note=Note("AbortRefused", text, warning=True))
    if run.state is RunState.OBSERVING:
        over = unobserved(taken, run, f"aborted by request {word}", now)
        job = run.looks.job_name if run.looks else None
        return replace(over, first=(EndJob(job, key),) if job else ())
    over = ended(taken, run, RunState.ABANDONED, f"aborted by request {word}", now)
    return replace(over, first=(EndJob(run.job_name, key),))


def unobserved(status: Status, run: Run, why: str, now: float) -> Plan:
    """Return what ends an observation without a verdict: the promotion stands, and that is told."""
    candidate = {**(status.candidate or {}), "state": "Promoted"}
    message = f"{run.candidate} stays, and was not observed: {why}"
    over = ended(replace(status, candidate=candidate), run, RunState.PROMOTED, message, now)
    note = Note("PromotionNotObserved", f"decision {run.number}: {message}", warning=True)
    return replace(over, note=note)
