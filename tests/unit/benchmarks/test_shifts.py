"""Shifts do what they say, and nothing else."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from support.labelled import labelled, orders
from verdicts.shifts import SHIFTS, Setting, Shift
from verdicts.subjects import Roles
from verdicts.traffic import Traffic, traffic_of

from taxi_schema.column import MISSING_INTEGER

SCHEMA = orders()
REFERENCE = labelled(SCHEMA, 2000, seed=7)
#: A category with the values of `area`, for swaps.
TWIN = "twin"
ROLES = Roles("weight", "area", TWIN, 39, "placed")
ROWS = 1500
#: What each shift changes, beside rows that it refuses or leaves out.
TOUCHED = {
    "number": {"weight"}, "target": {"target"}, "nulls": {"weight"}, "rare": {"area"},
    "unseen": {"area"}, "swapped": {"area", TWIN}, "category": {"area"}, "times": {"times"},
}  # fmt: skip


def traffic(seed: int) -> Traffic:
    rows = labelled(SCHEMA, ROWS, seed)
    twin = np.random.default_rng(seed).permutation(rows.columns["area"])
    rows = replace(rows, columns={**rows.columns, TWIN: twin})
    return traffic_of(SCHEMA, rows, np.full(ROWS, 3600.0))


def setting(seed: int) -> Setting:
    return Setting(ROLES, REFERENCE, np.random.default_rng(seed))


def put(name: str, seed: int) -> tuple[Traffic, Traffic]:
    before = traffic(seed)
    return before, SHIFTS[name].change(before, setting(seed))


def values_of(some: Traffic) -> dict[str, np.ndarray]:
    return {**some.rows.columns, "target": some.rows.target, "times": some.rows.event_times}


@pytest.mark.parametrize("shift", SHIFTS.values(), ids=lambda shift: shift.name)
def test_a_shift_is_pure_and_touches_only_what_it_names(shift: Shift) -> None:
    before, untouched = traffic(3), traffic(3)

    first, second = (shift.change(before, setting(5)) for _ in range(2))

    for name, column in values_of(before).items():
        assert_array_equal(column, values_of(untouched)[name], strict=True)
        assert_array_equal(values_of(first)[name], values_of(second)[name])
        kept = shift.name not in {"200-rows-repeated", "busiest-gone"}
        if kept and name not in TOUCHED.get(shift.name.split("-")[0], set()):
            assert_array_equal(values_of(first)[name], column)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(("1.1", "1.25", "1.6")))
def test_a_scaled_number_keeps_what_is_missing(seed: int, factor: str) -> None:
    before, changed = put(f"number-x{factor}", seed)

    expected = before.rows.columns["weight"] * float(factor)
    assert_array_equal(changed.rows.columns["weight"], expected)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from((0.05, 0.3)), st.booleans())
def test_nulls_and_refusals_hit_the_share_that_they_name(
    seed: int, share: float, of_long: bool
) -> None:
    ending = f"{round(share * 100)}%{'-of-long' if of_long else ''}"
    before, missing = put(f"nulls-{ending}", seed)
    _, refused = put(f"refused-{ending}", seed)
    hit = np.isnan(missing.rows.columns["weight"])

    assert hit.mean() == pytest.approx(share, abs=0.06)
    assert (refused.refused == "weight").sum() == pytest.approx(hit.sum(), abs=0.09 * ROWS)
    if of_long:
        limit = np.quantile(REFERENCE.columns["weight"], 0.6)
        assert (before.rows.columns["weight"][hit] > limit).all()
        assert (before.rows.columns["weight"][refused.refused != ""] > limit).all()


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(("number", "category")))
def test_a_shuffle_keeps_the_values_of_near_rows(seed: int, role: str) -> None:
    before, changed = put(f"{role}-shuffled", seed)
    name = {"number": "weight", "category": "area"}[role]

    for start in range(0, ROWS, 200):
        near = slice(start, start + 200)
        assert_array_equal(
            np.sort(changed.rows.columns[name][near]), np.sort(before.rows.columns[name][near])
        )
    assert (changed.rows.columns[name] != before.rows.columns[name]).mean() > 0.3


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(("rare-2%", "rare-5%", "unseen-1%", "unseen-10%")))
def test_rows_move_to_one_category(seed: int, name: str) -> None:
    before, changed = put(name, seed)
    moved = changed.rows.columns["area"] != before.rows.columns["area"]

    (value,) = np.unique(changed.rows.columns["area"][moved])
    share = float(name.split("-")[1].rstrip("%")) / 100
    assert moved.mean() == pytest.approx(share, abs=0.03)
    if name.startswith("unseen"):
        assert value not in REFERENCE.columns["area"]


def test_swapped_twice_is_as_before() -> None:
    before, once = put("swapped", 4)

    twice = SHIFTS["swapped"].change(once, setting(4))

    assert_array_equal(once.rows.columns["area"], before.rows.columns[TWIN])
    assert_array_equal(twice.rows.columns["area"], before.rows.columns["area"])


def test_the_busiest_category_of_the_reference_is_gone() -> None:
    before, changed = put("busiest-gone", 4)
    areas = REFERENCE.columns["area"]
    values, counts = np.unique(areas, return_counts=True)
    busiest = values[np.argmax(counts)]

    assert busiest in before.rows.columns["area"]
    assert busiest not in changed.rows.columns["area"]
    assert len(changed) == (before.rows.columns["area"] != busiest).sum()
    assert busiest != MISSING_INTEGER or (areas == MISSING_INTEGER).sum() == counts.max()


def test_repeated_rows_come_at_the_time_of_the_others() -> None:
    before, changed = put("200-rows-repeated", 4)

    assert_array_equal(changed.arrived, before.arrived)
    assert_array_equal(changed.rows.event_times, before.rows.event_times)
    assert_array_equal(changed.rows.columns["weight"][200:400], before.rows.columns["weight"][:200])
    assert_array_equal(changed.known - changed.arrived, np.full(ROWS, 3600.0))


def test_lost_and_wrong_times_leave_the_order_of_requests() -> None:
    before, lost = put("times-missing", 4)
    _, wrong = put("times-5h-off", 4)

    assert np.isnat(lost.rows.event_times).all()
    hours = wrong.rows.event_times - before.rows.event_times
    assert_array_equal(hours, np.full(ROWS, np.timedelta64(5, "h")))
    assert_array_equal(lost.arrived, before.arrived)


def test_rounding_takes_whole_numbers_to_tens() -> None:
    whole = traffic(2).with_column("weight", np.arange(ROWS) * 1.0)

    changed = SHIFTS["number-rounded"].change(whole, setting(2))

    assert set(changed.rows.columns["weight"] % 10) == {0.0}
