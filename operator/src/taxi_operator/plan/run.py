"""The next step of an open run, by the phase that it is in. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from taxi_domain.runs import RunResult
from taxi_operator.core import jobs
from taxi_operator.core.decisions import backoff_seconds
from taxi_operator.core.jobs import JobOutcome, JobState, PolicyKey
from taxi_operator.core.run_terms import Terms
from taxi_operator.memory.fields import CLOCK_SKEW_SECONDS
from taxi_operator.memory.run import Run, RunState
from taxi_operator.memory.status import Status
from taxi_operator.plan.candidate import candidate_of
from taxi_operator.plan.effects import CreateJob
from taxi_operator.plan.plan import Note, Plan, ended
from taxi_operator.plan.promotion import begun
from taxi_operator.plan.seen import NOTHING_DONE, Done, SeenRun
from taxi_operator.spec.policy import Policy, Retrain

_REFUSED: Final = {
    RunResult.NOT_BETTER, RunResult.WORSE_IN_SLICE, RunResult.SCHEMA_CHANGED,
    RunResult.TOO_FEW_LABELS,
}  # fmt: skip
_RUNNING: Final = "JobRunning"


@dataclass(frozen=True, slots=True)
class OpenRun:
    """An open run that is no promotion yet, and what was seen of it."""

    policy: Policy
    retrain: Retrain
    key: PolicyKey
    status: Status
    run: Run
    seen: SeenRun
    done: Done


def next_step(
    policy: Policy, key: PolicyKey, status: Status, seen: SeenRun, done: Done = NOTHING_DONE
) -> Plan:
    """Return the next step of an open run that is not being promoted."""
    run = status.run
    assert run is not None
    if run.model not in {None, policy.model}:
        message = f"spec.modelName is {policy.model} now, and the run was for {run.model}"
        return ended(status, run, RunState.FAILED, message, seen.now)
    if policy.retrain is None:
        return ended(status, run, RunState.FAILED, "spec.retrain was removed", seen.now)
    phase = _PHASES[run.state]
    return phase(OpenRun(policy, policy.retrain, key, status, run, seen, done))


def _start(one: OpenRun) -> Plan:
    """Make the attempt's Job; the intent is written already."""
    run = one.run
    if one.done.created is not None:
        running = replace(run, state=RunState.RUNNING, message=_RUNNING)
        note = Note("RetrainStarted", f"decision {run.number}: Job {run.job_name}")
        return Plan(replace(one.status, run=running), note=note if one.done.created else None)
    if one.seen.cron_job is None:
        return Plan(one.status)  # the look at the template has told why
    template = one.seen.cron_job["spec"]["jobTemplate"]
    terms = Terms(run.gate or one.policy.gate, run.observation_by(one.policy))
    manifest = jobs.job_manifest(template, one.key, run.number, run.attempt, one.retrain, terms)
    return Plan(one.status, then=(CreateJob(manifest, one.key),))


def _look(one: OpenRun) -> Plan:
    """Follow the report first: it tells the verdict even when the Job is gone."""
    verdict = _verdict(one)
    if verdict is not None:
        return verdict
    outcome = jobs.outcome_of(one.seen.job, one.seen.pods)
    if outcome.state is JobState.RUNNING:
        return _waiting(one.status, one.run, outcome)
    if outcome.state is JobState.SUCCEEDED:
        outcome = replace(outcome, reason="NoReport", message="the Job ended without a verdict")
    return _failed(one, outcome)


def _waited(one: OpenRun) -> Plan:
    """Promote the candidate once nothing has to come before; its report tells all of it."""
    verdict = _verdict(one)
    if verdict is not None:
        return verdict
    message = "the report of the run is gone"
    return ended(one.status, one.run, RunState.FAILED, message, one.seen.now)


def _verdict(one: OpenRun) -> Plan | None:
    """Return what follows from the report, None while there is no verdict."""
    status, run, report, now = one.status, one.run, one.seen.report, one.seen.now
    if one.seen.unreadable:
        # It stays as it is: a newer release's Job wrote it, and no later look reads it better.
        return ended(status, run, RunState.FAILED, one.seen.unreadable, now)
    if report is None:
        return None
    if report.result is RunResult.BETTER:
        return begun(one.policy, one.key, status, run, report, one.seen)
    refused = replace(status, candidate=candidate_of(report, "Refused"))
    if report.result in _REFUSED:
        return ended(refused, run, RunState.REFUSED, report.message, now)
    if report.result is RunResult.DATA_QUALITY_FAILED:
        return ended(refused, run, RunState.FAILED, report.message, now)
    return None


def _failed(one: OpenRun, outcome: JobOutcome) -> Plan:
    run, retrain = one.run, one.retrain
    message = f"attempt {run.attempt}: {outcome.reason} {outcome.message}".strip()
    if outcome.retry_is_useless or run.attempt >= retrain.attempts:
        return ended(one.status, run, RunState.FAILED, message, one.seen.now)
    pause = backoff_seconds(
        run.attempt, retrain.initial_backoff, retrain.factor, retrain.max_backoff
    )
    waiting = replace(
        run, state=RunState.BACKOFF, next_attempt_at=one.seen.now + pause, message=message
    )
    note = Note("RetrainAttemptFailed", f"{message}; again in {pause:.0f} s", warning=True)
    return Plan(replace(one.status, run=waiting), note=note)


def _after_backoff(one: OpenRun) -> Plan:
    run, now = one.run, one.seen.now
    # A pause that is longer than any of this policy was not written by it.
    longest = one.retrain.max_backoff + CLOCK_SKEW_SECONDS
    if run.next_attempt_at is not None and now < run.next_attempt_at <= now + longest:
        return Plan(one.status)
    attempt = run.attempt + 1
    again = replace(
        run, attempt=attempt, state=RunState.STARTING, next_attempt_at=None,
        job_name=jobs.job_name(one.key, run.number, attempt),
    )  # fmt: skip
    return Plan(replace(one.status, run=again))


_PHASES: Final[Mapping[RunState, Callable[[OpenRun], Plan]]] = {
    RunState.STARTING: _start,
    RunState.RUNNING: _look,
    RunState.BACKOFF: _after_backoff,
    RunState.AWAITING_APPROVAL: _waited,
    RunState.FROZEN: _waited,
}


def _waiting(status: Status, run: Run, outcome: JobOutcome) -> Plan:
    """Name what keeps a Job from running, once for each reason."""
    if run.message.startswith(outcome.reason):
        return Plan(status)
    text = f"{outcome.reason}: {outcome.message}" if outcome.message else outcome.reason
    note = None
    if outcome.reason != _RUNNING:
        note = Note("RetrainBlocked", f"decision {run.number}: {text}", warning=True)
    return Plan(replace(status, run=replace(run, message=text)), note=note)
