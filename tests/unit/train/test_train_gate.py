"""What the gate says, on the whole and by slice."""

import numpy as np
import pytest

from taxi_domain.runs import RunResult
from taxi_domain.zones import ZONE_BOROUGHS, borough_of
from taxi_train.data.rides import Rides
from taxi_train.data.slices import errors_by_slice, slices_of
from taxi_train.runs.gate import GateRules, compare

RNG = np.random.default_rng(7)
ROWS = 4000
TARGET = RNG.gamma(4, 4, ROWS)
CHAMPION = TARGET + RNG.normal(0, 5, ROWS)
RULES = GateRules()


def rides(rows: int = ROWS) -> Rides:
    hours = np.arange(rows, dtype=float) % 24
    return Rides(
        RNG.integers(1, 266, rows).astype(float), RNG.integers(1, 266, rows).astype(float),
        RNG.gamma(2, 2, rows), hours * 3600.0, np.arange(rows, dtype=float), TARGET[:rows],
    )  # fmt: skip


def candidate(spread: float) -> np.ndarray:
    return TARGET + RNG.normal(0, spread, ROWS)


@pytest.mark.parametrize(
    ("spread", "result"),
    [(4.0, RunResult.BETTER), (5.0, RunResult.NOT_BETTER), (6.0, RunResult.NOT_BETTER)],
)
def test_gain_decides(spread: float, result: RunResult) -> None:
    found = compare(TARGET, CHAMPION, candidate(spread), RULES, slices_of(rides()))

    assert found.result is result
    assert found.numbers["evaluated_rows"] == ROWS


def test_few_rides_decide_nothing() -> None:
    found = compare(TARGET[:999], CHAMPION[:999], CHAMPION[:999], RULES)

    assert found.result is RunResult.TOO_FEW_LABELS


@pytest.mark.parametrize("strange", [np.nan, np.inf])
def test_answers_that_are_no_numbers_never_win(strange: float) -> None:
    answers = candidate(3.0)
    answers[[5, 7]] = strange

    found = compare(TARGET, CHAMPION, answers, RULES, slices_of(rides()))

    assert found.result is RunResult.NOT_BETTER
    assert f"the candidate gives no finite answer for 2 of {ROWS}" in found.message
    assert np.isfinite(list(found.numbers.values())).all()


@pytest.mark.parametrize("strange", [np.nan, np.inf])
def test_a_champion_without_answers_for_some_rides_can_be_replaced(strange: float) -> None:
    answers = CHAMPION.copy()
    answers[[5, 7]] = strange

    found = compare(TARGET, answers, candidate(4.0), RULES, slices_of(rides()))

    assert found.result is RunResult.BETTER
    assert "2 more have no answer of the champion's" in found.message
    assert found.numbers["evaluated_rows"] == ROWS - 2
    assert np.isfinite(list(found.numbers.values())).all()
    assert compare(TARGET, np.full(ROWS, strange), TARGET, RULES).result is RunResult.TOO_FEW_LABELS


def test_nothing_is_better_than_a_perfect_champion() -> None:
    found = compare(TARGET, TARGET, TARGET, RULES)

    assert found.result is RunResult.NOT_BETTER
    assert found.numbers["gain"] == 0


def test_candidate_that_is_much_worse_somewhere_is_refused() -> None:
    night = np.arange(ROWS) % 8 == 0
    better = candidate(3.0)
    better[night] = TARGET[night] + RNG.normal(0, 7, night.sum())

    found = compare(TARGET, CHAMPION, better, RULES, {"hours=night": night, "hours=day": ~night})

    assert found.result is RunResult.WORSE_IN_SLICE
    assert "hours=night" in found.message
    assert found.slices["hours=night"]["gain"] < -0.1 < found.slices["hours=day"]["gain"]


def test_small_slices_are_not_judged() -> None:
    few = np.arange(ROWS) < RULES.min_slice_rows - 1
    better = candidate(3.0)
    better[few] += 8

    found = compare(TARGET, CHAMPION, better, RULES, {"few": few})

    assert (found.result, found.slices) == (RunResult.BETTER, {})


def test_slices_look_worse_by_chance_seldom() -> None:
    """Among 20 seeds with an even gain, the gate names a slice in at most one."""
    named = 0
    for _ in range(20):
        found = compare(TARGET, CHAMPION, candidate(4.5), RULES, slices_of(rides()))
        named += found.result is RunResult.WORSE_IN_SLICE
    assert named <= 1


def test_each_ride_has_one_borough_one_hour_and_one_distance() -> None:
    found = slices_of(rides())

    for kind in ("borough=", "hours=", "miles="):
        counts = sum(mask.astype(int) for name, mask in found.items() if name.startswith(kind))
        assert set(np.unique(counts)) == {1}


def test_zone_table_is_complete() -> None:
    assert len(ZONE_BOROUGHS) == 265
    assert (borough_of(1), borough_of(130), borough_of(236)) == ("Newark", "Queens", "Manhattan")


def test_errors_by_slice_are_those_of_the_rides() -> None:
    some = rides()

    found = errors_by_slice(some, some.duration + 2.0)

    assert sum(one["rows"] for name, one in found.items() if name.startswith("miles=")) == ROWS
    assert {one["rmse"] for one in found.values()} == {2.0}
