"""A signal that is remembered as breached, and what its history tells of the time between looks."""

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taxi_operator.core.latch import Past, past_range, was_released
from taxi_operator.core.long_series import Cursor, Judged, LongSeries
from taxi_operator.core.signals import lasted
from taxi_operator.spec.signals import Condition, Signal

_STEP = 15.0
_INTERVAL = 30.0
_BREACHED, _BETWEEN, _HEALTHY = 1.5, 0.9, 0.5


def signal(
    *, enter_for: float = 60.0, exit_for: float = 150.0, age: str = "", rows: str = ""
) -> Signal:
    return Signal(
        name="drift", promql="score", freshness_promql=age, max_age_seconds=60.0, explain_promql="",
        enter=Condition("GreaterOrEqual", 1.0, enter_for),
        exit=Condition("Less", 0.8, exit_for),
        min_samples_promql=rows, min_samples=100 if rows else 0,
    )  # fmt: skip


def series(*parts: tuple[float | None, int]) -> LongSeries:
    """Return values, each for so many steps; None is a hole."""
    values = [value for value, steps in parts for _ in range(steps)]
    return LongSeries([(_STEP * at, one) for at, one in enumerate(values) if one is not None])


def released(of: Signal, values: LongSeries, ages: LongSeries | None = None,
             rows: LongSeries | None = None) -> bool:  # fmt: skip
    return was_released(of, Past(values, ages, rows), _STEP, _INTERVAL)


def test_signal_that_was_healthy_for_its_time_is_breached_no_more() -> None:
    assert released(signal(), series((_BREACHED, 20), (_HEALTHY, 20), (_BETWEEN, 20)))


def test_signal_that_was_never_healthy_stays_breached() -> None:
    assert not released(signal(), series((_BREACHED, 20), (_BETWEEN, 60)))


def test_health_that_was_too_short_releases_nothing() -> None:
    assert not released(signal(), series((_BREACHED, 20), (_HEALTHY, 9), (_BETWEEN, 60)))


def test_health_that_a_look_could_have_missed_releases_nothing() -> None:
    """It lasted for `exit.for`, and for less than two intervals more."""
    assert not released(signal(), series((_BREACHED, 20), (_HEALTHY, 14), (_BETWEEN, 60)))


def test_breach_after_the_health_counts() -> None:
    past = series((_BREACHED, 20), (_HEALTHY, 30), (_BREACHED, 20), (_BETWEEN, 20))
    assert not released(signal(), past)


def test_breach_too_short_after_the_health_does_not_count() -> None:
    past = series((_BREACHED, 20), (_HEALTHY, 30), (_BREACHED, 2), (_BETWEEN, 20))
    assert released(signal(), past)


def test_silence_is_no_health() -> None:
    assert not released(signal(), series((_BREACHED, 20), (None, 200), (_BETWEEN, 2)))


@pytest.mark.parametrize(("age", "expected"), [(30.0, True), (90.0, False)])
def test_values_that_were_stale_are_no_health(age: float, expected: bool) -> None:
    values = series((_BREACHED, 20), (_HEALTHY, 30), (_BETWEEN, 20))
    assert released(signal(age="age"), values, ages=series((age, 70))) is expected


@pytest.mark.parametrize(("rows", "expected"), [(100.0, True), (99.0, False)])
def test_values_of_too_few_rows_are_no_health(rows: float, expected: bool) -> None:
    values = series((_BREACHED, 20), (_HEALTHY, 30), (_BETWEEN, 20))
    assert released(signal(rows="rows"), values, rows=series((rows, 70))) is expected


def test_nothing_is_known_without_a_past() -> None:
    assert not released(signal(), LongSeries())


def test_range_has_a_bound_and_ends_where_another_model_answered() -> None:
    assert past_range(signal(), 100_000.0, 0.0).start == pytest.approx(100_000.0 - 6 * 3600)
    assert past_range(signal(), 100_000.0, 99_000.0).start == 99_000.0
    assert past_range(signal(exit_for=7 * 86_400.0), 1e9, 0.0).count <= 4_001


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from([_BREACHED, _BETWEEN, _HEALTHY, None]), st.integers(1, 25)),
        min_size=1, max_size=12,
    ),
    st.sampled_from([0.0, 30.0, 60.0]),
)  # fmt: skip
def test_history_tells_nothing_else_than_looks_that_all_took_place(
    parts: Sequence[tuple[float | None, int]], enter_for: float
) -> None:
    of, values = signal(enter_for=enter_for), series(*parts)
    enter = Cursor(Judged(values, of.enter), of.enter.for_seconds, _STEP)
    leave = Cursor(Judged(values, of.exit), of.exit.for_seconds, _STEP)
    breached = True
    end = _STEP * (sum(steps for _, steps in parts) - 1)
    for look in range(int(end // _INTERVAL) + 1):
        now = look * _INTERVAL
        if values.value_at(now) is None:
            continue  # nothing is there: silence changes nothing
        breached = lasted(of.enter, enter.window(now, 0.0)) or (
            breached and not lasted(of.exit, leave.window(now, 0.0))
        )
    if breached:
        assert not released(of, values)
