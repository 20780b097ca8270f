"""The observation of a promoted candidate: one comparison, when its time is over. Pure.

Each look has a Job of its own. Only one that came to no comparison, for want of labels or since its
Job failed, is followed by another: to compare again and again would find a difference by chance.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from taxi_domain.errors import TaxiError
from taxi_domain.figures import figure
from taxi_domain.models import ModelState
from taxi_domain.runs import RunResult
from taxi_operator.core import jobs
from taxi_operator.core.jobs import JobOutcome, JobState, PolicyKey
from taxi_operator.core.observation_jobs import Look, observation_job, observation_job_name
from taxi_operator.memory.fields import CLOCK_SKEW_SECONDS
from taxi_operator.memory.looks import Looks
from taxi_operator.memory.run import Run, RunState
from taxi_operator.memory.status import Status
from taxi_operator.plan.effects import CreateJob, SetState
from taxi_operator.plan.plan import Note, Plan, ended, unobserved
from taxi_operator.plan.promotion import blocked_by
from taxi_operator.plan.rollback import rolled_back
from taxi_operator.plan.seen import Done, SeenRun
from taxi_operator.spec.policy import Observation, Policy
from taxi_store.registry.runs import RunEntry

#: After so many looks without a comparison the promotion stands.
MAX_LOOKS: Final = 5
#: No look begins later after the promotion, seconds.
MAX_OBSERVATION: Final = 7 * 86_400.0
#: A Job that can be neither made nor ended is waited for no longer than that after it, seconds.
_MARGIN: Final = 86_400.0


@dataclass(frozen=True, slots=True)
class _Observed:
    """An observation with all that its next step follows from."""

    policy: Policy
    key: PolicyKey
    status: Status
    run: Run
    settings: Observation
    looks: Looks
    seen: SeenRun
    done: Done


def next_look(policy: Policy, key: PolicyKey, status: Status, seen: SeenRun, done: Done) -> Plan:
    """Return the next step of a run whose promotion is observed."""
    run = status.run
    assert run is not None
    assert run.observation is not None
    assert run.looks is not None
    one = _Observed(policy, key, status, run, run.observation, run.looks, seen, done)
    actual = seen.alias.version if seen.alias else None
    if actual != run.candidate:
        return _taken_back(status, run, actual, seen.now)
    return _begin(one) if run.looks.job_name is None else _follow(one)


def _taken_back(status: Status, run: Run, actual: str | None, now: float) -> Plan:
    """End an observation whose champion a hand moved; whose pods they are is its affair, too.

    A candidate that was taken back is marked: the way back must not lead forward to it again.
    """
    message = f"{run.candidate} was taken back by hand: the champion is {actual} now"
    candidate = {**(status.candidate or {}), "state": "RolledBack", "message": message}
    over = ended(replace(status, candidate=candidate), run, RunState.ROLLED_BACK, message, now)
    if actual != run.champion or run.candidate is None:
        return over
    return replace(over, first=(SetState(run.candidate, ModelState.REJECTED, message),))


def _begin(one: _Observed) -> Plan:
    """Wait until the look is due, then make its Job: the intent is written already."""
    run, looks, seen = one.run, one.looks, one.seen
    if looks.at > seen.now + one.settings.for_seconds + CLOCK_SKEW_SECONDS:
        # The clock was set back since.
        again = replace(looks, at=seen.now + one.settings.for_seconds)
        return Plan(replace(one.status, run=replace(run, looks=again)))
    if seen.now < looks.at:
        return Plan(one.status)
    name = observation_job_name(one.key, run.number, looks.number)
    if one.done.created is not None:
        message = f"Job {name} compares {run.candidate} with {run.champion}"
        begun = replace(run, looks=replace(looks, job_name=name), message=message)
        note = Note("ObservationJobStarted", f"decision {run.number}: {message}")
        return Plan(replace(one.status, run=begun), note=note if one.done.created else None)
    if _is_over(one):
        return unobserved(one.status, run, f"Job {name} could not be made", seen.now)
    if seen.lost:
        return unobserved(one.status, run, seen.lost, seen.now)
    if seen.cron_job is None:
        return _again(one, seen.no_template)
    look = Look(run.number, looks.number, str(run.candidate), str(run.champion), looks.since)
    retrain = one.policy.retrain
    manifest = observation_job(
        seen.cron_job, one.key, look, one.settings, retrain.deadline_seconds if retrain else None
    )
    return Plan(one.status, then=(CreateJob(manifest, one.key),))


def _follow(one: _Observed) -> Plan:
    """Follow the report first: it tells the verdict even when the Job is gone."""
    seen, report = one.seen, one.seen.report
    if seen.unreadable:
        return unobserved(one.status, one.run, seen.unreadable, seen.now)
    follow = None if report is None else _VERDICTS.get(report.result)
    if report is None or follow is None:
        return _without_verdict(one, jobs.outcome_of(seen.job, seen.pods))
    if report.champion != one.run.candidate:
        why = f"the report of Job {one.looks.job_name} is about {report.champion}"
        return unobserved(one.status, one.run, why, seen.now)
    return follow(one, report)


def _without_verdict(one: _Observed, outcome: JobOutcome) -> Plan:
    run, now, name = one.run, one.seen.now, one.looks.job_name
    if outcome.state is JobState.RUNNING:
        if _is_over(one):
            return unobserved(one.status, run, f"Job {name} has not ended", now)
        return _waiting(one, outcome)
    if outcome.state is JobState.SUCCEEDED:
        outcome = replace(outcome, reason="NoReport", message="it ended without a verdict")
    why = f"Job {name}: {outcome.reason} {outcome.message}".strip()
    return unobserved(one.status, run, why, now) if outcome.retry_is_useless else _again(one, why)


def _waiting(one: _Observed, outcome: JobOutcome) -> Plan:
    """Name what keeps a Job from running, once for each reason."""
    if outcome.reason == "JobRunning" or one.run.message.startswith(outcome.reason):
        return Plan(one.status)
    message = f"{outcome.reason}: {outcome.message}"
    note = Note("ObservationBlocked", f"decision {one.run.number}: {message}", warning=True)
    return Plan(replace(one.status, run=replace(one.run, message=message)), note=note)


def _again(one: _Observed, why: str) -> Plan:
    """Let another look follow one that compared nothing, unless there were enough."""
    run, looks, at = one.run, one.looks, one.seen.now + one.settings.for_seconds
    if looks.number >= MAX_LOOKS or at > looks.since + MAX_OBSERVATION:
        times = "once" if looks.number == 1 else f"{looks.number} times"
        return unobserved(one.status, run, f"{why}; it was looked at {times}", one.seen.now)
    message = f"{why}; again in {one.settings.for_seconds} s"
    again = replace(run, looks=looks.next(at), message=message)
    note = Note("ObservationInconclusive", f"decision {run.number}: {message}")
    return Plan(replace(one.status, run=again), note=note)


def _worse(one: _Observed, report: RunEntry) -> Plan:
    """Go back to the champion before."""
    run, seen = one.run, one.seen
    age = seen.now - (report.finished_at or report.started_at).timestamp()
    if age > (run.gate or one.policy.gate).max_verdict_age:
        why = f"the verdict on it is {age / 3600:.0f} h old ({report.message})"
        return unobserved(one.status, run, why, seen.now)
    if seen.lost:
        return unobserved(one.status, run, f"{seen.lost} ({report.message})", seen.now)
    blocked = blocked_by(one.policy, one.key, seen.deployment, seen.promotion)
    if blocked:
        return Plan(one.status, problem=TaxiError(blocked))
    assert seen.alias is not None
    status = replace(one.status, candidate=_with_figures(one.status, report, "RollingBack"))
    back = replace(
        run, state=RunState.ROLLING_BACK, promoting_since=seen.now,
        alias_revision=seen.alias.revision, message=report.message,
    )  # fmt: skip
    note = Note("ChampionWorse", f"decision {run.number}: {report.message}", warning=True)
    step = rolled_back(one.policy, one.key, status, back)
    return replace(step, note=note)


def _not_worse(one: _Observed, report: RunEntry) -> Plan:
    """Let the promotion stand: nothing was shown against it."""
    status = replace(one.status, candidate=_with_figures(one.status, report, "Promoted"))
    return ended(status, one.run, RunState.PROMOTED, report.message, one.seen.now)


def _too_few(one: _Observed, report: RunEntry) -> Plan:
    return _again(one, f"{report.result}: {report.message}")


def _unusable(one: _Observed, report: RunEntry) -> Plan:
    return unobserved(one.status, one.run, report.message, one.seen.now)


_VERDICTS: Final[Mapping[RunResult, Callable[[_Observed, RunEntry], Plan]]] = {
    RunResult.WORSE: _worse,
    RunResult.NOT_WORSE: _not_worse,
    RunResult.TOO_FEW_LABELS: _too_few,
    RunResult.DATA_QUALITY_FAILED: _unusable,
}


def _is_over(one: _Observed) -> bool:
    """Tell whether an observation has lasted longer than any may."""
    return one.seen.now > one.looks.since + MAX_OBSERVATION + _MARGIN


#: Figures of a comparison: all of them, or none is shown.
_FIGURES: Final = {"champion_rmse", "before_rmse", "evaluated_rows"}


def _with_figures(status: Status, report: RunEntry, state: str) -> Mapping[str, Any]:
    """Return what is shown of the candidate once it was observed."""
    shown, numbers = {**(status.candidate or {}), "state": state}, report.numbers
    if numbers.keys() >= _FIGURES and numbers["before_rmse"] > 0:
        shown |= {
            "realisedRmse": figure(numbers["champion_rmse"]),
            "beforeRmse": figure(numbers["before_rmse"]),
            "observedGain": f"{1 - numbers['champion_rmse'] / numbers['before_rmse']:.4f}",
            "observedRows": int(numbers["evaluated_rows"]),
        }
    return shown
