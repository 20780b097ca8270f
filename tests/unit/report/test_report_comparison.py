"""A report's figures are those of the monitor and of plain numpy, on the same rows."""

import math
from dataclasses import replace

import numpy as np
import pytest
from support.report_rows import NUMBER, columns_of, layout, reference, rows_of
from support.taxi_columns import CATEGORICAL

from taxi_profiles.errors import evaluate_errors
from taxi_profiles.reference import MOMENT, PREDICTION, TARGET
from taxi_profiles.strata import strata_of
from taxi_profiles.verdict import NOT_EVALUATED, evaluate, evaluate_labelled
from taxi_report.compare.drift import ColumnDrift, column_drift, verdict_of
from taxi_report.compare.influence import pushers
from taxi_report.compare.performance import labels_of, limit_of, performance_of, timeline_of
from taxi_report.compare.slices import MIN_ROWS, slices_of, worst_slices
from taxi_report.profile.version import VersionProfile, merged, profile_of
from taxi_report.rows import Rows

REFERENCE, REFERENCE_ROWS = reference()
LAYOUT = layout(REFERENCE)
EXPECTED = profile_of(REFERENCE_ROWS, LAYOUT)
COLUMNS = columns_of(6000, 7, stretch=1.2)
ROWS = rows_of(COLUMNS, labelled=0.7)


