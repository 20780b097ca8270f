"""What to do: pure. The caller observes, writes the intent down, and only then acts."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

from taxi_operator.core.readiness import GRACE_SECONDS, Readiness
from taxi_operator.core.signals import Reading, SignalState
from taxi_operator.spec.policy import LIMIT_SECONDS, Fallback, Mode, Policy, Rule

#: Built-in signal; no signal of a policy can have this name.
CHAMPION_UNAVAILABLE: Final = "championUnavailable"


class Action(StrEnum):
    """What a policy can decide."""

    NONE = "None"
    RETRAIN = "Retrain"
    FALLBACK = "Fallback"
    RESTORE = "Restore"


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
        champion: Ready pods of the champion, and since when there are some, or none.
        fallback_ready: Ready pods of the fallback.
        run_open: A retrain run is under way.
        last_run_ended_at: End of the last run, None without one.
        last_run_succeeded: Whether it promoted a candidate.
        run_starts: Starts of the runs that the budget counts.
        retrain_blocked: Why no run can be started now, empty when one can.
    """

    now: float
    traffic: Traffic = Traffic.CHAMPION
    traffic_since: float | None = None
    rescued: bool = False
    champion: Readiness = field(default_factory=lambda: Readiness(1, 0.0))
    fallback_ready: int = 1
    run_open: bool = False
    last_run_ended_at: float | None = None
    last_run_succeeded: bool = False
    run_starts: tuple[float, ...] = ()
    retrain_blocked: str = ""


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
    if facts.traffic is Traffic.FALLBACK:
        return _to_champion(policy, readings, facts)
    if policy.fallback is None:
        return Decision(Action.NONE)
    if facts.champion.unavailable(facts.now):
        return _rescue(policy.fallback, facts)
    states = {one.name: one.state for one in readings}
    return _to_fallback(policy.fallback, _breached(policy.fallback_rule, states), facts)


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
    if not fallback.restore_automatically:
        return Decision(Action.NONE, reason="ManualRestore")
    after = _after_rescue if facts.rescued else _after_rule
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


def _after_rescue(
    policy: Policy, fallback: Fallback, readings: Sequence[Reading], facts: Facts
) -> Decision:
    """Go back to a champion that has been ready for a while, unless a rule keeps the fallback.

    The rule's signals need not have recovered: they were not the reason. One that is breached and
    has fallen silent still keeps the traffic away.
    """
    held = {one.name for one in readings if one.breached}
    if any(group and held.issuperset(group) for group in policy.fallback_rule.any_of):
        return Decision(Action.NONE, reason="FallbackStays")
    steady = facts.now - facts.champion.since
    if steady < max(fallback.min_dwell_seconds, GRACE_SECONDS) or not _dwelt(fallback, facts):
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
    because = _breached(policy.retrain_rule, states)
    if not because:
        return Decision(Action.NONE)
    if facts.retrain_blocked:
        return Decision(Action.NONE, because, facts.retrain_blocked)
    pause = (
        policy.retrain.pause_after_success
        if facts.last_run_succeeded
        else policy.retrain.pause_after_failure
    )
    if facts.last_run_ended_at is not None and facts.now - facts.last_run_ended_at < pause:
        return Decision(Action.NONE, because, "Cooldown")
    if len(recent(facts.run_starts, facts.now)) >= (policy.retrain.max_per_day):
        return Decision(Action.NONE, because, "BudgetExhausted")
    return Decision(Action.RETRAIN, because)


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
