"""Mathematics of the scores."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from taxi_profiles.categorical import categorical_profile, jensen_shannon, unseen_share
from taxi_profiles.numeric import normed_wasserstein, numeric_profile

numbers = arrays(np.float64, st.integers(1, 60), elements=st.floats(-1e3, 1e3, width=32))
ids = arrays(np.int64, st.integers(1, 60), elements=st.integers(1, 12))


@given(numbers)
def test_distance_of_a_column_from_itself_is_zero(column: np.ndarray) -> None:
    assert normed_wasserstein(numeric_profile(column), column) == pytest.approx(0, abs=1e-9)


@given(numbers, numbers, st.randoms())
def test_order_of_rows_is_irrelevant(one: np.ndarray, two: np.ndarray, random: object) -> None:
    shuffled = np.array(sorted(two))

    assert normed_wasserstein(numeric_profile(one), two) == pytest.approx(
        normed_wasserstein(numeric_profile(one), shuffled)
    )


@given(numbers, st.floats(0.1, 10), st.floats(0.1, 10))
def test_distance_grows_with_the_shift(column: np.ndarray, shift: float, more: float) -> None:
    profile = numeric_profile(column)

    near = normed_wasserstein(profile, column + shift)
    far = normed_wasserstein(profile, column + shift + more)

    assert near * max(profile.std, 0.001) == pytest.approx(shift, rel=1e-4, abs=1e-3)
    assert far > near


def test_missing_values_are_left_out_and_counted() -> None:
    profile = numeric_profile(np.array([1.0, np.nan, 3.0, np.inf]))

    assert (profile.rows, profile.missing) == (2, 2)
    assert normed_wasserstein(profile, np.array([np.nan, 1.0, 3.0])) == 0


def test_no_rows_is_an_error_not_a_number() -> None:
    with pytest.raises(ValueError, match="rows"):
        normed_wasserstein(numeric_profile(np.array([1.0])), np.array([np.nan]))
    with pytest.raises(ValueError, match="rows"):
        jensen_shannon(categorical_profile(np.array([1])), np.array([], dtype=np.int64))


@given(ids, ids)
def test_jensen_shannon_is_symmetric_and_bounded(one: np.ndarray, two: np.ndarray) -> None:
    there = jensen_shannon(categorical_profile(one), two)
    back = jensen_shannon(categorical_profile(two), one)

    assert there == pytest.approx(back, abs=1e-9)
    assert -1e-12 <= there <= np.sqrt(np.log(2)) + 1e-12


def test_unseen_categories_are_a_share() -> None:
    assert unseen_share(categorical_profile(np.array([1, 2])), np.array([1, 3, 3, 2])) == 0.5
