"""Thresholds and verdicts on the shipped rides: quiet weeks are quiet, the collapse is seen."""

from pathlib import Path

import numpy as np
import pytest

from taxi_profiles.calibration import Thresholds, blocks_of
from taxi_profiles.reference import (
    DISTANCE,
    DROPOFF,
    MOMENT,
    PICKUP,
    PREDICTION,
    TARGET,
    Reference,
    reference_of,
)
from taxi_profiles.strata import strata_of
from taxi_profiles.verdict import Alarm, evaluate, evaluate_labelled
from taxi_train.data.rides import Rides, read_file

SAMPLES = Path(__file__).parents[3] / "jobs" / "train" / "src" / "taxi_train" / "samples"
WINDOW = 2000


def columns(rides: Rides) -> dict[str, np.ndarray]:
    # A plain stand-in for a model: good enough to have errors of its own.
    predicted = 5 + 3.2 * np.minimum(rides.distance, 15)
    return {
        PICKUP: rides.pickup,
        DROPOFF: rides.dropoff,
        DISTANCE: rides.distance,
        MOMENT: rides.moment,
        PREDICTION: predicted,
        TARGET: rides.duration,
    }


def windows(rides: Rides) -> list[dict[str, np.ndarray]]:
    return [
        columns(rides[start : start + WINDOW]) for start in range(0, len(rides) - WINDOW, WINDOW)
    ]


@pytest.fixture(scope="module")
def january() -> Reference:
    return reference_of(columns(read_file(SAMPLES / "green-2021-01.parquet")))


@pytest.fixture(scope="module")
def before() -> Reference:
    return reference_of(columns(read_file(SAMPLES / "green-2020-03-before.parquet")))


def test_ordinary_weeks_are_no_breach(january: Reference) -> None:
    found = [
        evaluate(january, one) for one in windows(read_file(SAMPLES / "green-2021-02-head.parquet"))
    ]

    assert len(found) >= 5
    assert all(one.score_ratio is not None and one.score_ratio < 1 for one in found)


def test_collapse_is_a_breach_of_the_zones(before: Reference) -> None:
    found = [
        evaluate(before, one) for one in windows(read_file(SAMPLES / "green-2020-03-after.parquet"))
    ]

    assert sum(one.score_ratio is not None and one.score_ratio >= 1 for one in found) >= 4
    assert any(PICKUP in one.drifted for one in found)


def test_large_error_is_a_breach(january: Reference) -> None:
    window = windows(read_file(SAMPLES / "green-2021-02-head.parquet"))[3]
    usual = evaluate_labelled(january, window).error
    worse = evaluate_labelled(january, {**window, TARGET: window[TARGET] * 2.5}).error

    assert usual is not None
    assert worse is not None
    assert usual.score_ratio is not None
    assert worse.score_ratio is not None
    assert usual.score_ratio < 1 < worse.score_ratio
    assert worse.bias < usual.bias


def test_profile_survives_its_bytes(january: Reference) -> None:
    window = windows(read_file(SAMPLES / "green-2021-02-head.parquet"))[0]

    back = Reference.from_bytes(january.to_bytes())

    assert evaluate(back, window) == evaluate(january, window)
    assert evaluate_labelled(back, window) == evaluate_labelled(january, window)
    assert back.to_bytes() == january.to_bytes()


@pytest.mark.parametrize("data", [b"", b"PK\x05\x06" + bytes(18), b"x" * 100])
def test_damaged_profile_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"reference|pickle|data"):
        Reference.from_bytes(data)


def test_broken_column_does_not_lose_the_verdict(january: Reference) -> None:
    window = windows(read_file(SAMPLES / "green-2021-02-head.parquet"))[0]

    verdict = evaluate(january, {**window, DISTANCE: np.full(WINDOW, np.nan)})

    assert set(verdict.problems) == {DISTANCE}
    assert {one.feature for one in verdict.features} == {PICKUP, DROPOFF, PREDICTION}


def test_missing_values_and_unseen_zones_are_told(january: Reference) -> None:
    window = windows(read_file(SAMPLES / "green-2021-02-head.parquet"))[0]
    holes = window[DISTANCE].copy()
    holes[:500] = np.nan
    strange = window[PICKUP].copy()
    strange[:200] = 999

    found = {
        one.feature: one
        for one in evaluate(january, {**window, DISTANCE: holes, PICKUP: strange}).features
    }

    assert found[DISTANCE].missing_ratio == 0.25
    assert found[PICKUP].unseen_ratio >= 0.1
    assert found[PICKUP].score_ratio is not None
    assert found[PICKUP].score_ratio > 1


def test_threshold_falls_with_the_row_count() -> None:
    thresholds = Thresholds(np.array([100.0, 1000.0]), np.array([0.4, 0.1]))

    assert thresholds.at(99) is None
    assert thresholds.at(100) == pytest.approx(0.4)
    between = thresholds.at(300)
    assert between is not None
    assert 0.1 < between < 0.4
    assert thresholds.at(10_000) == pytest.approx(0.1)


def test_blocks_cover_the_reference_and_stay_bounded() -> None:
    blocks = blocks_of(200_000, 500)

    assert len(blocks) <= 120
    assert blocks[0].start == 0
    assert blocks[-1].stop > 199_000


def test_missing_column_of_a_reference_is_named() -> None:
    with pytest.raises(ValueError, match="moment"):
        reference_of({PICKUP: np.ones(3)})


def test_strata_follow_the_calendar() -> None:
    sunday_noon = (
        np.datetime64("2021-01-31T12:30") - np.datetime64("1970-01-01")
    ) / np.timedelta64(1, "s")
    monday_night = (
        np.datetime64("2021-02-01T02:59") - np.datetime64("1970-01-01")
    ) / np.timedelta64(1, "s")

    assert strata_of(np.array([sunday_noon, monday_night])).tolist() == [12, 0]


def test_same_rides_twice_are_no_second_breach() -> None:
    once = Alarm().after(1.5, 2000, 2000)

    assert not once.after(1.5, 2000, 2000).raised
    assert not once.after(1.5, 2499, 2000).raised
    assert once.after(1.5, 2500, 2000).raised


def test_good_window_in_between_starts_anew() -> None:
    alarm = Alarm().after(1.5, 2000, 2000).after(0.9, 2500, 2000).after(1.5, 3000, 2000)

    assert not alarm.raised


def test_raised_alarm_clears_only_well_below() -> None:
    raised = Alarm().after(1.5, 2000, 2000).after(1.5, 2500, 2000)

    assert raised.raised
    assert raised.after(0.95, 3000, 2000).raised
    assert not raised.after(0.7, 3000, 2000).raised
