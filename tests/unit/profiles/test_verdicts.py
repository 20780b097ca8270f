"""Thresholds and verdicts on the shipped rides: quiet weeks are quiet, the collapse is seen."""

import numpy as np
import pytest
from support.taxi_columns import DISTANCE, DROPOFF, PICKUP, taxi_reference, taxi_rides, usual

from taxi_profiles.calibration import Thresholds, blocks_of
from taxi_profiles.reference import MOMENT, PREDICTION, TARGET, Reference, Sample, reference_of
from taxi_profiles.strata import strata_of
from taxi_profiles.verdict import Alarm, evaluate, evaluate_labelled
from taxi_schema.columns.rows import LabelledRows

WINDOW = 2000


def read(name: str) -> LabelledRows:
    return usual(taxi_rides(f"{name}.parquet"))


def columns(rides: LabelledRows) -> dict[str, np.ndarray]:
    # A plain stand-in for a model: good enough to have errors of its own.
    return {
        **rides.columns,
        MOMENT: rides.moments,
        PREDICTION: 5 + 3.2 * np.minimum(rides.columns[DISTANCE], 15),
        TARGET: rides.target,
    }


def windows(rides: LabelledRows) -> list[dict[str, np.ndarray]]:
    return [
        columns(rides[start : start + WINDOW]) for start in range(0, len(rides) - WINDOW, WINDOW)
    ]


@pytest.fixture(scope="module")
def january() -> Reference:
    return taxi_reference(columns(read("green-2021-01")))


@pytest.fixture(scope="module")
def before() -> Reference:
    return taxi_reference(columns(read("green-2020-03-before")))


def test_ordinary_weeks_are_no_breach(january: Reference) -> None:
    found = [evaluate(january, one) for one in windows(read("green-2021-02-head"))]

    assert len(found) >= 5
    assert all(one.score_ratio is not None and one.score_ratio < 1 for one in found)


def test_collapse_is_a_breach_of_the_zones(before: Reference) -> None:
    found = [evaluate(before, one) for one in windows(read("green-2020-03-after"))]

    assert sum(one.score_ratio is not None and one.score_ratio >= 1 for one in found) >= 4
    assert any(PICKUP in one.drifted for one in found)


def test_large_error_is_a_breach(january: Reference) -> None:
    window = windows(read("green-2021-02-head"))[3]
    usual = evaluate_labelled(january, window).error
    worse = evaluate_labelled(january, {**window, TARGET: window[TARGET] * 2.5}).error

    assert usual is not None
    assert worse is not None
    assert usual.score_ratio is not None
    assert worse.score_ratio is not None
    assert usual.score_ratio < 1 < worse.score_ratio
    assert worse.bias < usual.bias


def test_profile_survives_its_bytes(january: Reference) -> None:
    window = windows(read("green-2021-02-head"))[0]

    back = Reference.from_bytes(january.to_bytes())

    assert evaluate(back, window) == evaluate(january, window)
    assert evaluate_labelled(back, window) == evaluate_labelled(january, window)
    assert back.to_bytes() == january.to_bytes()


@pytest.mark.parametrize("data", [b"", b"PK\x05\x06" + bytes(18), b"x" * 100])
def test_damaged_profile_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"reference|pickle|data"):
        Reference.from_bytes(data)


def test_broken_column_does_not_lose_the_verdict(january: Reference) -> None:
    window = windows(read("green-2021-02-head"))[0]

    verdict = evaluate(january, {**window, DISTANCE: np.full(WINDOW, np.nan)})

    assert set(verdict.problems) == {DISTANCE}
    assert {one.feature for one in verdict.features} == {PICKUP, DROPOFF, PREDICTION}


def test_missing_values_and_unseen_zones_are_told(january: Reference) -> None:
    window = windows(read("green-2021-02-head"))[0]
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


def test_a_column_of_another_length_is_named() -> None:
    sample = Sample({"x": np.ones(2)}, {}, np.ones(3), np.ones(3))

    with pytest.raises(ValueError, match="other lengths: x"):
        reference_of(sample)


def test_strings_are_compared_as_the_same_integers_are() -> None:
    draw = np.random.default_rng(3)
    numbers, later = draw.integers(10, 40, 4000), draw.integers(25, 60, 1000)
    target = draw.normal(0, 1, 4000)
    of_integers, of_strings = (
        reference_of(Sample({}, {"c": values}, target, target + 1, deciding=frozenset("c")))
        for values in (numbers.astype(float), [f"{number}" for number in numbers])
    )
    whole = {MOMENT: np.zeros(1000)}

    (integers,) = evaluate(of_integers, {**whole, "c": later.astype(float)}).features
    texts = of_strings.codes("c", [f"{number}" for number in later])
    (strings,) = evaluate(of_strings, {**whole, "c": texts}).features

    assert strings == integers
    assert strings.unseen_ratio > 0.4
    assert of_strings.category("c", 0) == "10"
    back = Reference.from_bytes(of_strings.to_bytes())
    assert back.categories == of_strings.categories
    assert (set(back.deciding), back.timed) == ({"c"}, False)


def test_a_column_without_any_value_is_told_and_loses_no_other() -> None:
    draw = np.random.default_rng(3)
    target = draw.normal(0, 1, 2000)
    sample = Sample(
        {"x": draw.normal(0, 1, 2000), "gone": np.full(2000, np.nan)}, {"c": [None] * 2000},
        target, target + draw.normal(0, 1, 2000), deciding=frozenset({"x", "gone", "c"}),
    )  # fmt: skip
    reference = Reference.from_bytes(reference_of(sample).to_bytes())
    window = {name: draw.normal(0, 1, 500) for name in ("x", "gone", "c")}

    verdict = evaluate(reference, {**window, MOMENT: np.zeros(500)})

    assert set(verdict.problems) == {"gone", "c"}
    assert [one.feature for one in verdict.features] == ["x"]
    assert verdict.score_ratio is not None


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


def test_strings_of_a_column_that_was_empty_so_far_are_alike() -> None:
    target = np.random.default_rng(5).normal(0, 1, 1000)
    reference = reference_of(Sample({}, {"c": [None] * 1000}, target, target + 1))

    codes = reference.codes("c", ["late", None, "later"])

    assert list(np.isnan(codes)) == [False, True, False]
    assert codes[0] == codes[2]


def test_a_column_may_be_called_moment() -> None:
    rng = np.random.default_rng(5)
    target, column = rng.normal(0, 1, 1000), rng.normal(0, 1, 1000)
    moments = np.arange(1000.0)
    reference = reference_of(Sample({"moment": column}, {}, target, target + 1, moments=moments))

    found = evaluate(reference, {MOMENT: moments[:300], "moment": column[:300]}).features

    assert [feature.feature for feature in found] == ["moment"]
