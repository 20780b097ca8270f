"""Profiles of parts merge to the profile of the whole, whatever the parts."""

import math
import pickle
import tracemalloc
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.report_rows import NUMBER, columns_of, layout, reference, rows_of

from taxi_profiles.numeric import normed_wasserstein, numeric_profile
from taxi_report.profile import numeric as numeric_module
from taxi_report.profile.categorical import (
    MAX_UNSEEN,
    CategoricalSummary,
    categorical_summary,
    merge_categorical,
)
from taxi_report.profile.distinct import STANDARD_ERROR, distinct_rows, registers_of
from taxi_report.profile.grid import MAX_POINTS, grid_of
from taxi_report.profile.numeric import (
    NumericSummary,
    by_cells,
    merge_numeric,
    numeric_summary,
)
from taxi_report.profile.sample import extremes_of, sample_of
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
    pairs = [(one, second.numeric[name]) for name, one in first.numeric.items()]
    pairs += [(first.error, second.error), (first.lag, second.lag)]
    pairs += [(first.latency, second.latency)]
    for one, other in pairs:
        assert (one.rows, one.missing, one.by_cells) == (other.rows, other.missing, other.by_cells)
        assert np.allclose(one.values, other.values, rtol=1e-12, atol=0)
        assert (one.counts == other.counts).all()
        assert math.isclose(one.squares, other.squares, rel_tol=1e-12, abs_tol=1e-20)
    for name, kind in first.categorical.items():
        assert (kind.cells() == second.categorical[name].cells()).all()
    for place, table in first.tables.items():
        assert np.allclose(table, second.tables[place], rtol=1e-12, atol=1e-9), place
    assert np.allclose(first.time, second.time, rtol=1e-12, atol=1e-9)
    for name, counts in first.stratified.items():
        assert (counts == second.stratified[name]).all()
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
    grid = grid_of(profile.values, profile.counts)

    summary = numeric_summary(window, grid)

    exact = normed_wasserstein(profile, window)
    area = summary.distance(numeric_summary(known, grid))
    assert summary.by_cells
    assert abs(area / profile.std - exact) < 1e-3 * exact
    quantiles = np.quantile(window, [0.05, 0.5, 0.95])
    assert np.abs(np.array(summary.quantiles([0.05, 0.5, 0.95])) - quantiles).max() < 0.02


SHARES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)


def moved(
    monkeypatch: pytest.MonkeyPatch, column: np.ndarray, known: np.ndarray
) -> tuple[NumericSummary, NumericSummary]:
    """Summarise a column by cells in four parts, and as it is."""
    profile = numeric_profile(known)
    grid = grid_of(profile.values, profile.counts)
    exact = numeric_summary(column, grid)
    monkeypatch.setattr(numeric_module, "MAX_DISTINCT", 1000)
    first, *others = (numeric_summary(one, grid) for one in np.array_split(column, 4))
    for other in others:
        first = merge_numeric(first, other, grid)
    assert first.by_cells
    assert len(first.values) <= len(grid) + 1
    return first, exact


@pytest.mark.parametrize("factor", [-2.5e8, -30.0, 1.0, 7.0, 500.0, 1e12])
def test_quantiles_are_right_however_far_a_column_moves(
    monkeypatch: pytest.MonkeyPatch, factor: float
) -> None:
    draw = np.random.default_rng(3)
    known = np.round(draw.lognormal(0.8, 0.7, 20_000), 2)
    column = draw.lognormal(0.8, 0.9, 50_000) * factor

    summary, exact = moved(monkeypatch, column, known)

    low, middle, high = np.quantile(known, [0.25, 0.5, 0.75])
    for found, true in zip(summary.quantiles(SHARES), exact.quantiles(SHARES), strict=True):
        assert abs(found - true) <= 0.011 * max(abs(true - middle), high - low)
    area, truth = (one.distance(numeric_summary(known, np.zeros(1))) for one in (summary, exact))
    assert area == pytest.approx(truth, rel=1e-4 if 0 < factor < 100 else 1e-9)


