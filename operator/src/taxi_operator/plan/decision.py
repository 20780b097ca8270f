"""A decision and what it begins. Pure."""

from dataclasses import replace
from typing import Any, Final

from taxi_operator.conditions import was_held
from taxi_operator.core import jobs
from taxi_operator.core.decisions import (
    QUEUED,
    RETRAIN_REQUEST,
    Action,
    Decision,
    Facts,
    Traffic,
    decide,
    next_start,
    recent,
)
from taxi_operator.core.jobs import PolicyKey
from taxi_operator.core.readiness import Readiness
from taxi_operator.core.services import RETAINED_ANNOTATION, is_retained
from taxi_operator.memory.run import Run, RunState
from taxi_operator.memory.shadow import Shadow
from taxi_operator.memory.status import Status
from taxi_operator.plan.effects import AnnotateService, Effect, Select
from taxi_operator.plan.plan import Note, Plan
from taxi_operator.plan.seen import NextRun, Place, Seen, SeenTarget
from taxi_operator.spec.orders import RETRAIN
from taxi_operator.spec.policy import Mode, Policy
from taxi_operator.times import seconds_since_epoch, text_of

_NOBODY: Final = Readiness(0, 0.0)


def facts_of(policy: Policy, key: PolicyKey, status: Status, seen: Seen) -> Facts:
    """Return what a decision is made from."""
    run, target = status.run, seen.target
    ended_at, has_succeeded = _last_run(key, status, seen)
    return Facts(
        now=seen.now,
        traffic=status.traffic,
        traffic_since=status.traffic_since,
        rescued=status.rescued,
        forced=status.forced,
        champion=target.champion if target else replace(_NOBODY, since=seen.now),
        fallback_ready=target.ready[Traffic.FALLBACK] if target else 0,
        run_open=bool(run and run.is_open),
        # An end that lies ahead would be a cooldown for as long.
        last_run_ended_at=None if ended_at is None else min(ended_at, seen.now),
        last_run_succeeded=has_succeeded,
        run_starts=_run_starts(key, status, seen),
        retrain_blocked=_retrain_blocked(seen),
        retrain_asked=is_asked(policy, status, RETRAIN),
    )


def _last_run(key: PolicyKey, status: Status, seen: Seen) -> tuple[float | None, bool]:
    """Return when the last run of the model ended, None without one, and whether it ended well."""
    run = status.run
    ends = [(end, False) for end in map(jobs.ended_at, seen.jobs or ()) if end is not None]
    if run is not None:
        ends = [] if run.ended_at is None else [(run.ended_at, run.state is RunState.PROMOTED)]
    for one in seen.next_run.of_model if seen.next_run else ():
        # What became of a run of its own the status knows better.
        if one.ended_at is not None and (run is None or jobs.number_of(one.run_id, key) is None):
            ends.append((one.ended_at.timestamp(), one.is_better))
    return max(ends, default=(None, False))


def _run_starts(key: PolicyKey, status: Status, seen: Seen) -> tuple[float, ...]:
    """Return the starts of all runs that are known.

    Jobs, history, the run itself and the registry know of them; the registry also of those of
    other policies with the model, for example of this one before it was deleted and made anew.
    """
    starts: dict[int, float] = {}
    others: dict[str, float] = {}
    for job in seen.jobs or ():
        number, created = jobs.decision_number(job), jobs.created_at(job)
        starts[number] = min(created, starts.get(number, created))
    for entry in status.history:
        if entry.get("action") == Action.RETRAIN and entry["number"] not in starts:
            starts[entry["number"]] = seconds_since_epoch(entry.get("at")) or 0.0
    if status.run is not None and not status.run.by_request:
        starts.setdefault(status.run.number, status.run.started_at)
    for one in seen.next_run.of_model if seen.next_run else ():
        own, began = jobs.number_of(one.run_id, key), one.started_at.timestamp()
        if own is not None:
            starts.setdefault(own, began)
        else:
            # Attempts of one run are one.
            others[one.run_id.rpartition("-")[0]] = began
    return (*starts.values(), *others.values())


def _retrain_blocked(seen: Seen) -> str:
    """Return why no run can start, empty when one can."""
    if seen.jobs is None:
        return "JobsUnknown"
    if not seen.has_template:
        return "CronJobMissing"
    if any(jobs.ended_at(job) is None for job in seen.jobs):
        # Of a run that is not waited for any more: two must not train at once.
        return "JobUnfinished"
    if seen.place is Place.TAKEN:
        return QUEUED
    return "ChampionMissing" if seen.target is None or seen.target.champion_missing else ""


def with_budget(policy: Policy, key: PolicyKey, status: Status, seen: Seen) -> Status:
    """Return a status that shows the budget."""
    if policy.retrain is None:
        return status
    facts = facts_of(policy, key, status, seen)
    budget: dict[str, Any] = {
        "runsInWindow": len(recent(facts.run_starts, seen.now)),
        "maxRuns": policy.retrain.max_per_day,
    }
    free = next_start(policy.retrain, facts)
    if free > seen.now:
        budget["nextEligibleAt"] = text_of(free)
    return status if status.budget == budget else replace(status, budget=budget)


