"""What to do: pure. The caller observes, writes the intent down, and only then acts."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

from taxi_operator.core.readiness import GRACE_SECONDS, Readiness
from taxi_operator.core.signals import Reading, SignalState
from taxi_operator.spec.orders import Force
from taxi_operator.spec.policy import LIMIT_SECONDS, Fallback, Mode, Policy, Retrain, Rule

#: Reasons of decisions that no signal of a policy can be named after.
CHAMPION_UNAVAILABLE: Final = "championUnavailable"
RETRAIN_REQUEST: Final = "retrainRequest"
ROLLBACK_REQUEST: Final = "rollbackRequest"
FORCED: Final = "forceTraffic"
#: A run waits since as many as may train at the same time do.
QUEUED: Final = "Queued"


class Action(StrEnum):
    """What a policy can decide."""

    NONE = "None"
    RETRAIN = "Retrain"
    FALLBACK = "Fallback"
    RESTORE = "Restore"
    #: Back to the champion before; only ever requested.
    ROLLBACK = "Rollback"


class Traffic(StrEnum):
    """Which predictor answers."""

    CHAMPION = "Champion"
    FALLBACK = "Fallback"


@dataclass(frozen=True, slots=True)
class Facts:
    """What a decision is made from (times in seconds since the epoch).

    Attributes:
        now: Present time.
        traffic: Which predictor answers now.
        traffic_since: Since when; None when it never moved.
        rescued: It moved to the fallback since the champion was unavailable.
        forced: It was moved to the fallback by hand.
        champion: Ready pods of the champion, and since when there are some, or none.
        fallback_ready: Ready pods of the fallback.
        run_open: A retrain run is under way.
        last_run_ended_at: End of the last run, None without one.
        last_run_succeeded: Whether it promoted a candidate.
        run_starts: Starts of the runs that the budget counts.
        retrain_blocked: Why no run can be started now, empty when one can.
        retrain_asked: A run is asked for by hand.
    """

    now: float
    traffic: Traffic = Traffic.CHAMPION
    traffic_since: float | None = None
    rescued: bool = False
    forced: bool = False
    champion: Readiness = field(default_factory=lambda: Readiness(1, 0.0))
    fallback_ready: int = 1
    run_open: bool = False
    last_run_ended_at: float | None = None
    last_run_succeeded: bool = False
    run_starts: tuple[float, ...] = ()
    retrain_blocked: str = ""
    retrain_asked: bool = False


@dataclass(frozen=True, slots=True)
class Decision:
    """One action, the signals behind it, and why nothing is done where something could be.

    Attributes:
        action: What to do.
        because: The signals behind it, or behind what is held back.
        reason: Why nothing is done, or why something is that no signal asks for.
        holds: Every reason of every rule, where nothing is done.
    """

    action: Action
    because: tuple[str, ...] = ()
    reason: str = ""
    holds: tuple[str, ...] = ()

    @property
    def is_rescue(self) -> bool:
        """Whether the traffic leaves a champion that is unavailable."""
        return self.action is Action.FALLBACK and self.because == (CHAMPION_UNAVAILABLE,)

    @property
    def is_forced(self) -> bool:
        """Whether the traffic moves, or a run starts, since a person asks for it."""
        return bool({FORCED, RETRAIN_REQUEST} & set(self.because))


def decide(policy: Policy, readings: Sequence[Reading], facts: Facts) -> Decision:
    """Return what to do next; at most one action.

    Traffic comes first: a fallback does not wait for a retrain run.
    """
    if policy.mode is Mode.SUSPEND:
        return Decision(Action.NONE, reason="Suspended", holds=("Suspended",))
    states = {one.name: one.state for one in readings}
    moved = _traffic(policy, readings, facts)
    if moved.action is not Action.NONE:
        return moved
    retrain = _retrain(policy, states, facts)
    if retrain.action is not Action.NONE:
        return retrain
    told = retrain if retrain.reason else moved
    # A run that may not start must not hide why the traffic stays, nor the other way round.
    return replace(told, holds=tuple(filter(None, (moved.reason, retrain.reason))))


def _traffic(policy: Policy, readings: Sequence[Reading], facts: Facts) -> Decision:
    if policy.force is not None and policy.force.holds(facts.now):
        return _forced(policy, policy.force, facts)
    if facts.traffic is Traffic.FALLBACK:
        return _to_champion(policy, readings, facts)
    if policy.fallback is None:
        return Decision(Action.NONE)
    if facts.champion.unavailable(facts.now):
        return _rescue(policy.fallback, facts)
    states = {one.name: one.state for one in readings}
    return _to_fallback(policy.fallback, _breached(policy.fallback_rule, states), facts)


def _forced(policy: Policy, force: Force, facts: Facts) -> Decision:
    """Keep the traffic where a person wants it, or bring it there: where pods are ready.

    It waits for no dwell time, and needs no signal.
    """
    if facts.traffic is Traffic.FALLBACK:
        return _forced_back(force, facts)
    fallback = policy.fallback
    if fallback is not None and facts.champion.unavailable(facts.now):
        return _rescue(fallback, facts)
    if fallback is None or not force.to_fallback:
        return Decision(Action.NONE, reason="Forced")
    if facts.fallback_ready < fallback.min_ready:
        return Decision(Action.NONE, (FORCED,), "FallbackNotReady")
    return Decision(Action.FALLBACK, (FORCED,))


def _forced_back(force: Force, facts: Facts) -> Decision:
    if force.to_fallback and facts.fallback_ready:
        return Decision(Action.NONE, reason="Forced")
    if not facts.champion.is_ready:
        return Decision(Action.NONE, reason="ChampionNotReady")
    if force.to_fallback:
        return Decision(Action.RESTORE, reason="FallbackNotReady")
    return Decision(Action.RESTORE, (FORCED,))


def _rescue(fallback: Fallback, facts: Facts) -> Decision:
    """Leave a champion that answers nobody; it needs no signal and waits for no dwell time."""
    because = (CHAMPION_UNAVAILABLE,)
    if facts.fallback_ready < fallback.min_ready:
        return Decision(Action.NONE, because, "FallbackNotReady")
    return Decision(Action.FALLBACK, because)


def _to_fallback(fallback: Fallback, because: tuple[str, ...], facts: Facts) -> Decision:
    if not because:
        return Decision(Action.NONE)
    if facts.fallback_ready < fallback.min_ready:
        return Decision(Action.NONE, because, "FallbackNotReady")
    if not _dwelt(fallback, facts):
        return Decision(Action.NONE, because, "MinDwell")
    return Decision(Action.FALLBACK, because)


def _to_champion(policy: Policy, readings: Sequence[Reading], facts: Facts) -> Decision:
    fallback = policy.fallback
    if not facts.champion.is_ready:
        return Decision(Action.NONE, reason="ChampionNotReady")
    if fallback is None:
        return Decision(Action.RESTORE, reason="FallbackRemoved")
    if facts.fallback_ready == 0:
        return Decision(Action.RESTORE, reason="FallbackNotReady")
    if not fallback.restore_automatically and not facts.forced:
        return Decision(Action.NONE, reason="ManualRestore")
    # What was done by hand was done for a while only.
    after = _without_recovery if facts.rescued or facts.forced else _after_rule
    return after(policy, fallback, readings, facts)


def _after_rule(
    policy: Policy, fallback: Fallback, readings: Sequence[Reading], facts: Facts
) -> Decision:
    wanted = policy.fallback_rule.signals
    well = {
        one.name for one in readings if one.state is SignalState.HEALTHY and one.recovered
    }  # fmt: skip
    if not wanted <= well:
        return Decision(Action.NONE, reason="FallbackStays")
    if not _dwelt(fallback, facts):
        return Decision(Action.NONE, reason="MinDwell")
    return Decision(Action.RESTORE, tuple(sorted(wanted)))


def _without_recovery(
    policy: Policy, fallback: Fallback, readings: Sequence[Reading], facts: Facts
) -> Decision:
    """Go back to the champion after a rescue, or after a hand, unless a rule keeps the fallback.

    One that was unavailable has to have been ready for a while. The rule's signals need not have
    recovered: they were not the reason. One that is breached and has fallen silent still keeps the
    traffic away.
    """
    held = {one.name for one in readings if one.breached}
    if any(group and held.issuperset(group) for group in policy.fallback_rule.any_of):
        return Decision(Action.NONE, reason="FallbackStays")
    steady = facts.now - facts.champion.since
    settles = facts.rescued and steady < max(fallback.min_dwell_seconds, GRACE_SECONDS)
    if settles or not _dwelt(fallback, facts):
        return Decision(Action.NONE, reason="ChampionSettling")
    return Decision(Action.RESTORE, reason="ChampionReady")


def _dwelt(fallback: Fallback, facts: Facts) -> bool:
    """Tell whether the traffic stayed long enough to move again, so that it never oscillates."""
    return (
        facts.traffic_since is None
        or facts.now - facts.traffic_since >= fallback.min_dwell_seconds
    )  # fmt: skip


def _retrain(policy: Policy, states: Mapping[str, SignalState], facts: Facts) -> Decision:
    if policy.retrain is None or facts.run_open:
        return Decision(Action.NONE)
    asked = facts.retrain_asked
    because = (RETRAIN_REQUEST,) if asked else _breached(policy.retrain_rule, states)
    if not because:
        return Decision(Action.NONE)
    if facts.retrain_blocked:
        return Decision(Action.NONE, because, facts.retrain_blocked)
    pause = pause_after(policy.retrain, succeeded=facts.last_run_succeeded)
    end = facts.last_run_ended_at
    if not asked and end is not None and facts.now - end < pause:
        return Decision(Action.NONE, because, "Cooldown")
    if len(recent(facts.run_starts, facts.now)) >= policy.retrain.max_per_day:
        return Decision(Action.NONE, because, "BudgetExhausted")
    return Decision(Action.RETRAIN, because)


def pause_after(retrain: Retrain, *, succeeded: bool) -> float:
    """Return how long after the end of a run no other one starts by a rule, seconds."""
    return retrain.pause_after_success if succeeded else retrain.pause_after_failure


def next_start(retrain: Retrain, facts: Facts) -> float:
    """Return from when on pause and limit let a run start by a rule, seconds since the epoch."""
    end = facts.last_run_ended_at
    pause = pause_after(retrain, succeeded=facts.last_run_succeeded)
    free = 0.0 if end is None else end + pause
    starts = sorted(recent(facts.run_starts, facts.now))
    if len(starts) >= retrain.max_per_day:
        free = max(free, starts[-retrain.max_per_day] + LIMIT_SECONDS)
    return free


def recent(starts: Iterable[float], now: float) -> list[float]:
    """Return the starts that the limit of runs counts."""
    return [start for start in starts if now - start < LIMIT_SECONDS]


def backoff_seconds(attempt: int, initial: float, factor: float, longest: float) -> float:
    """Return the pause after the given attempt (1 is the first) failed."""
    return float(min(initial * factor ** (attempt - 1), longest))


def _breached(rule: Rule, states: Mapping[str, SignalState]) -> tuple[str, ...]:
    """Return the signals of the first group that is breached as a whole."""
    for group in rule.any_of:
        if group and all(states.get(name) is SignalState.BREACHED for name in group):
            return tuple(sorted(group))
    return ()
