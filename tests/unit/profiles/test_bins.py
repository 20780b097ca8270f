"""Coarse bins: every row is in one, there are few, and PSI follows from counts that add up."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from support.artifacts import random_rows, sample_of
from support.references import constant_thresholds, reference_for
from support.schemas import schemas

from taxi_profiles.bins import (
    MIN_SHARE,
    NULL,
    OTHER,
    OUTSIDE,
    UNSEEN,
    ColumnBins,
    bins_of,
    number_bins,
    psi,
)
from taxi_profiles.numeric import numeric_profile
from taxi_profiles.reference import PREDICTION, Sample, reference_of
from taxi_schema.schema import Schema

values = st.one_of(
    st.floats(-1e6, 1e6, width=32), st.integers(-3, 9).map(float), st.sampled_from([np.nan])
)
columns = arrays(np.float64, st.integers(1, 80), elements=values)


def known(column: np.ndarray) -> ColumnBins:
    return number_bins(numeric_profile(column))


@settings(max_examples=60, deadline=None)
@given(columns.filter(lambda one: len(one) > 1 and bool(np.isfinite(one).any())), columns)
def test_every_row_is_in_one_of_twelve_bins(before: np.ndarray, after: np.ndarray) -> None:
    bins = known(before)

    assert len(bins.names) == len(set(bins.names)) <= 12
    assert bins.counts(after).sum() == len(after)
    assert np.array_equal(bins.counts(before), bins.reference)
    assert bins.counts(before)[bins.names.index(OUTSIDE)] == 0
    assert bins.counts(after)[-1] == np.isnan(after).sum()


@settings(max_examples=40, deadline=None)
@given(columns.filter(lambda one: len(one) > 1 and bool(np.isfinite(one).any())), columns, columns)
def test_counts_of_parts_are_those_of_the_whole(
    before: np.ndarray, one: np.ndarray, two: np.ndarray
) -> None:
    bins = known(before)

    whole = bins.counts(np.concatenate([one, two]))

    assert np.array_equal(bins.counts(one) + bins.counts(two), whole)


@settings(max_examples=20, deadline=None)
@given(schemas())
def test_every_column_of_any_schema_has_them(schema: Schema) -> None:
    made = reference_for(schema)
    sample = sample_of(schema, random_rows(schema, 60), np.arange(60.0), np.arange(60.0))

    found = bins_of(made)

    assert PREDICTION in found
    for name, bins in found.items():
        assert len(bins.names) == len(set(bins.names)) <= 12
        assert bins.reference.sum() == made.rows
        if name in sample.categorical:
            codes = made.codes(name, sample.categorical[name])
            assert np.array_equal(bins.counts(codes), bins.reference)


def test_deciles_are_as_large_as_each_other() -> None:
    bins = known(np.arange(1000.0))

    assert bins.names[0] == "[0,100)"
    assert bins.names[9:] == ("[900,999]", OUTSIDE, NULL)
    assert bins.reference.tolist() == [100.0] * 10 + [0, 0]


def test_a_value_at_an_edge_is_in_the_bin_above_it() -> None:
    bins = known(np.arange(1000.0))

    assert bins.counts(np.array([100.0, 99.999, 999.0, 0.0, -1.0, np.inf])).tolist() == [
        2, 1, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1,
    ]  # fmt: skip


def test_a_column_that_is_constant_has_an_outside() -> None:
    bins = known(np.full(50, 3.5))

    assert bins.names == ("[3.5,3.5]", OUTSIDE, NULL)
    assert bins.counts(np.array([3.5, 3.4, 3.6])).tolist() == [1, 2, 0]


def test_names_of_bins_have_few_digits() -> None:
    bins = known(np.random.default_rng(3).gamma(2.0, 3.0, 5000))

    assert all(len(name) < 20 for name in bins.names[1:9])


def test_categories_are_the_largest_and_words_for_the_rest() -> None:
    texts: list[str | None] = [text for number, text in enumerate("abcdefghijkl") for _ in
                               range(20 - number)]  # fmt: skip
    texts += ["other"] * 30 + [None] * 7

    sample = sample_of_texts(texts)
    with constant_thresholds():
        made = reference_of(sample)
    bins = bins_of(made)["text"]

    assert bins.names == (
        "=other", "=a", "=b", "=c", "=d", "=e", "=f", "=g", "=h", OTHER, UNSEEN, NULL,
    )  # fmt: skip
    assert bins.reference.tolist() == [30, *range(20, 12, -1), 12 + 11 + 10 + 9, 0, 7]
    codes = made.codes("text", ["other", "a", "z", "l", None, "y"])
    assert bins.counts(codes).tolist() == [1, 1, 0, 0, 0, 0, 0, 0, 0, 1, 2, 1]


def sample_of_texts(texts: list[str | None]) -> Sample:
    target = np.arange(float(len(texts)))
    return Sample({}, {"text": texts}, target + 1, target)


def test_psi_sees_what_is_missing_and_what_is_new() -> None:
    bins = known(np.arange(1000.0))
    same = np.arange(1000.0)
    holed, wild = same.copy(), same.copy()
    holed[::5] = np.nan
    wild[::50] = -1

    assert psi(bins, bins.counts(same)) == 0
    lost = (0.2 - MIN_SHARE) * np.log(0.2 / MIN_SHARE)
    kept = 10 * (0.08 - 0.1) * np.log(0.08 / 0.1)
    assert psi(bins, bins.counts(holed)) == pytest.approx(lost + kept)
    assert psi(bins, bins.counts(wild)) > 0.1
    with pytest.raises(ValueError, match="rows"):
        psi(bins, np.zeros(12))
