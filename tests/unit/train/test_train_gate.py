"""What the gate says, on the whole and by slice."""

import numpy as np
import pytest
from support.labelled import labelled, orders

from taxi_domain.runs import RunResult
from taxi_schema.columns.slices import slices_of
from taxi_train.data.rows import errors_by_slice
from taxi_train.runs.gate import Answers, GateRules, compare

RNG = np.random.default_rng(8)
ROWS = 4000
TARGET = RNG.gamma(4, 4, ROWS)
CHAMPION = TARGET + RNG.normal(0, 5, ROWS)
RULES = GateRules()


SCHEMA = orders()
ORDERS = labelled(SCHEMA, ROWS)
SLICES = slices_of(SCHEMA, ORDERS.columns, ORDERS.event_times)


def candidate(spread: float) -> np.ndarray:
    return TARGET + RNG.normal(0, spread, ROWS)


@pytest.mark.parametrize(
    ("spread", "result"),
    [(4.0, RunResult.BETTER), (5.0, RunResult.NOT_BETTER), (6.0, RunResult.NOT_BETTER)],
)
def test_gain_decides(spread: float, result: RunResult) -> None:
    found = compare(Answers(TARGET, CHAMPION, candidate(spread)), RULES, SLICES)

    assert found.result is result
    assert found.numbers["evaluated_rows"] == ROWS


def test_few_rows_decide_nothing() -> None:
    found = compare(Answers(TARGET[:999], CHAMPION[:999], CHAMPION[:999]), RULES)

    assert found.result is RunResult.TOO_FEW_LABELS


@pytest.mark.parametrize("strange", [np.nan, np.inf])
def test_answers_that_are_no_numbers_never_win(strange: float) -> None:
    answers = candidate(3.0)
    answers[[5, 7]] = strange

    found = compare(Answers(TARGET, CHAMPION, answers), RULES, SLICES)

    assert found.result is RunResult.NOT_BETTER
    assert f"the candidate gives no finite answer for 2 of {ROWS}" in found.message
    assert np.isfinite(list(found.numbers.values())).all()


@pytest.mark.parametrize("strange", [np.nan, np.inf])
def test_a_champion_without_answers_for_some_rows_can_be_replaced(strange: float) -> None:
    answers = CHAMPION.copy()
    answers[[5, 7]] = strange

    found = compare(Answers(TARGET, answers, candidate(4.0)), RULES, SLICES)

    assert found.result is RunResult.BETTER
    assert "2 more have no answer of the champion's" in found.message
    assert found.numbers["evaluated_rows"] == ROWS - 2
    assert np.isfinite(list(found.numbers.values())).all()
    assert (
        compare(Answers(TARGET, np.full(ROWS, strange), TARGET), RULES).result
        is RunResult.TOO_FEW_LABELS
    )


def test_nothing_is_better_than_a_perfect_champion() -> None:
    found = compare(Answers(TARGET, TARGET, TARGET), RULES)

    assert found.result is RunResult.NOT_BETTER
    assert found.numbers["gain"] == 0


def test_candidate_that_is_much_worse_somewhere_is_refused() -> None:
    night = np.arange(ROWS) % 8 == 0
    better = candidate(3.0)
    better[night] = TARGET[night] + RNG.normal(0, 7, night.sum())

    found = compare(
        Answers(TARGET, CHAMPION, better), RULES, {"hours=night": night, "hours=day": ~night}
    )

    assert found.result is RunResult.WORSE_IN_SLICE
    assert "hours=night" in found.message
    assert found.slices["hours=night"]["gain"] < -0.1 < found.slices["hours=day"]["gain"]


def test_small_slices_are_not_judged() -> None:
    few = np.arange(ROWS) < RULES.min_slice_rows - 1
    better = candidate(3.0)
    better[few] += 8

    found = compare(Answers(TARGET, CHAMPION, better), RULES, {"few": few})

    assert (found.result, found.slices) == (RunResult.BETTER, {})


def test_slices_look_worse_by_chance_seldom() -> None:
    """Among 20 seeds with an even gain, the gate names a slice in at most one."""
    named = 0
    for _ in range(20):
        found = compare(Answers(TARGET, CHAMPION, candidate(4.5)), RULES, SLICES)
        named += found.result is RunResult.WORSE_IN_SLICE
    assert named <= 1


def test_the_message_has_the_unit() -> None:
    message = compare(Answers(TARGET, CHAMPION, candidate(4.0), "euros"), RULES).message

    assert " euros on 4000 rows that neither saw" in message


def test_small_targets_are_compared_like_large_ones() -> None:
    spread = 1e-9
    better = candidate(4.0)

    large = compare(Answers(TARGET, CHAMPION, better), RULES)
    small = compare(Answers(TARGET * spread, CHAMPION * spread, better * spread), RULES)

    assert small.numbers["gain"] == pytest.approx(large.numbers["gain"])


def test_errors_by_slice_are_those_of_the_rows() -> None:
    by_slice = errors_by_slice(SCHEMA, ORDERS.predicted(ORDERS.target + 2.0))

    assert sum(part["rows"] for part in by_slice.values()) == ROWS
    assert {part["rmse"] for part in by_slice.values()} == {2.0}