def profiled(rows: Rows) -> VersionProfile:
    """Profile rows in three parts."""
    count = len(rows)
    parts = [rows.taken(range(at * count // 3, (at + 1) * count // 3)) for at in range(3)]
    return merged([profile_of(one, LAYOUT) for one in parts], LAYOUT)


CURRENT = profiled(ROWS)


def drifts(current: VersionProfile, before: VersionProfile | None = None) -> dict[str, ColumnDrift]:
    """Compare all columns."""
    return {
        one.name: column_drift(one, REFERENCE, current, EXPECTED, before)
        for one in (*LAYOUT.columns, LAYOUT.target)
    }


def test_scores_and_thresholds_are_the_monitors() -> None:
    found = drifts(CURRENT)
    verdict = evaluate(REFERENCE, {**ROWS.columns, MOMENT: ROWS.moments})
    labelled = np.isfinite(ROWS.labels)
    errors = evaluate_labelled(
        REFERENCE,
        {
            PREDICTION: ROWS.columns[PREDICTION][labelled],
            TARGET: ROWS.labels[labelled],
            MOMENT: ROWS.moments[labelled],
        },
    )

    assert len(verdict.features) == len(LAYOUT.columns)
    for one in (*verdict.features, *errors.features):
        own = found[one.feature]
        assert own.score is not None
        assert own.stratified_score is not None
        assert math.isclose(own.score, one.score, rel_tol=1e-9)
        assert math.isclose(own.stratified_score, one.stratified_score, rel_tol=1e-9)
        assert own.threshold == one.threshold
        assert own.decides == one.decides
    assert verdict_of(found) == "drift"
    assert verdict.drifted


@pytest.mark.parametrize("rows", [1, 2, 20, 100])
def test_few_quiet_rows_are_not_judged(rows: int) -> None:
    few = drifts(profile_of(REFERENCE_ROWS.taken(range(rows)), LAYOUT))

    assert {one.threshold for one in few.values()} == {None}
    assert all(one.problem.startswith(NOT_EVALUATED) for one in few.values())
    assert verdict_of(few) == NOT_EVALUATED


def test_errors_are_numpys_and_the_limit_is_the_monitors() -> None:
    labelled = np.isfinite(ROWS.labels)
    target, prediction = ROWS.labels[labelled], ROWS.columns[PREDICTION][labelled]
    errors = prediction - target

    found, limit = performance_of(CURRENT), limit_of(REFERENCE, CURRENT)

    assert found is not None
    assert limit is not None
    assert found.rows == len(errors)
    assert math.isclose(found.mae, np.abs(errors).mean(), rel_tol=1e-12)
    assert math.isclose(found.rmse, np.sqrt((errors**2).mean()), rel_tol=1e-12)
    assert math.isclose(found.bias, errors.mean(), rel_tol=1e-9)
    assert found.r2 is not None
    r2 = 1 - (errors**2).sum() / ((target - target.mean()) ** 2).sum()
    assert math.isclose(found.r2, r2, rel_tol=1e-9)
    assert found.mape_ratio is not None
    assert math.isclose(found.mape_ratio, np.abs(errors / target).mean(), rel_tol=1e-12)
    assert math.isclose(found.over_ratio, (errors > 0).mean(), rel_tol=1e-12)
    assert found.under_mean is not None
    assert math.isclose(found.under_mean, errors[errors < 0].mean(), rel_tol=1e-9)
    assert REFERENCE.error is not None
    monitor = evaluate_errors(REFERENCE.error, errors, strata_of(ROWS.moments[labelled]))
    assert math.isclose(limit.expected_rmse, monitor.expected_rmse, rel_tol=1e-12)
    assert limit.rmse == pytest.approx(monitor.limit)


def test_labels_outside_of_the_limits_count_in_no_error() -> None:
    labels = ROWS.labels.copy()
    labels[:300] = 1440.0
    wild = Rows(
        **{name: getattr(ROWS, name) for name in Rows.__slots__ if name != "labels"}, labels=labels
    )

    found, labelled = performance_of(profiled(wild)), labels_of(profiled(wild))

    assert found is not None
    assert found.rmse < 10
    assert labelled.rows == np.isfinite(labels).sum()
    assert labelled.outside_ratio == 300 / labelled.rows


def test_without_labels_nothing_is_said_of_the_error() -> None:
    current = profiled(rows_of(COLUMNS, labelled=0.0))

    assert performance_of(current) is None
    assert limit_of(REFERENCE, current) is None
    assert labels_of(current).outside_ratio is None
    assert worst_slices(LAYOUT, current, EXPECTED) == []
    target = drifts(current)[TARGET]
    assert target.score is None
    assert target.problem


def test_a_column_without_values_does_not_keep_the_others() -> None:
    columns = {**COLUMNS, NUMBER: np.full(len(COLUMNS[NUMBER]), np.nan)}

    found = drifts(profiled(rows_of(columns)))

    assert found[NUMBER].score is None
    assert found[NUMBER].problem
    assert found[NUMBER].quality.missing_ratio == 1
    assert all(one.score is not None for name, one in found.items() if name != NUMBER)


def test_the_span_before_is_compared_too() -> None:
    quiet = profiled(rows_of(columns_of(6000, 8, stretch=1.2), prefix="q"))
    other = profiled(rows_of(columns_of(6000, 9), prefix="o"))

    near, far = drifts(CURRENT, quiet)[NUMBER], drifts(CURRENT, other)[NUMBER]

    assert near.score_before is not None
    assert far.score_before is not None
    assert near.score_before < 0.05 < far.score_before
    assert drifts(CURRENT, CURRENT)[CATEGORICAL[0]].score_before == pytest.approx(0, abs=1e-7)


def test_a_bad_slice_is_found_and_named() -> None:
    columns = dict(COLUMNS)
    bad = (columns[CATEGORICAL[0]] <= 8) & (columns[NUMBER] > 2)
    columns[PREDICTION] = columns[PREDICTION] + np.where(bad, 15.0, 0.0)
    rows = rows_of(columns)
    assert bad.sum() > MIN_ROWS

    worst = worst_slices(LAYOUT, profiled(rows), EXPECTED)

    assert worst
    assert worst[0].mae is not None
    assert worst[0].mae.low is not None
    assert worst[0].labelled >= MIN_ROWS
    assert worst[0].mae.low > 5
    assert any(CATEGORICAL[0] in one.value or NUMBER in one.value for one in worst[:3])


def test_quiet_rows_have_few_worst_slices_beyond_the_noise() -> None:
    """Noise is the same everywhere here, so at most the clipped ends of the target stand out."""
    columns = columns_of(6000, 11)
    columns[TARGET] = columns[PREDICTION] + np.random.default_rng(3).normal(0, 2, 6000)

    assert worst_slices(LAYOUT, profiled(rows_of(columns)), EXPECTED) == []


def test_slices_add_up() -> None:
    found = [one for one in slices_of(LAYOUT, CURRENT, EXPECTED) if one.name == NUMBER]

    assert sum(one.rows for one in found) == CURRENT.rows
    assert sum(one.share for one in found) == pytest.approx(1)
    assert sum(one.labelled for one in found) == np.isfinite(ROWS.labels).sum()


def test_time_adds_up() -> None:
    buckets = timeline_of(CURRENT, LAYOUT.start, LAYOUT.bucket)

    assert len(buckets) == LAYOUT.buckets
    assert sum(one.rows for one in buckets) == CURRENT.rows
    assert buckets[0].start == LAYOUT.start


def nudged(current: VersionProfile, name: str, value: float, share: float) -> VersionProfile:
    """Give a value a little more weight, all others a little less."""
    if name == NUMBER:
        number = current.numeric[name]
        counts = number.counts * (1 - share)
        counts[np.searchsorted(number.values, value)] += share * number.rows
        return replace(current, numeric={**current.numeric, name: replace(number, counts=counts)})
    category = current.categorical[name]
    place = np.searchsorted(LAYOUT.column(name).points, value)
    known = category.known * (1 - share)
    known[place] += share * category.rows
    rest = category.unseen_counts * (1 - share)
    changed = replace(category, known=known, unseen_counts=rest)
    return replace(current, categorical={**current.categorical, name: changed})


@pytest.mark.parametrize("name", [NUMBER, CATEGORICAL[0]])
def test_influence_is_the_scores_derivative(name: str) -> None:
    before = drifts(CURRENT)[name]
    rows, candidates = pushers(LAYOUT, REFERENCE, CURRENT, [before])
    assert len(rows) == 100
    assert candidates >= 500
    assert rows == sorted(rows, key=lambda one: -one.influence)

    for row in (rows[0], rows[-1]):
        value, share = row.values[name], 1e-6
        assert isinstance(value, float)
        after = drifts(nudged(CURRENT, name, value, share))[name]
        assert after.score is not None
        assert before.score is not None
        assert before.threshold is not None
        slope = (after.score - before.score) / share / before.threshold
        assert slope == pytest.approx(row.influence, rel=0.01)
