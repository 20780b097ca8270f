"""What is remembered of the traffic, out of what is seen of Service and Deployments. Pure."""

from dataclasses import replace

from taxi_operator.core.decisions import Traffic
from taxi_operator.core.jobs import PolicyKey
from taxi_operator.memory.obligations import recalled
from taxi_operator.memory.status import Status
from taxi_operator.plan.effects import Select
from taxi_operator.plan.plan import Note, Plan
from taxi_operator.plan.seen import SeenTarget
from taxi_operator.spec.policy import Mode, Policy


def recognised(
    policy: Policy, key: PolicyKey, status: Status, target: SeenTarget, now: float
) -> Status:
    """Return a status that knows what Service and Deployments say."""
    run = status.run
    if run is None or not run.is_open or policy.mode is not Mode.ENFORCE:
        # In the middle of an enforced run the next step repeats what a crash cut off.
        status = recalled(status, target.service, key.uid, now)
    return _with_champion(_with_traffic(policy, status, target, now), target)


def _with_traffic(policy: Policy, status: Status, target: SeenTarget, now: float) -> Status:
    if status.traffic_known and not target.only_watches:
        return status
    if policy.mode is not Mode.ENFORCE:
        # It did not move the traffic, or another policy does: it sees it, and does not keep it.
        return replace(
            status, traffic=target.selected or Traffic.CHAMPION, traffic_known=False,
            traffic_since=None, rescued=False, forced=False,
        )  # fmt: skip
    # A new policy, or one whose status was lost.
    status = replace(status, traffic_known=True)
    if target.selected is Traffic.FALLBACK:
        return replace(
            status, traffic=Traffic.FALLBACK, traffic_since=now, last_swap_seconds=0.0
        )  # fmt: skip
    return status


def _with_champion(status: Status, target: SeenTarget) -> Status:
    """Remember since when the champion is ready, or not, while something depends on it."""
    champion, before = target.champion, status.champion
    away = {status.traffic, status.shadow.traffic if status.shadow else status.traffic}
    matters = not champion.is_ready or Traffic.FALLBACK in away
    if matters != (before is not None) or (before and before.is_ready != champion.is_ready):
        return replace(status, champion=champion if matters else None)
    return status


def switch_carried_on(policy: Policy, status: Status, target: SeenTarget, now: float) -> Plan:
    """Return the next step of a switch that is under way: again, until the endpoints are there."""
    assert status.traffic_since is not None
    if not target.arrived:
        if target.selected is status.traffic or target.stays_away(status.traffic):
            return Plan(status)
        return Plan(status, then=(Select(policy.service, status.traffic),))
    seconds = max(now - status.traffic_since, 0.0)
    to_fallback = status.traffic is Traffic.FALLBACK
    note = Note(
        "FallbackActivated" if to_fallback else "ChampionRestored",
        f"decision {status.number}: {policy.service} switched in {seconds:.1f} s",
        warning=to_fallback,
    )
    status = status.with_outcome(status.number, "Switched", now, seconds=f"{seconds:.1f}")
    return Plan(replace(status, last_swap_seconds=seconds), note=note)
