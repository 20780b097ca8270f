"""Columns that hardly vary: chance alone is no exceeded, and what cannot be evaluated says so."""

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from support.taxi_columns import DISTANCE, DROPOFF, PICKUP, taxi_reference

from taxi_profiles.calibration import ROW_COUNTS, Thresholds
from taxi_profiles.categorical import MAX_DISTANCE
from taxi_profiles.errors import error_profile
from taxi_profiles.noise import COLUMN_LEVEL, far_quantile, most_of
from taxi_profiles.reference import MOMENT, PREDICTION, TARGET, Reference
from taxi_profiles.verdict import FeatureVerdict, evaluate, evaluate_labelled

DAY = 86_400.0
EXAMPLES = settings(max_examples=10)


def rides(rng: np.random.Generator, rows: int, **columns: np.ndarray) -> dict[str, np.ndarray]:
    """Return rides of three weeks; columns that are not given are ordinary."""
    miles = np.round(rng.gamma(1.5, 2.0, rows), 1)
    minutes = np.round(5 + 3 * miles)
    ordinary = {
        PICKUP: rng.integers(1, 60, rows).astype(float),
        DROPOFF: rng.integers(1, 60, rows).astype(float),
        DISTANCE: miles,
        PREDICTION: minutes,
        TARGET: minutes + np.round(rng.normal(0, 3, rows)),
        MOMENT: rng.uniform(0, 21 * DAY, rows),
    }
    return {**ordinary, **columns}


def mostly(
    rng: np.random.Generator, rows: int, usual: float, other: float, share: float
) -> np.ndarray:
    """Return a column that has one value nearly always."""
    return np.where(rng.random(rows) < share, other, usual)


def verdict_on(reference: Reference, window: dict[str, np.ndarray], name: str) -> FeatureVerdict:
    (found,) = (one for one in evaluate(reference, window).features if one.feature == name)
    return found


@EXAMPLES
@given(
    st.integers(0, 2**32 - 1),
    st.integers(600, 6000),
    st.sampled_from([200, 500, 2000]),
    st.sampled_from([0.0, 0.0003, 0.001, 0.004, 0.02, 0.2]),
    st.sampled_from([PICKUP, DISTANCE]),
)
def test_rides_of_the_same_kind_are_never_a_breach(
    seed: int, reference_rows: int, rows: int, share: float, name: str
) -> None:
    rng = np.random.default_rng(seed)
    reference = taxi_reference(
        rides(rng, reference_rows, **{name: mostly(rng, reference_rows, 7.0, 9.0, share)})
    )

    for _ in range(5):
        window = rides(rng, rows, **{name: mostly(rng, rows, 7.0, 9.0, share)})
        found = verdict_on(reference, window, name)
        assert not found.exceeded, (found, np.count_nonzero(window[name] == 9.0))


@EXAMPLES
@given(
    st.integers(0, 2**32 - 1),
    st.integers(600, 6000),
    st.sampled_from([200, 500, 2000]),
    st.sampled_from([0.0, 0.001, 0.02, 0.5]),
    st.sampled_from([PICKUP, DISTANCE]),
)
def test_rides_of_another_kind_are_a_breach_or_it_says_why_not(
    seed: int, reference_rows: int, rows: int, share: float, name: str
) -> None:
    rng = np.random.default_rng(seed)
    reference = taxi_reference(
        rides(rng, reference_rows, **{name: mostly(rng, reference_rows, 7.0, 9.0, share)})
    )
    found = verdict_on(reference, rides(rng, rows, **{name: np.full(rows, 90.0)}), name)

    if found.threshold is None:
        assert found.problem.startswith("cannot be evaluated")
        assert not found.decides
        assert found.score_ratio is None
    else:
        assert found.exceeded
        assert found.problem == ""


def test_one_other_zone_among_two_thousand_rides_is_no_drift() -> None:
    rng = np.random.default_rng(1)
    reference = taxi_reference(rides(rng, 20_000, **{PICKUP: np.full(20_000, 74.0)}))
    window = rides(rng, 2000, **{PICKUP: np.full(2000, 74.0)})

    score_ratio = []
    for count in (0, 1, 40):
        window[PICKUP][:count] = 75.0
        score_ratio.append(verdict_on(reference, window, PICKUP).score_ratio)

    none, one, many = score_ratio
    assert none is not None
    assert none < 1e-6
    assert one is not None
    assert many is not None
    assert one < 0.6
    assert many > 1, "two in a hundred are"


