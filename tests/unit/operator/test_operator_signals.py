"""From samples to states: hysteresis, holes, missing and stale data."""

import asyncio
import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taxi_operator.observation import observe
from taxi_operator.policies import Condition, OnNoData, Signal, policy_of
from taxi_operator.signals import Observed, SignalState, read
from taxi_operator.statuses import Status

SIGNAL = Signal(
    name="drift", promql="q", freshness_promql="age", max_age_seconds=60, explain_promql="",
    enter=Condition("GreaterOrEqual", 1.0, 30), exit=Condition("Less", 0.8, 30),
    min_samples_promql="n", min_samples=100, on_no_data=OnNoData.HOLD,
)  # fmt: skip
HIGH = Observed([1.2] * 11, 11, [1.2] * 11, 11, age_seconds=5, samples=500)
POLICY = policy_of(
    {
        "target": {"deploymentName": "p", "activeServiceName": "s"},
        "prometheus": {"url": "http://p"},
        "signals": [],
    }
)
LOW = replace(HIGH, enter_values=[0.5] * 11, exit_values=[0.5] * 11)


def test_breach_needs_the_whole_time() -> None:
    assert read(SIGNAL, HIGH, was_breached=False).state is SignalState.BREACHED
    once_low = replace(HIGH, enter_values=[0.5] + [1.2] * 10)
    assert read(SIGNAL, once_low, was_breached=False).state is SignalState.PENDING


def test_hole_in_the_time_is_no_breach() -> None:
    few = replace(HIGH, enter_values=[1.2] * 7)

    assert read(SIGNAL, few, was_breached=False).state is SignalState.PENDING


def test_breached_signal_stays_until_exit_lasted() -> None:
    between = replace(HIGH, enter_values=[0.9] * 11, exit_values=[0.9] * 11)

    assert read(SIGNAL, between, was_breached=True).state is SignalState.BREACHED
    assert read(SIGNAL, between, was_breached=False).state is SignalState.HEALTHY
    assert read(SIGNAL, LOW, was_breached=True).state is SignalState.HEALTHY


@pytest.mark.parametrize(
    "observed",
    [
        Observed(problem="Prometheus is away"),
        replace(HIGH, enter_values=[]),
        replace(HIGH, enter_values=[math.nan] * 11),
        replace(HIGH, enter_values=[math.inf] * 11),
        replace(HIGH, age_seconds=None),
        replace(HIGH, age_seconds=61.0),
        replace(HIGH, age_seconds=math.nan),
    ],
)
@pytest.mark.parametrize("was", [True, False])
def test_missing_data_holds_the_state_and_is_no_breach_to_act_on(
    observed: Observed, was: bool
) -> None:
    found = read(SIGNAL, observed, was)

    assert found.state is SignalState.NO_DATA
    assert found.breached is was
    assert found.reason


def test_missing_data_means_what_the_policy_says() -> None:
    away = Observed(problem="away")
    breach = replace(SIGNAL, on_no_data=OnNoData.BREACH)
    healthy = replace(SIGNAL, on_no_data=OnNoData.HEALTHY)

    assert read(breach, away, was_breached=False).state is SignalState.BREACHED
    assert read(healthy, away, was_breached=True).state is SignalState.HEALTHY


@pytest.mark.parametrize("samples", [None, 99.0])
def test_too_few_samples_say_nothing(samples: float | None) -> None:
    found = read(SIGNAL, replace(HIGH, samples=samples), was_breached=False)

    assert found.state is SignalState.INSUFFICIENT
    assert not found.breached


@given(st.lists(st.booleans(), min_size=4, max_size=60))
def test_flapping_faster_than_the_time_never_breaches(highs: list[bool]) -> None:
    # At least one low sample in any eleven: the window always holds one.
    series = [value for one in highs for value in (1.5 if one else 0.9, 0.9)]
    breached = False
    for end in range(1, len(series) + 1):
        window = series[max(0, end - 11) : end]
        observed = replace(HIGH, enter_values=window, exit_values=window)
        breached = read(SIGNAL, observed, breached).breached
        assert not breached


def test_wrong_query_is_never_a_breach() -> None:
    found = read(
        replace(SIGNAL, on_no_data=OnNoData.BREACH),
        Observed(problem="has 2 series", unusable=True),
        was_breached=False,
    )

    assert (found.state, found.breached) == (SignalState.NO_DATA, False)


@pytest.mark.parametrize("no_data", list(OnNoData))
@pytest.mark.parametrize("was", [True, False])
def test_silent_prometheus_changes_nothing(no_data: OnNoData, was: bool) -> None:
    signal = replace(SIGNAL, on_no_data=no_data)
    policy = replace(POLICY, prometheus_url="http://127.0.0.1:1", signals=(signal,))

    (found,) = asyncio.run(observe(policy, Status(breached={"drift": was}))).readings

    assert (found.state, found.breached, found.recovered) == (SignalState.NO_DATA, was, False)


def test_signal_is_unknown_just_after_a_promotion() -> None:
    found = read(SIGNAL, replace(HIGH, settling=True), was_breached=True)

    assert (found.state, found.breached) == (SignalState.UNKNOWN, False)


@pytest.mark.parametrize("samples", [None, math.nan, math.inf, 99.0])
def test_number_of_samples_has_to_be_known(samples: float | None) -> None:
    found = read(SIGNAL, replace(HIGH, samples=samples), was_breached=False)

    assert found.state is SignalState.INSUFFICIENT
