"""The parts of a policy's plan, in the order in which they are asked. Pure.

The life of a policy is a fold of these parts over what is seen: the reconciler takes the steps of
one part until it is at rest, and goes on with the next one.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from taxi_operator.core import jobs
from taxi_operator.core.decisions import QUEUED
from taxi_operator.core.jobs import PolicyKey
from taxi_operator.core.run_terms import terms_of
from taxi_operator.memory.obligations import promotion_of
from taxi_operator.memory.run import Run, RunState
from taxi_operator.memory.status import Status
from taxi_operator.plan.decision import decided, is_asked, rescued, with_budget
from taxi_operator.plan.observing import next_look
from taxi_operator.plan.plan import Plan, abandoned, aborted
from taxi_operator.plan.promotion import carried_on
from taxi_operator.plan.rollback import requested
from taxi_operator.plan.run import next_step
from taxi_operator.plan.seen import Done, Object, Place, Seen
from taxi_operator.plan.target import recognised, switch_carried_on
from taxi_operator.spec.orders import ABORT
from taxi_operator.spec.ownership import Target
from taxi_operator.spec.policy import Mode, Policy

#: From what is asked for, remembered, seen, and done by the step before, to the next step.
Part = Callable[[Policy, PolicyKey, Status, Seen, Done], Plan]


def remembered(policy: Policy, key: PolicyKey, status: Status, seen: Seen) -> Status:
    """Return a status that knows what Service, Deployments, Jobs and signals say."""
    if status.requests is None:
        status = replace(status, requests=policy.requests)
    if seen.target is not None:
        status = recognised(policy, key, status, seen.target, seen.now)
    if seen.jobs is not None:
        status = with_budget(policy, key, _known_from_jobs(status, seen.jobs), seen)
    # After a promotion there are none: they spoke of the model before.
    return status.read(seen.readings) if seen.readings else status


def _known_from_jobs(status: Status, own: Sequence[Object]) -> Status:
    """Return a status that knows of the run that its Jobs tell of, after it was lost."""
    newest = jobs.newest(own)
    if newest is None or jobs.ended_at(newest) is not None:
        return status
    number, known = jobs.decision_number(newest), status.run
    if number <= (known.number if known else 0):
        return status
    terms = terms_of(newest)
    going_on = Run(
        number=number, attempt=jobs.attempt_number(newest), state=RunState.RUNNING,
        job_name=newest["metadata"]["name"], started_at=jobs.created_at(newest),
        gate=terms.gate if terms else None, observation=terms.observation if terms else None,
    )  # fmt: skip
    return replace(status, run=going_on)


def rescue(policy: Policy, key: PolicyKey, status: Status, seen: Seen, _done: Done) -> Plan:
    """Leave a champion that is unavailable; it waits for nothing else."""
    return rescued(policy, key, status, seen)


def switch(policy: Policy, _key: PolicyKey, status: Status, seen: Seen, _done: Done) -> Plan:
    """Carry on a switch that is under way, in every mode: that it was begun is written already."""
    if seen.target is None or not status.is_swapping:
        return Plan(status)
    return switch_carried_on(policy, status, seen.target, seen.now)


def abort(policy: Policy, key: PolicyKey, status: Status, seen: Seen, _done: Done) -> Plan:
    """Give the open run up when a person asks for it."""
    if not is_asked(policy, status, ABORT):
        return Plan(status)
    return aborted(key, status, policy.requests[ABORT], seen.now)


def run(policy: Policy, key: PolicyKey, status: Status, seen: Seen, done: Done) -> Plan:
    """Carry on a run that is open, its promotion, or the observation of that."""
    found, enforces = status.run, policy.mode is Mode.ENFORCE
    if found is None or not found.is_open:
        return Plan(status)
    if not found.is_moving and not enforces:
        return abandoned(status, f"spec.mode is {policy.mode}", seen.now)
    if seen.run is None:
        return Plan(status)
    target = Target(policy.service, policy.model, policy.deployment)
    promotion = promotion_of(found, key, target, seen.now)
    if found.state is RunState.OBSERVING:
        return next_look(policy, key, status, seen.run, done)
    if promotion is None:
        return _trained(policy, key, status, seen, done)
    step = carried_on(promotion, status, seen.run, done, may_begin=enforces)
    if step.memory.reset_at not in {None, status.reset_at}:
        # Prometheus' clock, since ranges are cut by it.
        reset_at = seen.prometheus_now or step.memory.reset_at
        return replace(step, memory=replace(step.memory, reset_at=reset_at))
    return step


def _trained(policy: Policy, key: PolicyKey, status: Status, seen: Seen, done: Done) -> Plan:
    """Carry on a run up to its verdict; its Job waits for a place, and for others of the policy."""
    run = status.run
    assert run is not None
    assert seen.run is not None
    begins = run.state is RunState.STARTING
    if begins and _others_go_on(run, seen):
        return Plan(status)
    step = next_step(policy, key, status, seen.run, done)
    if not begins or not step.then or seen.place is Place.FREE:
        return step
    if seen.place is Place.UNKNOWN:
        return Plan(status, asks_for_place=run.job_name)
    text = f"{QUEUED}: it waits until another run has ended"
    return Plan(replace(status, run=replace(run, message=text)), holds=(QUEUED,))


def _others_go_on(run: Run, seen: Seen) -> bool:
    """Tell whether another Job may not have ended: two must not train at once."""
    others = [one for one in seen.jobs or () if one["metadata"]["name"] != run.job_name]
    return seen.jobs is None or any(jobs.ended_at(one) is None for one in others)


def request(policy: Policy, key: PolicyKey, status: Status, seen: Seen, _done: Done) -> Plan:
    """Follow a new word of the spec that asks for a rollback."""
    return requested(policy, key, status, seen)


def decide(policy: Policy, key: PolicyKey, status: Status, seen: Seen, _done: Done) -> Plan:
    """Decide anew."""
    return decided(policy, key, status, seen)


#: Asked in this order once the signals are known; the rescue before that.
PARTS: Final[tuple[Part, ...]] = (switch, abort, run, request, decide)
