"""Rows an hour beside the reference's: what is measured, and what is not known."""

from dataclasses import replace

import numpy as np
import pytest
from support.evidence_rows import PACE, START, calibrated, columns, reference_like, sample_of

from taxi_profiles.evidence.calibration import calibration_of
from taxi_profiles.evidence.detector import Detector
from taxi_profiles.evidence.streams import Side
from taxi_profiles.evidence.traffic import Traffic, UsualTraffic, traffic_after, usual_traffic
from taxi_profiles.reference import MOMENT

HOUR = 3600.0
DAY = 24 * HOUR
WEEKS = 3
#: Rows an hour by the hour of the day: busy from 6 to 21.
BY_HOUR = np.where((np.arange(24) >= 6) & (np.arange(24) < 21), 60, 12)


def moments_of(first_day: int, days: int, factor: float = 1.0) -> np.ndarray:
    """Return event times, evenly within each hour."""
    found = []
    for hour in range(24 * days):
        count = round(BY_HOUR[hour % 24] * factor)
        found.append(START + first_day * DAY + hour * HOUR + np.arange(count) * HOUR / count)
    return np.concatenate(found)


USUAL = usual_traffic(moments_of(0, 7 * WEEKS))


def ratios(moments: np.ndarray, size: int = 100, usual: UsualTraffic = USUAL) -> list[float | None]:
    """Return the ratio after each block."""
    found: list[float | None] = []
    traffic: Traffic | None = None
    for start in range(0, len(moments) - size + 1, size):
        traffic = traffic_after(usual, traffic, moments[start : start + size])
        whole = traffic and traffic.measured
        found.append(None if not whole else whole.rows / whole.usual)
    return found


def known(found: list[float | None]) -> np.ndarray:
    return np.array([one for one in found if one is not None])


@pytest.mark.parametrize("factor", [1.0, 0.5, 2.0])
def test_traffic_is_compared_with_that_of_like_hours(factor: float) -> None:
    found = ratios(moments_of(21, 7, factor))

    assert found[0] is None, "one block is no stretch"
    assert len(known(found)) > 20
    # A stratum has three hours, whose rows differ here.
    np.testing.assert_allclose(known(found), factor, rtol=0.35)
    assert np.median(known(found)) == pytest.approx(factor, rel=0.05)


def test_rows_out_of_order_and_wrong_clocks_change_little() -> None:
    moments = moments_of(21, 7)
    rng = np.random.default_rng(1)
    mixed = moments[np.argsort(moments + rng.normal(0, 2 * HOUR, len(moments)))]
    mixed[::20] -= 300 * DAY
    mixed[1::20] = np.nan

    found = known(ratios(mixed, 500))
    assert len(found) > 8
    np.testing.assert_allclose(found, 1.0, rtol=0.25)


def test_rows_that_stop_for_a_while_are_less_traffic() -> None:
    moments = moments_of(21, 4)
    gap = (moments < START + 22 * DAY) | (moments >= START + 23 * DAY)

    found = known(ratios(moments[gap]))
    assert found.min() < 0.25
    assert np.median(found) == pytest.approx(1.0, rel=0.1)


def test_many_short_blocks_are_one_stretch_of_an_hour() -> None:
    moments: np.ndarray = START + 21 * DAY + 9 * HOUR + np.arange(3000.0) * 3.0
    traffic = None
    stretches = set()
    for start in range(0, 3000, 100):
        traffic = traffic_after(USUAL, traffic, moments[start : start + 100])
        if traffic and traffic.measured:
            stretches.add(traffic.measured)

    (stretch,) = stretches
    assert (stretch.hours, stretch.rows) == (1.0, 1200)
    assert stretch.usual == pytest.approx(60.0)


def test_hours_that_the_reference_never_had_are_not_known() -> None:
    weekdays = usual_traffic(moments_of(0, 4))

    assert known(ratios(moments_of(21, 4), usual=weekdays)).size
    friday_to_sunday = ratios(moments_of(25, 3), usual=weekdays)
    assert not known(friday_to_sunday[-10:]).size
    assert USUAL.between(START, START) is None