def test_quantiles_are_right_between_values_of_the_reference_that_are_far_apart(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    draw = np.random.default_rng(4)
    known = np.append(np.round(draw.uniform(0, 30, 8000), 2), 1e6)
    column = draw.uniform(40, 900, 30_000)

    summary, exact = moved(monkeypatch, column, known)

    assert np.allclose(summary.quantiles(SHARES), exact.quantiles(SHARES), rtol=0.011)
    assert summary.share_outside(known.min(), known.max()) == 0


def test_what_is_outside_of_the_range_is_counted_row_by_row(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    draw = np.random.default_rng(6)
    known = np.round(draw.uniform(1, 20, 5000), 2)
    low, high = float(known.min()), float(known.max())
    ends = np.repeat([low, high], 20_000)
    beyond = [math.nextafter(low, -math.inf), math.nextafter(high, math.inf), high + 1e9]
    column = np.concatenate([ends, beyond, draw.uniform(low, high, 80_000)])

    summary, _ = moved(monkeypatch, draw.permutation(column), known)

    assert summary.share_outside(low, high) == 3 / len(column)


@pytest.mark.parametrize(
    "known", [np.zeros(1), np.array([-1e300, 1e300]), np.arange(50_000.0), np.array([5.0, 5.1])]
)
def test_a_grid_is_of_bounded_size_and_has_the_references_ends(known: np.ndarray) -> None:
    grid = grid_of(known, np.ones(len(known)))

    assert (np.diff(grid) > 0).all()
    assert np.isfinite(grid).all()
    assert {known[0], known[-1], np.nextafter(known[-1], np.inf)} <= set(grid)
    assert len(grid) <= MAX_POINTS + 2 * 6000
    assert grid[0] < -1e300 <= 1e300 < grid[-1]


def test_errors_far_beyond_the_usual_keep_their_quantiles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numeric_module, "MAX_DISTINCT", 1000)
    rows = rows_of(columns_of(3000, 12))
    columns = {name: column.copy() for name, column in rows.columns.items()}
    columns["prediction"] += np.random.default_rng(1).uniform(200, 2000, 3000)
    errors = columns["prediction"] - rows.evaluated(LAYOUT.schema.target)
    assert np.isfinite(errors).all()

    found = profile_of(replace(rows, columns=columns), LAYOUT).error

    assert found.by_cells
    assert np.allclose(found.quantiles(SHARES), np.quantile(errors, SHARES), rtol=0.011)


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


@pytest.mark.parametrize(
    ("distinct", "draws"), [(20_000, 60), (40_000, 60), (80_000, 40), (1_000_000, 12)]
)
def test_the_estimate_of_distinct_rows_is_not_to_one_side(distinct: int, draws: int) -> None:
    draw = np.random.default_rng(distinct)
    errors = np.array(
        [
            distinct_rows(registers_of([draw.random(distinct), draw.random(distinct)])) / distinct
            for _ in range(draws)
        ]
    ) - 1  # fmt: skip

    # Four standard errors of a mean; the deviation itself is known to a quarter at 12 draws.
    assert abs(errors.mean()) <= 4 * STANDARD_ERROR / math.sqrt(draws)
    assert np.sqrt((errors**2).mean()) <= STANDARD_ERROR * (1 + 3 / math.sqrt(2 * draws))


def test_one_long_id_costs_the_memory_of_one() -> None:
    rows = rows_of(columns_of(3000, 13))
    rows = replace(rows, ids=["x" * 20_000, *rows.ids[1:]])

    tracemalloc.start()
    sample, extremes = sample_of(rows, 100), extremes_of(rows, rows.columns[NUMBER])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert len(sample.rows) == 100
    assert 0 < len(extremes) <= 200
    assert peak < 10_000_000


def test_categories_and_bands_of_large_numbers_keep_their_names_apart() -> None:
    layout_of_column = LAYOUT.columns[0]
    ids = replace(layout_of_column, numeric=False, points=np.array([1234567.0, 1234568.0]))
    bands = replace(layout_of_column, numeric=True, bands=np.array([1234567.0, 1234568.0]))

    assert [ids.label(cell) for cell in range(4)] == ["1234567", "1234568", "unseen", "missing"]
    assert bands.label(1) == "1234567 to 1234568"
