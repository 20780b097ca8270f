"""What is decided: one action at most, limits kept, nothing without data."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taxi_domain.errors import FieldError
from taxi_operator.core.decisions import Action, Facts, Traffic, backoff_seconds, decide, recent
from taxi_operator.core.readiness import Readiness
from taxi_operator.core.signals import Reading, SignalState
from taxi_operator.spec.durations import seconds_of
from taxi_operator.spec.policy import Mode, Policy, Rule, policy_of

SPEC: dict[str, Any] = {
    "target": {"deploymentName": "p", "activeServiceName": "s"},
    "prometheus": {"url": "http://prometheus:9090"},
    "signals": [
        {
            "name": name,
            "promql": "q",
            "enter": {"op": "GreaterOrEqual", "value": "1", "for": "1m"},
            "exit": {"op": "Less", "value": "0.8", "for": "1m"},
        }
        for name in ("inputs", "error", "critical")
    ],
    "rules": {
        "retrain": {"anyOf": [{"allOf": ["inputs", "error"]}]},
        "fallback": {"anyOf": [{"allOf": ["critical"]}]},
    },
    "retrain": {"jobFrom": {"cronJobName": "t"}, "maxPerDay": 2},
    "fallback": {"deploymentName": "f", "minDwell": "5m"},
}
POLICY = policy_of(SPEC)
FACTS = Facts(now=1_000_000.0)
GONE = Readiness(0, FACTS.now - 60)


def readings(**states: SignalState) -> list[Reading]:
    found = [(one.name, states.get(one.name, SignalState.HEALTHY)) for one in POLICY.signals]
    return [
        Reading(name, state, state is SignalState.BREACHED, recovered=state is SignalState.HEALTHY)
        for name, state in found
    ]


BOTH = readings(inputs=SignalState.BREACHED, error=SignalState.BREACHED)
CRITICAL = readings(critical=SignalState.BREACHED)


def test_retrain_needs_all_signals_of_a_group() -> None:
    found = decide(POLICY, BOTH, FACTS)

    assert (found.action, found.because) == (Action.RETRAIN, ("error", "inputs"))
    assert decide(POLICY, readings(inputs=SignalState.BREACHED), FACTS).action is Action.NONE


def test_fallback_comes_before_a_retrain_run_and_beside_an_open_one() -> None:
    everything = readings(**{one.name: SignalState.BREACHED for one in POLICY.signals})

    assert decide(POLICY, everything, FACTS).action is Action.FALLBACK
    assert decide(POLICY, CRITICAL, replace(FACTS, run_open=True)).action is Action.FALLBACK


def test_traffic_never_moves_to_pods_that_are_not_ready() -> None:
    found = decide(POLICY, CRITICAL, replace(FACTS, fallback_ready=0))

    assert (found.action, found.reason) == (Action.NONE, "FallbackNotReady")


@pytest.mark.parametrize(
    ("change", "action"),
    [
        ({"traffic_since": 1_000_000.0 - 301}, Action.RESTORE),
        ({"traffic_since": 1_000_000.0 - 299}, Action.NONE),
        ({"traffic_since": 0.0, "champion": GONE}, Action.NONE),
        ({"traffic_since": 1_000_000.0, "fallback_ready": 0}, Action.RESTORE),
    ],
)
def test_champion_returns_when_it_is_well_for_long_enough(
    change: dict[str, Any], action: Action
) -> None:
    facts = replace(FACTS, traffic=Traffic.FALLBACK, **change)

    assert decide(POLICY, readings(), facts).action is action


def test_champion_returns_only_after_the_exit_lasted() -> None:
    facts = replace(FACTS, traffic=Traffic.FALLBACK, traffic_since=0.0)
    just_low = [replace(one, recovered=False) for one in readings()]

    assert decide(POLICY, just_low, facts).reason == "FallbackStays"


def test_champion_returns_when_the_policy_has_no_fallback_any_more() -> None:
    without = replace(POLICY, fallback=None, fallback_rule=Rule())
    facts = replace(FACTS, traffic=Traffic.FALLBACK, traffic_since=FACTS.now)

    assert decide(without, readings(), facts).action is Action.RESTORE


def test_traffic_does_not_oscillate() -> None:
    found = decide(POLICY, CRITICAL, replace(FACTS, traffic_since=FACTS.now - 299))

    assert (found.action, found.reason) == (Action.NONE, "MinDwell")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"retrain_blocked": "CronJobMissing"}, "CronJobMissing"),
        ({"run_open": True}, ""),
        ({"last_run_ended_at": 1_000_000.0 - 3599}, "Cooldown"),
        ({"last_run_ended_at": 1_000_000.0 - 21_599, "last_run_succeeded": True}, "Cooldown"),
        ({"run_starts": (999_000.0, 998_000.0)}, "BudgetExhausted"),
    ],
)
def test_limits_hold_a_run_back(change: dict[str, Any], reason: str) -> None:
    found = decide(POLICY, BOTH, replace(FACTS, **change))

    assert (found.action, found.reason) == (Action.NONE, reason)


def test_limits_end() -> None:
    past = replace(
        FACTS, last_run_ended_at=1_000_000.0 - 3601, run_starts=(999_000.0, 1_000_000.0 - 86_401)
    )

    assert decide(POLICY, BOTH, past).action is Action.RETRAIN


@pytest.mark.parametrize(
    ("change", "action", "reason"),
    [
        ({}, Action.FALLBACK, ""),
        ({"traffic_since": FACTS.now - 1}, Action.FALLBACK, ""),
        ({"champion": Readiness(0, FACTS.now - 59)}, Action.NONE, ""),
        ({"champion": Readiness(1, 0.0)}, Action.NONE, ""),
        ({"fallback_ready": 0}, Action.NONE, "FallbackNotReady"),
    ],
)
def test_unavailable_champion_needs_no_signal_and_no_dwell(
    change: dict[str, Any], action: Action, reason: str
) -> None:
    found = decide(POLICY, (), replace(FACTS, **{"champion": GONE, **change}))

    assert (found.action, found.reason) == (action, reason)
    assert found.is_rescue == (action is Action.FALLBACK)


@pytest.mark.parametrize("mode", [Mode.ENFORCE, Mode.DRY_RUN])
def test_unavailable_champion_without_a_rule_or_a_fallback(mode: Mode) -> None:
    without_rule = replace(POLICY, mode=mode, fallback_rule=Rule())
    facts = replace(FACTS, champion=GONE)

    assert decide(without_rule, readings(), facts).is_rescue
    without = replace(without_rule, fallback=None)
    assert decide(without, readings(), facts).action is Action.NONE


@pytest.mark.parametrize(
    ("ready_for", "moved_before", "critical", "reason"),
    [
        (301, 301, SignalState.HEALTHY, "ChampionReady"),
        (299, 3000, SignalState.HEALTHY, "ChampionSettling"),
        (3000, 299, SignalState.HEALTHY, "ChampionSettling"),
        (301, 301, SignalState.NO_DATA, "ChampionReady"),
        (301, 301, SignalState.PENDING, "ChampionReady"),
        (301, 301, SignalState.BREACHED, "FallbackStays"),
    ],
)
def test_rescued_traffic_returns_to_a_champion_that_is_ready_for_a_while(
    ready_for: float, moved_before: float, critical: SignalState, reason: str
) -> None:
    facts = replace(
        FACTS, traffic=Traffic.FALLBACK, rescued=True, traffic_since=FACTS.now - moved_before,
        champion=Readiness(1, FACTS.now - ready_for),
    )  # fmt: skip
    found = decide(
        POLICY,
        [replace(one, recovered=False) for one in readings(critical=critical)],
        facts,
    )

    assert found.reason == reason
    assert found.action is (Action.RESTORE if reason == "ChampionReady" else Action.NONE)


@pytest.mark.parametrize("state", [SignalState.NO_DATA, SignalState.INSUFFICIENT])
def test_rescued_traffic_stays_while_a_breached_rule_is_silent(state: SignalState) -> None:
    facts = replace(
        FACTS, traffic=Traffic.FALLBACK, rescued=True, traffic_since=0.0,
        champion=Readiness(1, 0.0),
    )  # fmt: skip
    silent = [replace(one, breached=one.state is state) for one in readings(critical=state)]

    assert decide(POLICY, silent, facts).reason == "FallbackStays"


states = st.sampled_from(list(SignalState))
worlds = st.builds(
    Facts,
    now=st.just(1_000_000.0),
    traffic=st.sampled_from(list(Traffic)),
    traffic_since=st.none() | st.floats(0, 1_000_000),
    rescued=st.booleans(),
    champion=st.builds(Readiness, st.integers(0, 2), st.floats(0, 1_000_000)),
    fallback_ready=st.integers(0, 2),
    run_open=st.booleans(),
    last_run_ended_at=st.none() | st.floats(0, 1_000_000),
    last_run_succeeded=st.booleans(),
    run_starts=st.lists(st.floats(900_000, 1_000_000), max_size=4).map(tuple),
)


@given(st.tuples(states, states, states), worlds)
def test_no_world_breaks_the_rules(found: tuple[SignalState, ...], facts: Facts) -> None:
    names = [one.name for one in POLICY.signals]
    by_name = dict(zip(names, found, strict=True))
    decision = decide(POLICY, readings(**by_name), facts)

    if decision.action is Action.RETRAIN:
        assert by_name["inputs"] is by_name["error"] is SignalState.BREACHED
        assert not facts.run_open
        assert len(recent(facts.run_starts, facts.now)) < 2
    if decision.action is Action.FALLBACK:
        unavailable = facts.champion.unavailable(facts.now)
        assert by_name["critical"] is SignalState.BREACHED or unavailable
        assert decision.is_rescue == unavailable
        assert facts.traffic is Traffic.CHAMPION
        assert facts.fallback_ready >= 1
    if decision.action is Action.RESTORE:
        assert facts.traffic is Traffic.FALLBACK
        assert facts.champion.is_ready


@given(
    worlds, st.sampled_from([SignalState.NO_DATA, SignalState.UNKNOWN, SignalState.INSUFFICIENT])
)
def test_nothing_is_started_without_data(facts: Facts, state: SignalState) -> None:
    blind = readings(**{one.name: state for one in POLICY.signals})

    decision = decide(POLICY, blind, replace(facts, fallback_ready=1, rescued=False))

    assert decision.action is Action.NONE or decision.is_rescue


@given(st.tuples(states, states, states), worlds)
def test_suspended_policy_decides_nothing(found: tuple[SignalState, ...], facts: Facts) -> None:
    suspended: Policy = replace(POLICY, mode=Mode.SUSPEND)
    names = [one.name for one in POLICY.signals]

    assert (
        decide(suspended, readings(**dict(zip(names, found, strict=True))), facts).action
        is Action.NONE
    )


def test_backoff_grows_to_its_limit() -> None:
    assert [backoff_seconds(one, 10, 2, 35) for one in (1, 2, 3, 4)] == [10, 20, 35, 35]


@pytest.mark.parametrize(("text", "seconds"), [("30s", 30), ("1h30m", 5400), ("250ms", 0.25)])
def test_durations_are_go_s(text: str, seconds: float) -> None:
    assert seconds_of(text, "x") == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "30", "30d", "s", None, 30, "1h 30m"])
def test_strange_duration_names_the_field(text: object) -> None:
    with pytest.raises(FieldError, match=r"spec\.x"):
        seconds_of(text, "spec.x")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"signals": [SPEC["signals"][0]] * 2}, "spec.signals"),
        ({"rules": {"retrain": {"anyOf": [{"allOf": ["nothing"]}]}}}, "spec.rules.retrain"),
        ({"retrain": None}, "spec.retrain"),
        ({"target": {}}, "spec"),
        ({"mode": "Sometimes"}, "spec"),
        ({"gate": {"champion": {"confidence": "1"}}}, "spec.gate.champion.confidence"),
        ({"gate": {"champion": {"confidence": "0.4"}}}, "spec.gate.champion.confidence"),
    ],
)
def test_spec_that_cannot_be_used_is_named(change: dict[str, Any], field: str) -> None:
    with pytest.raises(FieldError) as refusal:
        policy_of({**SPEC, **change})

    assert refusal.value.field == field
