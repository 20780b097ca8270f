"""Scores by name are Evidently's numbers to 1e-9, on columns of any kind; its own code is asked."""

import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from taxi_profiles.categorical import categorical_profile
from taxi_profiles.numeric import numeric_profile
from taxi_profiles.scores.registry import SCORES

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from evidently.legacy.calculations import stattests
    from evidently.legacy.calculations.stattests import tvd_stattest
    from evidently.legacy.core import ColumnType

TOLERANCE = 1e-9
THEIRS: dict[str, Any] = {
    "wasserstein": stattests.wasserstein_stat_test,
    "jensenshannon": stattests.jensenshannon_stat_test,
    "psi": stattests.psi_stat_test,
    "kl_div": stattests.kl_div_stat_test,
    "hellinger": stattests.hellinger_stat_test,
    "ed": stattests.energy_dist_test,
    "ks": stattests.ks_stat_test,
    "cramer_von_mises": stattests.cramer_von_mises,
    "anderson": stattests.anderson_darling_test,
    "mannw": stattests.mann_whitney_u_stat_test,
    "chisquare": stattests.chi_stat_test,
    "z": stattests.z_stat_test,
}
NUMERIC = [name for name, score in SCORES.items() if score.of_numbers is not None]
CATEGORICAL = [name for name, score in SCORES.items() if score.of_categories is not None]

Column = np.ndarray

random = arrays(np.float64, st.integers(1, 90), elements=st.floats(-1e3, 1e3, width=32))
ties = arrays(np.float64, st.integers(1, 90), elements=st.integers(-3, 40).map(float))
few = arrays(np.float64, st.integers(1, 30), elements=st.sampled_from([0.0, 0.5, 7.25]))
constant = st.builds(np.full, st.integers(1, 40), st.sampled_from([0.0, -2.5, 1e-9, 1e6]))
holed = arrays(
    np.float64, st.integers(2, 60),
    elements=st.one_of(st.floats(0, 99, width=16), st.sampled_from([np.nan, np.inf, -np.inf])),
).filter(lambda column: bool(np.isfinite(column).any()))  # fmt: skip
numbers = st.one_of(random, ties, few, constant, holed)
categories = st.one_of(
    arrays(np.int64, st.integers(1, 90), elements=st.integers(1, 4)),
    arrays(np.int64, st.integers(1, 90), elements=st.integers(0, 60)),
    arrays(np.int64, st.integers(1, 60), elements=st.integers(1000, 9999)),
    st.builds(np.full, st.integers(1, 40), st.integers(1, 3)),
)


def theirs(name: str, reference: Column, window: Column, kind: ColumnType) -> float:
    """Return Evidently's number of two columns, cleaned as it does before any test."""
    first, second = (
        pd.Series(column).replace([-np.inf, np.inf], np.nan).dropna()
        for column in (reference, window)
    )
    with warnings.catch_warnings(record=True) as said, np.errstate(all="ignore"):
        warnings.simplefilter("always")
        if name == "tvd":  # its p-value is that of 1,000 random permutations
            return float(tvd_stattest._total_variation_distance(first, second))
        found = float(THEIRS[name](first, second, kind, None).drift_score)
    if any("Exact calculation unsuccessful" in str(one.message) for one in said):
        # SciPy's exact chance was above 1 by a rounding error, and it took the asymptotic one.
        return 1.0
    return found


def ours(name: str, reference: Column, window: Column) -> float:
    score = SCORES[name]
    if reference.dtype == np.int64:
        assert score.of_categories is not None
        return score.of_categories(categorical_profile(reference), categorical_profile(window))
    assert score.of_numbers is not None
    return score.of_numbers(numeric_profile(reference), numeric_profile(window))


def assert_same(name: str, reference: Column, window: Column) -> None:
    """Hold our number to theirs; where we have none they have none that means anything."""
    kind = ColumnType.Categorical if reference.dtype == np.int64 else ColumnType.Numerical
    try:
        found = ours(name, reference, window)
    except ValueError:
        if is_meaningless(name, reference, window, kind):
            return
        raise
    expected = theirs(name, reference, window, kind)
    if name == "hellinger":  # theirs is the root of 1 less a sum, which doubles its error's digits
        found, expected = found**2, expected**2
    # A distance over a spread near 0 has few digits behind the point.
    assert found == pytest.approx(expected, rel=1e-12, abs=TOLERANCE)


def is_meaningless(name: str, reference: Column, window: Column, kind: ColumnType) -> bool:
    sizes = [int(np.isfinite(column).sum()) for column in (reference, window)]
    if name == "cramer_von_mises" and max(sizes) <= 20:
        return True
    if name == "mannw" and min(sizes) <= 8:
        return True
    both = np.concatenate([reference, window])
    distinct = len(np.unique(both[np.isfinite(both)]))
    if name in {"chisquare", "mannw"} and distinct == 1:
        return True
    try:
        return math.isnan(theirs(name, reference, window, kind))
    except (ValueError, IndexError):
        return True


@pytest.mark.parametrize("name", NUMERIC)
@settings(max_examples=120, deadline=None)
@given(reference=numbers, window=numbers)
def test_numbers(name: str, reference: Column, window: Column) -> None:
    assert_same(name, reference, window)


@pytest.mark.parametrize("name", CATEGORICAL)
@settings(max_examples=80, deadline=None)
@given(reference=categories, window=categories)
def test_categories(name: str, reference: Column, window: Column) -> None:
    assert_same(name, reference, window)


def gamma(rng: np.random.Generator, rows: int, scale: float) -> Column:
    return rng.gamma(1.5, 2.0 * scale, rows)


def rounded(rng: np.random.Generator, rows: int, scale: float) -> Column:
    return np.round(gamma(rng, rows, scale), 1)


def tailed(rng: np.random.Generator, rows: int, scale: float) -> Column:
    column = gamma(rng, rows, scale)
    column[rng.random(rows) < 0.001] = 1e5
    return column


@pytest.mark.parametrize("made", [gamma, rounded, tailed])
@pytest.mark.parametrize("scale", [1.0, 1.02, 1.3])
@pytest.mark.parametrize(
    ("rows", "window"),
    [(900, 900), (3000, 400), (9999, 37), (10_001, 3), (10_001, 90), (20_000, 2000), (60_000, 500)],
)
def test_samples_as_large_as_they_are(
    made: Callable[[np.random.Generator, int, float], Column], scale: float, rows: int, window: int
) -> None:
    rng = np.random.default_rng(rows + window)
    reference, current = made(rng, rows, 1.0), made(rng, window, scale)

    for name in NUMERIC:
        assert_same(name, reference, current)


@pytest.mark.parametrize("window", [30, 500, 5000])
@pytest.mark.parametrize("unseen", [0, 40])
def test_zones_as_many_as_they_are(window: int, unseen: int) -> None:
    rng = np.random.default_rng(window)
    reference = rng.zipf(1.3, 40_000) % 260
    current = rng.zipf(1.3, window) % 260
    current[:unseen] = 1000 + np.arange(unseen)[:window]

    for name in CATEGORICAL:
        assert_same(name, reference, current)
