"""From samples to states: hysteresis, holes, missing and stale data."""

import asyncio
import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taxi_operator.adapters.servers import Servers
from taxi_operator.core.series import Series, step_of
from taxi_operator.core.signals import Observed, SignalState, read
from taxi_operator.memory.status import Status
from taxi_operator.observation import Observation, observe
from taxi_operator.spec.addresses import AllowList
from taxi_operator.spec.policy import policy_of
from taxi_operator.spec.signals import Condition, Signal

SIGNAL = Signal(
    name="drift", promql="q", freshness_promql="age", max_age_seconds=60, explain_promql="",
    enter=Condition("GreaterOrEqual", 1.0, 30), exit=Condition("Less", 0.8, 30),
    min_samples_promql="n", min_samples=100,
)  # fmt: skip
NOW = 1_000_000.0


def series(*values: float | None, seconds: float = 30, end: float = NOW) -> Series:
    """Return the newest values of a range, one a step; None is a hole."""
    step = step_of(seconds)
    times = [end - step * back for back in range(len(values) - 1, -1, -1)]
    samples = [(at, one) for at, one in zip(times, values, strict=True) if one is not None]
    return Series(tuple(samples), end - seconds, end, step)


def observed(*values: float | None, age: float | None = 5) -> Observed:
    """Return the same values for both conditions of `SIGNAL`."""
    return Observed(series(*values), series(*values), age_seconds=age, samples=500)


HIGH = observed(*[1.2] * 11)
POLICY = policy_of(
    {
        "target": {"deploymentName": "p", "activeServiceName": "s"},
        "prometheus": {"url": "http://p"},
        "signals": [],
    }
)
LOW = observed(*[0.5] * 11)


def test_breach_needs_the_whole_time() -> None:
    assert read(SIGNAL, HIGH, was_breached=False).state is SignalState.BREACHED
    assert read(SIGNAL, observed(0.5, *[1.2] * 10), was_breached=False).state is SignalState.PENDING


@pytest.mark.parametrize(
    ("holes", "state"),
    [
        ({4, 6}, SignalState.BREACHED),
        ({4, 5, 6}, SignalState.PENDING),
        ({0, 1}, SignalState.BREACHED),
        ({0, 1, 2}, SignalState.PENDING),
        ({9, 10}, SignalState.BREACHED),
        ({8, 9, 10}, SignalState.NO_DATA),
    ],
)
def test_only_holes_within_the_time_are_tolerated(holes: set[int], state: SignalState) -> None:
    found = read(
        SIGNAL,
        observed(*[None if one in holes else 1.2 for one in range(11)]),
        was_breached=False,
    )

    assert found.state is state


def test_samples_of_the_newest_part_are_not_the_whole_time() -> None:
    """A day asked for, and its last 80 % there: nothing is known of the first hours."""
    day = series(*[1.2] * 4001, seconds=86_400)
    signal = replace(SIGNAL, enter=Condition("GreaterOrEqual", 1.0, 86_400))

    found = read(signal, replace(HIGH, enter=day), was_breached=False)

    assert found.state is SignalState.PENDING
    assert "samples cover 69120 s of 86400 s" in found.reason


def test_old_value_is_not_the_present_one() -> None:
    """Breached for hours, then silence, long before the `for` of a day is full."""
    day = series(*[1.2] * 4300, *[None] * 701, seconds=86_400)
    signal = replace(SIGNAL, enter=Condition("GreaterOrEqual", 1.0, 86_400))

    found = read(signal, replace(HIGH, enter=day), was_breached=False)

    assert (found.state, found.value, found.breached) == (SignalState.NO_DATA, None, False)
    assert "the newest sample is 12113 s old" in found.reason
    assert "samples cover 74287 s of 86400 s" in found.reason


values = st.none() | st.sampled_from([0.5, 0.9, 1.0, 1.2])


@given(st.lists(values, max_size=40), st.booleans(), st.sampled_from([5, 30, 600, 86_400]))
def test_without_a_new_sample_nothing_is_breached_or_recovered(
    found: list[float | None], was: bool, seconds: float
) -> None:
    silent = series(*found, None, None, seconds=seconds)
    silent = replace(silent, end=silent.end + 0.1)
    signal = replace(
        SIGNAL,
        enter=Condition("GreaterOrEqual", 1.0, seconds),
        exit=Condition("Less", 1.0, seconds),
    )

    reading = read(signal, replace(HIGH, enter=silent, exit=silent), was)

    assert reading.state is SignalState.NO_DATA
    assert (reading.breached, reading.recovered) == (was, False)


