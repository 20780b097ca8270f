"""When a policy wants to be looked at again. Pure."""

from typing import Final

from taxi_operator.core.decisions import QUEUED
from taxi_operator.reconcile_context import ReconcileContext

#: Policies with a fallback are looked at as often whatever their interval: when the champion is
#: ready, and when it is not, seconds.
_MAX_PAUSE: Final = 60.0
_CHAMPION_LOOK: Final = 10.0
#: A switch is followed to its endpoints as often, for as long; then at the usual pace, seconds.
_SWAP_LOOK: Final = 0.5
_SWAP_PATIENCE: Final = 30.0
#: A run that waits for others is looked at as often, so that its turn does not pass, seconds.
_QUEUE_LOOK: Final = 30.0


def pause_of(context: ReconcileContext) -> float:
    """Return the seconds until a policy wants to be looked at again."""
    policy, status, seen = context.policy, context.status, context.seen
    if status.is_swapping and seen.now - (status.traffic_since or 0.0) < _SWAP_PATIENCE:
        return _SWAP_LOOK
    longest = _QUEUE_LOOK if QUEUED in context.holds else policy.interval_seconds
    if policy.fallback is None:
        return min(policy.interval_seconds, longest)
    is_ready = seen.target is not None and seen.target.champion.is_ready
    look = _MAX_PAUSE if is_ready else _CHAMPION_LOOK
    return min(policy.interval_seconds, longest, look)