def test_rows_of_days_before_begin_anew_and_an_order_that_is_mixed_does_not() -> None:
    traffic = None
    for day in (21, 22):
        moments = START + day * DAY + np.linspace(0, DAY, 100)
        traffic = traffic_after(USUAL, traffic, moments)
    assert traffic is not None
    assert traffic.measured is not None

    earlier = traffic_after(USUAL, traffic, np.full(100, traffic.begin - 600.0))
    assert earlier == replace(traffic, rows=100)
    for moved in (-400 * DAY, 400 * DAY):
        other = traffic_after(USUAL, traffic, np.full(100, traffic.begin + moved))
        assert other == Traffic(traffic.begin + moved, 0)
    untimed = traffic_after(USUAL, traffic, np.full(100, np.nan))
    assert untimed == replace(traffic, rows=100)
    assert traffic_after(USUAL, None, np.full(100, np.nan)) is None


def hourly(first: float, hours: float) -> np.ndarray:
    """Return event times, 100 in each hour from `first` on, which is in days."""
    return START + first * DAY + np.arange(hours * 100) * HOUR / 100


STEADY = usual_traffic(hourly(0, WEEKS * 7 * 24))


@pytest.mark.parametrize("back", [0.1, 2, 30])
def test_a_block_of_days_before_makes_no_stretch_with_the_next_one(back: float) -> None:
    live = hourly(21, 24)
    moments = np.concatenate([live[:600], hourly(21 - back, 1), live[600:]])

    found = ratios(moments, usual=STEADY)
    assert found[5] == pytest.approx(1.0, rel=0.03)
    assert found[6:8] == [None, None]
    assert len(known(found[8:])) == len(found) - 8
    np.testing.assert_allclose(known(found), 1.0, rtol=0.03)


def test_live_rows_beside_those_of_yesterday_are_no_stretch_of_a_day() -> None:
    pairs = zip(np.split(hourly(21, 24), 24), np.split(hourly(20, 24), 24), strict=True)
    alternating = np.concatenate([block for pair in pairs for block in pair])
    after = hourly(22, 5)

    found = ratios(np.concatenate([alternating, after]), usual=STEADY)
    assert found[:49] == [None] * 49
    np.testing.assert_allclose(known(found[49:]), 1.0, rtol=0.03)


def test_a_client_that_catches_up_is_not_the_traffic_of_its_days() -> None:
    moments = np.concatenate([hourly(21, 6), hourly(19, 24)[::10], hourly(21.25, 6)])

    found = ratios(moments, usual=STEADY)
    assert not known(found[6:9]).size
    np.testing.assert_allclose(known(found), 1.0, rtol=0.03)


def test_rows_of_days_before_and_untimed_ones_leave_where_the_time_was() -> None:
    traffic = traffic_after(STEADY, None, hourly(21, 1))
    assert traffic is not None
    behind = traffic_after(STEADY, traffic, hourly(19, 1))
    assert behind == Traffic(traffic.begin, 0, behind=True)

    untimed = traffic_after(STEADY, behind, np.full(100, np.nan))
    assert untimed == replace(behind, rows=100)
    later = hourly(21.2, 1)
    assert traffic_after(STEADY, untimed, later) == Traffic(float(np.median(later)), 0)


def test_days_without_rows_and_strays_are_no_days_of_the_reference() -> None:
    two_spans = np.concatenate([moments_of(0, 7), moments_of(70, 7)])
    strays = np.concatenate([two_spans, [START - 4000 * DAY, START + 30 * DAY + 3 * HOUR]])

    usual = usual_traffic(strays)
    assert usual.hours.sum() == pytest.approx(14 * 24, abs=0.1)
    np.testing.assert_allclose(usual.rows / usual.hours, USUAL.rows / USUAL.hours, rtol=0.01)
    assert usual_traffic(np.full(5, START)).between(START, START + HOUR) is None


def test_a_calibration_keeps_it_and_older_ones_do_without() -> None:
    made = columns(4000, 1)
    calibration = calibrated(made)
    assert calibration.traffic is not None
    arrays = calibration.arrays()
    kept = calibration_of(replace(reference_like(sample_of(made)), evidence=arrays)).traffic
    assert kept is not None
    begin = float(made[MOMENT][0])
    assert kept.between(begin, begin + 10 * HOUR) == pytest.approx(10 * PACE, rel=0.01)

    older = {name: array for name, array in arrays.items() if not name.startswith("traffic/")}
    before = calibration_of(replace(reference_like(sample_of(made)), evidence=older))
    assert before.traffic is None
    first, second = (Detector.start(one, Side.ROWS) for one in (calibration, before))
    assert first.judgement() == second.judgement(), "it is no stream"
