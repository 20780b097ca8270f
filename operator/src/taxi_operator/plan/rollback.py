"""Going back to the champion before: what an observation found, or a word asked for. Pure."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from taxi_domain.errors import FieldError
from taxi_domain.models import ModelState
from taxi_operator.core.decisions import ROLLBACK_REQUEST, Action, Decision
from taxi_operator.core.jobs import PolicyKey
from taxi_operator.memory.obligations import promotion_of, promotion_on
from taxi_operator.memory.requests import REFUSED
from taxi_operator.memory.run import Run, RunState
from taxi_operator.memory.status import Status
from taxi_operator.plan.decision import dry_told, is_asked, next_number
from taxi_operator.plan.plan import Note, Plan, unobserved
from taxi_operator.plan.promotion import blocked_by, forward
from taxi_operator.plan.seen import Seen, SeenRollback
from taxi_operator.spec.orders import ABORT, ROLLBACK, requests_of
from taxi_operator.spec.ownership import Target
from taxi_operator.spec.policy import Mode, Policy


def rolled_back(policy: Policy, key: PolicyKey, status: Status, back: Run) -> Plan:
    """Return the step that begins a rollback: the champion before is promoted again.

    Args:
        policy: What is asked for.
        key: The policy.
        status: Of it.
        back: The run; its candidate is left, its champion comes back, and its message says why.
    """
    target = Target(policy.service, policy.model, policy.deployment)
    promotion = promotion_of(back, key, target, back.promoting_since or back.started_at)
    assert promotion is not None
    shown = status.candidate or {}
    if shown.get("version") == back.candidate:
        status = replace(status, candidate={**shown, "state": str(RunState.ROLLING_BACK)})
    return Plan(replace(status, run=back), then=forward(promotion, back.message))


def requested(policy: Policy, key: PolicyKey, status: Status, seen: Seen) -> Plan:
    """Return what follows from a new word; each acts once, and one that cannot be followed never.

    It would else act much later, on another champion than the one that was meant.
    """
    if not is_asked(policy, status, ROLLBACK):
        is_told = REFUSED in (status.requests or {})
        return Plan(status.refused("") if is_told and not policy.requests[ROLLBACK] else status)
    why = _not_now(policy, status)
    if not why and (seen.target is None or seen.rollback is None):
        return _waits(policy, status, seen)
    why = why or _hindrance(policy, key, seen)
    if why:
        return _refused(policy, status, why)
    decision = Decision(Action.ROLLBACK, (ROLLBACK_REQUEST,))
    if policy.mode is Mode.DRY_RUN:
        return dry_told(_taken(policy, status), decision, seen.now)
    if status.run is not None and status.run.state is RunState.OBSERVING:
        why = f"{_request(policy)} asks for the champion before"
        return unobserved(status, status.run, why, seen.now)
    return _begun(policy, key, status, seen, decision)


def not_followed(spec: Mapping[str, Any], status: Status, why: str) -> Status:
    """Return the status of a policy that is not served, with what is asked of it taken up."""
    try:
        asked = requests_of(spec)
    except FieldError:
        return status
    if status.requests is None:
        # Nobody looked before: what is there was there.
        return replace(status, requests=asked)
    for request in (ROLLBACK, ABORT):
        word = asked[request]
        if word and not status.has_taken(request, word):
            status = status.took(request, word)
            if request == ROLLBACK:
                status = status.refused(f"spec.rollbackRequest {word!r} is refused: {why}")
    return status


def _request(policy: Policy) -> str:
    return f"spec.rollbackRequest {policy.requests[ROLLBACK]!r}"


def _not_now(policy: Policy, status: Status) -> str:
    """Return why nobody goes back now, whatever there is to go back to; empty when one can."""
    if policy.mode is Mode.SUSPEND:
        return "spec.mode is Suspend"
    run = status.run
    if run is not None and run.is_open and run.state is not RunState.OBSERVING:
        return f"run {run.number} is {run.state}; give it up first (spec.abortRequest)"
    return ""


def _begun(policy: Policy, key: PolicyKey, status: Status, seen: Seen, decision: Decision) -> Plan:
    """Write the rollback down, the word with it."""
    assert seen.rollback is not None
    alias = seen.rollback.alias
    assert alias is not None
    number = next_number(status, seen)
    run = Run(
        number=number, attempt=1, state=RunState.ROLLING_BACK, job_name="", started_at=seen.now,
        candidate=alias.version, champion=alias.previous, model=policy.model,
        deployment=policy.deployment, promoting_since=seen.now, by_request=True,
        alias_revision=alias.revision, message=f"rolled back by {_request(policy)}",
    )  # fmt: skip
    status = _taken(policy, status).decided(number, decision, seen.now)
    return replace(rolled_back(policy, key, status, run), decision=decision)


def _hindrance(policy: Policy, key: PolicyKey, seen: Seen) -> str:
    """Return why nobody can go back, empty when one can."""
    assert seen.rollback is not None
    assert seen.target is not None
    open_one = promotion_on(seen.target.service, seen.now)
    return _no_way_back(seen.rollback) or blocked_by(
        policy, key, seen.rollback.deployment, open_one
    )


def _no_way_back(seen: SeenRollback) -> str:
    """Return why there is no version to go back to, empty when there is one."""
    if seen.alias is None or seen.alias.previous is None:
        return "the champion has no version before it"
    if seen.alias.previous == seen.alias.version:
        return f"the version before is {seen.alias.version}, too"
    before = seen.before
    if before is None or before.state is ModelState.DELETING:
        return f"the version before, {seen.alias.previous}, is gone from the registry"
    if before.state is ModelState.REJECTED:
        return (
            f"the version before, {before.version}, was rejected ({before.reason}); "
            f"`taxi-models promote {before.version} --force` takes it all the same"
        )
    return ""


def _refused(policy: Policy, status: Status, why: str) -> Plan:
    text = f"{_request(policy)} is refused: {why}; then give a new word"
    return Plan(
        _taken(policy, status).refused(text), note=Note("RollbackRefused", text, warning=True)
    )


def _waits(policy: Policy, status: Status, seen: Seen) -> Plan:
    """Say what a word waits for: it acts once that is there, if it is still asked for then."""
    away = "the target" if seen.target is None else "the registry, or the Deployment,"
    text = f"{_request(policy)} waits: {away} cannot be looked at; removed, it is not followed"
    if (status.requests or {}).get(REFUSED) == text:
        return Plan(status)
    return Plan(status.refused(text), note=Note("RollbackWaits", text, warning=True))


def _taken(policy: Policy, status: Status) -> Status:
    return status.took(ROLLBACK, policy.requests[ROLLBACK]).refused("")
