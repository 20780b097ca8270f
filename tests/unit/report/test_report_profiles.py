"""Profiles of parts merge to the profile of the whole, whatever the parts."""

import math
import pickle
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from report_rows import columns_of, layout, reference, rows_of

from taxi_profiles.numeric import normed_wasserstein, numeric_profile
from taxi_report.profile import numeric as numeric_module
from taxi_report.profile.categorical import (
    MAX_UNSEEN,
    CategoricalSummary,
    categorical_summary,
    merge_categorical,
)
from taxi_report.profile.distinct import distinct_rows, registers_of
from taxi_report.profile.numeric import by_cells, grid_of, merge_numeric, numeric_summary
from taxi_report.profile.version import VersionProfile, merge, merged, profile_of

REFERENCE, _ = reference()
LAYOUT = layout(REFERENCE)
WHOLE = rows_of(columns_of(3000, 2, stretch=1.3), labelled=0.6)
TOGETHER = profile_of(WHOLE, LAYOUT)
NUMBERS = st.lists(
    st.one_of(
        st.floats(-1e6, 1e6, allow_subnormal=False),
        st.integers(-5, 5).map(float),
        st.sampled_from([math.nan, math.inf, -math.inf]),
    ),
    max_size=60,
)


def assert_same(first: VersionProfile, second: VersionProfile) -> None:
    """Compare to within 1e-12 of each figure; the parts may be any."""
    assert first.sample.rows.ids == second.sample.rows.ids
    assert first.roles == second.roles
    for name, one in first.numeric.items():
        other = second.numeric[name]
        assert (one.rows, one.missing, one.by_cells) == (other.rows, other.missing, other.by_cells)
        assert np.allclose(one.values, other.values, rtol=1e-12, atol=0)
        assert (one.counts == other.counts).all()
        assert math.isclose(one.squares, other.squares, rel_tol=1e-12, abs_tol=1e-20)
    for name, kind in first.categorical.items():
        assert (kind.cells() == second.categorical[name].cells()).all()
    for name, table in first.tables.items():
        assert np.allclose(table, second.tables[name], rtol=1e-12, atol=1e-9), name
    for name, counts in first.matched.items():
        assert (counts == second.matched[name]).all()
        assert math.isclose(first.beside[name], second.beside[name], rel_tol=1e-12, abs_tol=1e-12)
    assert (first.registers == second.registers).all()
    assert np.allclose(first.sides, second.sides, rtol=1e-12)
    assert {name: one.ids for name, one in first.extremes.items()} == {
        name: one.ids for name, one in second.extremes.items()
    }


@settings(max_examples=25)
@given(st.lists(st.integers(0, len(WHOLE)), min_size=1, max_size=6))
def test_any_cut_gives_the_profile_of_the_whole(cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(WHOLE)]
    parts = [profile_of(WHOLE.taken(range(begin, end)), LAYOUT) for begin, end in pairwise(edges)]

    assert_same(merged(parts, LAYOUT), TOGETHER)


def test_any_order_gives_the_profile_of_the_whole() -> None:
    parts = [profile_of(WHOLE.taken(range(at, 3000, 3)), LAYOUT) for at in range(3)]

    for order in ((2, 0, 1), (1, 2, 0)):
        first, second, third = (parts[place] for place in order)
        assert_same(merge(merge(first, second, LAYOUT), third, LAYOUT), TOGETHER)


def test_the_same_rows_give_the_same_bytes() -> None:
    again = profile_of(WHOLE.taken(range(len(WHOLE))), LAYOUT)

    assert pickle.dumps(again) == pickle.dumps(profile_of(WHOLE.taken(range(3000)), LAYOUT))


def test_no_rows_are_no_trouble() -> None:
    nothing = profile_of(WHOLE.taken([]), LAYOUT)

    assert nothing.rows == 0
    assert_same(merge(nothing, TOGETHER, LAYOUT), TOGETHER)


@given(NUMBERS, NUMBERS, st.integers(1, 20))
def test_cells_are_as_good_as_values_in_any_order(
    first: list[float], second: list[float], points: int
) -> None:
    grid = np.linspace(-6, 6, points)
    parts = [numeric_summary(np.array(one, np.float64), grid) for one in (first, second)]
    both = numeric_summary(np.array(first + second, np.float64), grid)

    early = merge_numeric(by_cells(parts[0], grid), parts[1], grid)
    late = by_cells(merge_numeric(parts[0], parts[1], grid), grid)
    whole = by_cells(both, grid)

    for one in (early, late):
        assert (one.counts == whole.counts).all()
        assert np.allclose(one.values, whole.values, rtol=1e-9, atol=1e-9)
        assert (one.low, one.high, one.missing) == (whole.low, whole.high, whole.missing)
        assert math.isclose(one.squares, both.squares, rel_tol=1e-9, abs_tol=1e-3)


def test_many_values_become_cells_and_keep_their_distance(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numeric_module, "MAX_DISTINCT", 1000)
    draw = np.random.default_rng(5)
    known, window = draw.normal(10, 3, 8000), draw.normal(10.4, 3.2, 60_000)
    profile = numeric_profile(known)
    grid = grid_of(profile.values)

    summary = numeric_summary(window, grid)

    exact = normed_wasserstein(profile, window)
    area = summary.distance(numeric_summary(known, grid))
    assert summary.by_cells
    assert abs(area / profile.std - exact) < 1e-3 * exact
    quantiles = np.quantile(window, [0.05, 0.5, 0.95])
    assert np.abs(np.array(summary.quantiles([0.05, 0.5, 0.95])) - quantiles).max() < 0.02


@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=80), st.floats(0, 1))
def test_quantiles_are_numpys(values: list[float], share: float) -> None:
    column = np.array(values)
    summary = numeric_summary(column, np.zeros(1))

    assert math.isclose(
        summary.quantiles([share])[0], float(np.quantile(column, share)), rel_tol=1e-9, abs_tol=1e-9
    )
    assert math.isclose(summary.mean, column.mean(), rel_tol=1e-9, abs_tol=1e-9)
    assert math.isclose(summary.std, column.std(), rel_tol=1e-6, abs_tol=1e-6)


def test_unseen_categories_are_bounded_whatever_the_order() -> None:
    known = np.array([1.0, 2.0])
    parts = [
        categorical_summary(np.arange(begin, begin + MAX_UNSEEN // 2 + 1.0), known)
        for begin in (10, 10_000, 20_000)
    ]

    def counts(summary: CategoricalSummary) -> list[float]:
        return [float(one) for one in summary.cells()]

    left = merge_categorical(merge_categorical(parts[0], parts[1]), parts[2])
    right = merge_categorical(parts[0], merge_categorical(parts[1], parts[2]))

    assert counts(left) == counts(right) == [0, 0, 3 * (MAX_UNSEEN // 2 + 1)]
    assert len(left.unseen) == len(right.unseen) == 0


@pytest.mark.parametrize("distinct", [0, 1, 100, 5000, 400_000])
def test_distinct_rows_are_told_to_a_few_percent(distinct: int) -> None:
    draw = np.random.default_rng(distinct)
    rows = draw.random((distinct, 2))
    twice = np.concatenate([rows, rows])

    found = distinct_rows(registers_of([twice[:, 0], twice[:, 1]]))

    assert abs(found - distinct) <= 0.03 * distinct