def test_zones_that_change_by_blocks_stay_below_the_largest_distance() -> None:
    """Blocks of such a reference are far from each other, so the fit's far end is beyond all."""
    rng = np.random.default_rng(2)
    rows = 6000
    moments = np.sort(rng.uniform(0, 21 * DAY, rows))
    zones = np.where(rng.random(rows) < 0.5, 7.0, 10.0 + moments // (2 * DAY))
    reference = taxi_reference(rides(rng, rows, **{PICKUP: zones, MOMENT: moments}))

    for count in ROW_COUNTS:
        threshold = reference.thresholds[PICKUP].at(count)
        assert threshold is None or threshold < MAX_DISTANCE


def test_a_numeric_column_of_one_value_says_that_it_cannot_be_judged() -> None:
    rng = np.random.default_rng(3)
    reference = taxi_reference(rides(rng, 3000, **{DISTANCE: np.full(3000, 2.0)}))
    window = rides(rng, 2000)
    verdict = evaluate(reference, window)

    found = verdict_on(reference, window, DISTANCE)
    assert (found.threshold, found.score_ratio, found.decides) == (None, None, False)
    assert found.problem == ("cannot be evaluated: every row of the reference has the same value")
    assert DISTANCE not in verdict.drifted
    assert verdict.score_ratio is not None, "the others are evaluated"
    assert evaluate(Reference.from_bytes(reference.to_bytes()), window) == verdict


def test_values_between_and_beyond_those_of_the_reference_are_seen() -> None:
    rng = np.random.default_rng(4)
    two = mostly(rng, 4000, 0.0, 10.0, 0.001)
    reference = taxi_reference(rides(rng, 4000, **{DISTANCE: two}))

    for value in (-30.0, 4.9, 30.0):
        window = rides(rng, 2000, **{DISTANCE: np.full(2000, value)})
        assert verdict_on(reference, window, DISTANCE).exceeded


def test_a_few_rides_against_a_short_reference_are_not_judged() -> None:
    rng = np.random.default_rng(5)
    zones = rng.integers(1, 260, 40).astype(float)
    reference = taxi_reference(rides(rng, 40, **{PICKUP: zones}))

    found = verdict_on(reference, rides(rng, 30), PICKUP)

    assert found.problem.startswith("cannot be evaluated: 30 rows differ by chance")


def test_a_perfect_model_has_no_limit_of_its_error() -> None:
    rng = np.random.default_rng(6)
    perfect = rides(rng, 3000)
    perfect[TARGET] = perfect[PREDICTION]
    reference = taxi_reference(perfect)

    found = evaluate_labelled(reference, rides(rng, 2000)).error

    assert found is not None
    assert found.rmse > 0
    assert (found.limit, found.score_ratio) == (None, None)


def test_errors_whose_squares_are_next_to_nothing_have_a_limit() -> None:
    errors, strata = np.random.default_rng(7).normal(size=3000), np.zeros(3000, np.int64)

    limit = error_profile(errors * 1e-90, strata).thresholds.at(2000)

    assert limit is not None
    assert limit >= 1


@EXAMPLES
@given(
    st.integers(0, 2**32 - 1), st.sampled_from([600, 2000, 6000]), st.sampled_from([0.001, 0.05])
)
def test_a_model_that_is_nearly_perfect_is_not_blamed_for_chance(
    seed: int, rows: int, share: float
) -> None:
    rng = np.random.default_rng(seed)

    def some(count: int) -> dict[str, np.ndarray]:
        found = rides(rng, count)
        found[TARGET] = found[PREDICTION] + mostly(rng, count, 0.0, 20.0, share)
        return found

    reference = taxi_reference(some(rows))
    assert reference.error is not None
    assume(reference.error.rmse > 0)

    for _ in range(5):
        error = evaluate_labelled(reference, some(2000)).error
        assert error is not None
        assert error.score_ratio is None or error.score_ratio < 1


def test_a_short_reference_has_lower_limits_for_larger_windows() -> None:
    rng = np.random.default_rng(7)
    reference = taxi_reference(rides(rng, 3500))
    assert reference.error is not None

    for thresholds in (*reference.thresholds.values(), reference.error.thresholds):
        counts = [500, 1000, 2000, 5000, 20_000]
        values = [thresholds.at(count) for count in counts]
        assert all(one is not None for one in values)
        assert values == sorted(values, key=lambda one: -(one or 0)), "it falls"
    zones = reference.thresholds[PICKUP]
    assert (zones.at(2000) or 0) < 0.8 * (zones.at(500) or 0)


def test_thresholds_are_the_same_again() -> None:
    columns = rides(np.random.default_rng(8), 2000)

    assert taxi_reference(columns).to_bytes() == taxi_reference(columns).to_bytes()


def test_a_count_without_a_threshold_lets_all_smaller_ones_be_without() -> None:
    thresholds = Thresholds(np.array([100.0, 200.0, 400.0]), np.array([np.inf, 0.4, 0.2]))

    assert [thresholds.at(rows) for rows in (50, 100, 199)] == [None, None, None]
    assert thresholds.at(200) == pytest.approx(0.4)
    assert thresholds.at(1000) == pytest.approx(0.2)
    assert Thresholds(np.array([5.0]), np.array([np.inf])).at(5000) is None


@pytest.mark.parametrize(
    ("shape", "exact"), [(0.5, 17.7645), (1.0, 21.1933), (5.0, 39.0382), (50.0, 167.9136)]
)
def test_far_quantile_is_that_of_the_gamma_distribution(shape: float, exact: float) -> None:
    # Twice a gamma variable is chi-squared with twice the shape; its quantile is in tables.
    found = far_quantile(2 * shape, 4 * shape)

    assert found == pytest.approx(exact, rel=0.12)
    assert found >= exact * 0.99


def test_rare_values_have_the_exact_prediction_bound() -> None:
    """Of both together a ride is in the window with a chance of a tenth here."""
    (none, one) = most_of(np.array([0.0, 1.0]), 2000, 18_000)

    assert 0.1**none <= COLUMN_LEVEL < 0.1 ** (none - 1)
    assert at_least(none, 1) <= COLUMN_LEVEL < at_least(none - 1, 1)
    assert at_least(one, 2) <= COLUMN_LEVEL < at_least(one - 1, 2)
    assert most_of(np.zeros(1), 10, 1).tolist() == [10]


def at_least(number: float, shape: int) -> float:
    """Chance of so many failures or more before the shape-th success, 0.9 each."""
    below = range(int(number))
    return 1 - sum(math.comb(k + shape - 1, k) * 0.9**shape * 0.1**k for k in below)