def rescued(policy: Policy, key: PolicyKey, status: Status, seen: Seen) -> Plan:
    """Return the move away from a champion that is unavailable; no signal is needed for it."""
    target = seen.target
    if (
        target is None
        or policy.mode is not Mode.ENFORCE
        or status.traffic is Traffic.FALLBACK
        or not target.champion.unavailable(seen.now)
    ):
        return Plan(status)
    decision = decide(policy, (), facts_of(policy, key, status, seen))
    if decision.action is Action.FALLBACK:
        return _moved(policy, status, seen, target, decision)
    if was_held(status):
        return Plan(status)
    held = decision.reason or "the policy has no fallback"
    message = f"{policy.deployment} has no ready pod, and the traffic stays: {held}"
    return Plan(status, note=Note("ChampionUnavailable", message, warning=True))


def decided(policy: Policy, key: PolicyKey, status: Status, seen: Seen) -> Plan:
    """Return what a policy decides, and how that begins."""
    if seen.target is None:
        return Plan(status)
    facts = facts_of(policy, key, status, seen)
    if policy.mode is Mode.DRY_RUN:
        return _dry(policy, status, seen, facts)
    if status.shadow is not None:
        status = replace(status, shadow=None)
    decision = decide(policy, seen.readings or (), facts)
    if decision.action is Action.NONE:
        return Plan(status, holds=decision.holds)
    if decision.action is not Action.RETRAIN:
        return _moved(policy, status, seen, seen.target, decision)
    if seen.next_run is None:
        return Plan(status, asks_for_run=True)
    if seen.place is Place.UNKNOWN:
        return Plan(status, asks_for_place=jobs.job_name(key, seen.next_run.number, 1))
    return _run_begun(policy, key, status, seen, seen.next_run, decision)


def next_number(status: Status, seen: Seen) -> int:
    """Return the number of the next decision; Jobs know of some that a lost status does not."""
    return max([status.number, *map(jobs.decision_number, seen.jobs or ())]) + 1


def _moved(
    policy: Policy, status: Status, seen: Seen, target: SeenTarget, decision: Decision
) -> Plan:
    """Begin to move the traffic."""
    to = Traffic.FALLBACK if decision.action is Action.FALLBACK else Traffic.CHAMPION
    number = next_number(status, seen)
    reason = policy.force.reason if policy.force and decision.is_forced else ""
    memory = replace(
        status.decided(number, decision, seen.now, reason),
        traffic=to, traffic_since=seen.now, last_swap_seconds=None, rescued=decision.is_rescue,
        forced=decision.is_forced,
    )  # fmt: skip
    effects: list[Effect] = []
    retained = policy.retains_traffic and to is Traffic.FALLBACK
    if is_retained(target.service) is not retained:
        # Written ahead: when the policy is gone, nobody can say it any more.
        value = "true" if retained else None
        effects.append(AnnotateService(policy.service, {RETAINED_ANNOTATION: value}))
    return Plan(memory, then=(*effects, Select(policy.service, to)), decision=decision)


def _run_begun(  # noqa: PLR0913, PLR0917 - a policy, its memory, what is seen, and what is decided
    policy: Policy, key: PolicyKey, status: Status, seen: Seen, next_run: NextRun,
    decision: Decision,
) -> Plan:  # fmt: skip
    """Write the intent of a run down; its next step makes the Job."""
    run = Run(
        number=next_run.number,
        attempt=1,
        state=RunState.STARTING,
        job_name=jobs.job_name(key, next_run.number, 1),
        started_at=seen.now,
        champion=next_run.champion,
        model=policy.model,
        deployment=policy.deployment,
        cron_job=policy.retrain.cron_job if policy.retrain else None,
        gate=policy.gate,
        observation=policy.observation,
    )
    status = _taken(policy, status.decided(next_run.number, decision, seen.now), decision)
    return Plan(replace(status, run=run, candidate=None), decision=decision)


def is_asked(policy: Policy, status: Status, request: str) -> bool:
    """Tell whether something is asked for by hand that was not taken up yet.

    What was asked when nobody had looked yet, as after a status was lost, is none: it may have been
    done.
    """
    word = policy.requests[request]
    return bool(word) and status.requests is not None and not status.has_taken(request, word)


def _taken(policy: Policy, status: Status, decision: Decision) -> Status:
    """Take up the request behind a decision, in the same write."""
    if decision.because != (RETRAIN_REQUEST,):
        return status
    return status.took(RETRAIN, policy.requests[RETRAIN])


def _dry(policy: Policy, status: Status, seen: Seen, facts: Facts) -> Plan:
    """Write down what would be done now, had everything before been done that would have been."""
    shadow = status.shadow or Shadow(status.traffic)
    decision = decide(policy, seen.readings or (), shadow.over(facts))
    if decision.action is Action.NONE:
        return Plan(replace(status, shadow=shadow), holds=decision.holds)
    if decision.action is Action.RETRAIN and seen.next_run is None:
        return Plan(status, asks_for_run=True)
    return dry_told(_taken(policy, status, decision), decision, seen.now)


def dry_told(status: Status, decision: Decision, now: float) -> Plan:
    """Write down what a dry run would do now."""
    shadow = status.shadow or Shadow(status.traffic)
    if status.report_is_open:
        # Nobody makes the report of what a dry run takes the place of.
        status = status.with_report(url=None, start=None)
    entry: dict[str, Any] = {
        "id": f"{status.number:04d}", "number": status.number,
        "action": f"DryRun{decision.action}", "because": list(decision.because),
        "at": text_of(now),
    }  # fmt: skip
    why = ", ".join(decision.because) or decision.reason
    note = Note("DryRun", f"would {decision.action} because of {why}")
    memory = replace(status, decision=entry, shadow=shadow.after(decision, now))
    return Plan(memory, note=note)