@given(st.lists(values, max_size=40), st.booleans(), st.booleans())
def test_each_condition_needs_new_samples_of_its_own(
    found: list[float | None], was: bool, enter_is_silent: bool
) -> None:
    silent = series(*found, None, None)
    silent = replace(silent, end=silent.end + 0.1)
    enter, exit_ = (silent, LOW.exit) if enter_is_silent else (HIGH.enter, silent)

    reading = read(SIGNAL, replace(HIGH, enter=enter, exit=exit_), was)

    assert not reading.recovered
    assert not (enter_is_silent and reading.state is SignalState.BREACHED)


def test_message_of_a_breach_tells_the_time_that_was_seen() -> None:
    found = read(SIGNAL, observed(*[1.2] * 5, None, *[1.2] * 5), was_breached=False)

    assert found.reason == "1.2 GreaterOrEqual 1; samples cover 27 s of 30 s"


def test_breached_signal_stays_until_exit_lasted() -> None:
    between = observed(*[0.9] * 11)

    assert read(SIGNAL, between, was_breached=True).state is SignalState.BREACHED
    assert read(SIGNAL, between, was_breached=False).state is SignalState.HEALTHY
    assert read(SIGNAL, LOW, was_breached=True).state is SignalState.HEALTHY


@pytest.mark.parametrize(
    "missing",
    [
        Observed(problem="Prometheus is away"),
        replace(HIGH, enter=series()),
        replace(HIGH, enter=series(*[math.nan] * 11)),
        replace(HIGH, enter=series(*[math.inf] * 11)),
        replace(HIGH, enter=series(*[1.2] * 8, None, None, None)),
        replace(HIGH, age_seconds=None),
        replace(HIGH, age_seconds=61.0),
        replace(HIGH, age_seconds=math.nan),
    ],
)
@pytest.mark.parametrize("was", [True, False])
def test_missing_data_holds_the_state_and_is_no_breach_to_act_on(
    missing: Observed, was: bool
) -> None:
    found = read(SIGNAL, missing, was)

    assert found.state is SignalState.NO_DATA
    assert found.breached is was
    assert found.reason


@pytest.mark.parametrize("samples", [None, 99.0])
def test_too_few_samples_say_nothing(samples: float | None) -> None:
    found = read(SIGNAL, replace(HIGH, samples=samples), was_breached=False)

    assert found.state is SignalState.INSUFFICIENT
    assert not found.breached


@given(st.lists(st.booleans(), min_size=4, max_size=60))
def test_flapping_faster_than_the_time_never_breaches(highs: list[bool]) -> None:
    # At least one low sample in any eleven: the window always holds one.
    flapping = [value for one in highs for value in (1.5 if one else 0.9, 0.9)]
    breached = False
    for end in range(1, len(flapping) + 1):
        window = flapping[max(0, end - 11) : end]
        breached = read(SIGNAL, observed(*window), breached).breached
        assert not breached


def test_wrong_query_is_never_a_breach() -> None:
    found = read(
        SIGNAL, Observed(problem="has 2 series", failure="AmbiguousQuery"), was_breached=False
    )

    assert (found.state, found.breached) == (SignalState.NO_DATA, False)
    assert (found.reason, found.failure) == ("has 2 series", "AmbiguousQuery")


@pytest.mark.parametrize("was", [True, False])
def test_silent_prometheus_changes_nothing(was: bool) -> None:
    policy = replace(POLICY, prometheus_url="http://127.0.0.1:1", signals=(SIGNAL,))

    async def look() -> Observation:
        servers = Servers(AllowList("http://127.0.0.1:1"))
        try:
            return await observe(policy, Status(breached={"drift": was}), servers)
        finally:
            await servers.close()

    (found,) = asyncio.run(look()).readings

    assert (found.state, found.breached, found.recovered) == (SignalState.NO_DATA, was, False)
    assert found.failure == "PrometheusUnreachable"


def test_signal_is_unknown_just_after_a_promotion() -> None:
    found = read(SIGNAL, replace(HIGH, settling=True), was_breached=True)

    assert (found.state, found.breached) == (SignalState.UNKNOWN, False)


@pytest.mark.parametrize("samples", [None, math.nan, math.inf, 99.0])
def test_number_of_samples_has_to_be_known(samples: float | None) -> None:
    found = read(SIGNAL, replace(HIGH, samples=samples), was_breached=False)

    assert found.state is SignalState.INSUFFICIENT
