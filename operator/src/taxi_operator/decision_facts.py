"""What a decision is made from, out of what a reconcile has found. Pure."""

from dataclasses import replace
from typing import Any

from taxi_operator.core import jobs
from taxi_operator.core.decisions import Action, Facts, recent
from taxi_operator.core.readiness import Readiness
from taxi_operator.memory.status import RunState, Status
from taxi_operator.reconcile_context import ReconcileContext
from taxi_operator.spec.policy import Policy
from taxi_operator.times import seconds_since_epoch

Document = dict[str, Any]


def facts_of(context: ReconcileContext, now: float) -> Facts:
    """Return the facts of a reconcile."""
    status = context.status
    run = status.run
    ends = [end for end in map(jobs.ended_at, context.jobs) if end is not None]
    last_end = run.ended_at if run else max(ends, default=None)
    # An end that lies ahead would be a cooldown for as long.
    last_end = None if last_end is None else min(last_end, now)
    return Facts(
        now=now,
        traffic=status.traffic,
        traffic_since=status.traffic_since,
        rescued=status.rescued,
        champion=context.champion or Readiness(0, now),
        fallback_ready=context.fallback_ready,
        run_open=bool(run and run.is_open),
        last_run_ended_at=last_end,
        last_run_succeeded=bool(run and run.state is RunState.PROMOTED),
        run_starts=_run_starts(status, context.jobs),
        retrain_blocked=context.retrain_blocked
        or ("ChampionMissing" if context.champion_missing else ""),
    )


def _run_starts(status: Status, own_jobs: list[Document]) -> tuple[float, ...]:
    """Return the starts of all runs that are known, from Jobs, history and the run itself."""
    starts: dict[int, float] = {}
    for job in own_jobs:
        number, created = jobs.decision_number(job), jobs.created_at(job)
        starts[number] = min(created, starts.get(number, created))
    for entry in status.history:
        if entry.get("action") == Action.RETRAIN:
            starts.setdefault(entry["number"], seconds_since_epoch(entry.get("at")) or 0.0)
    if status.run is not None:
        starts.setdefault(status.run.number, status.run.started_at)
    return tuple(starts.values())


def with_budget(policy: Policy, status: Status, facts: Facts) -> Status:
    """Return a status that shows the budget."""
    if policy.retrain is None:
        return status
    starts = recent(facts.run_starts, facts.now, policy.retrain.window_seconds)
    return replace(status, budget={"runsInWindow": len(starts), "maxRuns": policy.retrain.max_runs})
