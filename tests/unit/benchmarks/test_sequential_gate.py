"""The sequential test of two models that the benchmark of the gate holds against it."""

import numpy as np
import pytest
from gating.sequential import (
    BLOCK,
    LIMIT,
    SPREADS,
    STAKES,
    Found,
    blocks_of,
    capped,
    decided,
    evidence,
    fixed_bets,
    scaled_bets,
    worse_slice,
)
from hypothesis import given
from hypothesis import strategies as st

BETS = pytest.mark.parametrize("bets", [fixed_bets, scaled_bets])
MOVES = st.lists(st.floats(-1, 1), min_size=1, max_size=30)


@given(MOVES, st.lists(st.floats(0.01, 1), min_size=30, max_size=30))
def test_no_stake_gains_where_the_mean_does_not(moves: list[float], weights: list[float]) -> None:
    """Whatever the law of a block: a mean of at most 0, within the limit, pays at most 1."""
    chances = np.array(weights[: len(moves)]) / np.sum(weights[: len(moves)])
    law = np.array(moves)
    law = -law if chances @ np.clip(law, -LIMIT, LIMIT) > 0 else law

    bets = fixed_bets(law)

    assert bets.shape == (len(moves), len(STAKES))
    assert (bets > 0).all()
    assert (chances @ bets <= 1 + 1e-12).all()


@given(MOVES, st.floats(-1, 1))
def test_stakes_know_nothing_of_the_block_they_are_on(moves: list[float], other: float) -> None:
    """What is staked on a block follows from those before: its mirror image pays the mirror."""
    before = scaled_bets(np.array([*moves, other]))
    after = scaled_bets(np.array([*moves, -other]))

    assert np.array_equal(before[:-1], after[:-1])
    assert before[-1] + after[-1] == pytest.approx(2.0), "the same stakes, the other way"
    assert (before > 0).all()


@BETS
@given(moves=MOVES)
def test_evidence_of_a_beginning_is_the_beginning_of_the_evidence(bets, moves) -> None:  # type: ignore[no-untyped-def]
    line = evidence(bets(np.array(moves)))

    for end in range(1, len(moves) + 1):
        assert evidence(bets(np.array(moves[:end]))) == pytest.approx(line[:end])


def dependent(rng: np.random.Generator, rows: int, mean: float, memory: float) -> np.ndarray:
    """Return differences of rows that remember those before them, with the spread 0.1."""
    noise = rng.normal(0, 0.1 * np.sqrt(1 - memory**2), rows)
    level, levels = 0.0, np.empty(rows)
    for place, one in enumerate(noise):
        level = memory * level + one
        levels[place] = level
    return levels + mean


@BETS
@pytest.mark.parametrize("memory", [0.0, 0.5, 0.9])
def test_looking_after_every_block_errs_no_oftener_than_it_says(bets, memory) -> None:  # type: ignore[no-untyped-def]
    """300 pairs of equal models, 60 looks each; rows depend on each other, blocks hardly."""
    rng, alpha, pairs = np.random.default_rng(4), 0.05, 300
    wrong = 0
    for _ in range(pairs):
        moves = blocks_of(dependent(rng, 60 * BLOCK, 0.0, memory))
        wrong += evidence(bets(moves)).max() >= np.log(1 / alpha)

    assert wrong <= alpha * pairs


@BETS
def test_rows_that_depend_on_each_other_beyond_blocks_are_not_covered(bets) -> None:  # type: ignore[no-untyped-def]
    """Levels of a thousand rows, as of a storm: what the test says is about those rows alone."""
    rng, alpha, pairs = np.random.default_rng(5), 0.05, 60
    wrong = 0
    for _ in range(pairs):
        moves = blocks_of(dependent(rng, 60 * BLOCK, 0.0, 0.999))
        wrong += evidence(bets(moves)).max() >= np.log(1 / alpha)

    assert wrong > 2 * alpha * pairs


@BETS
def test_roles_that_are_changed_change_the_word(bets) -> None:  # type: ignore[no-untyped-def]
    moves = blocks_of(dependent(np.random.default_rng(6), 4000, 0.05, 0.5))

    def told(one: np.ndarray) -> tuple[Found, int]:
        end = decided(evidence(bets(one)), evidence(bets(-one)), 0.05)
        return end.found, end.rows

    better, rows = told(moves)
    assert better is Found.BETTER
    assert told(-moves) == (Found.WORSE, rows)
    assert 0 < rows < 4000
    assert told(np.zeros(40)) == (Found.UNDECIDED, 4000)


def test_first_word_counts() -> None:
    moves = np.array([LIMIT] * 12 + [-LIMIT] * 60)

    end = decided(evidence(fixed_bets(moves)), evidence(fixed_bets(-moves)), 0.05)

    assert end.found is Found.BETTER
    assert end.rows <= 12 * BLOCK


def test_what_is_staked_is_bounded() -> None:
    """One block, however far, moves no evidence by more than its largest stake."""
    for bets in (fixed_bets, scaled_bets):
        far = np.array([0.01, -0.01, 0.01, 1e6])
        jump = np.diff(evidence(bets(far)))[-1]
        assert 0 < jump < np.log(2.0)
    assert SPREADS > 1


def test_blocks_are_whole_and_losses_have_a_most() -> None:
    assert blocks_of(np.arange(250.0)).tolist() == [49.5, 149.5]
    assert len(blocks_of(np.zeros(BLOCK - 1))) == 0
    assert capped(np.array([-3.0, 1.0, 50.0]), 4.0).tolist() == [0.75, 0.25, 1.0]


def test_slice_that_is_worse_is_named_and_many_slices_ask_for_more() -> None:
    rng = np.random.default_rng(7)
    calm = {f"slice={number}": rng.normal(0, 0.01, 30) for number in range(10)}
    worse = rng.normal(-0.008, 0.01, 30)

    assert worse_slice(calm, 0.05) is None
    assert worse_slice({**calm, "slice=bad": worse - 0.02}, 0.05) == "slice=bad"
    line = evidence(scaled_bets(-worse)).max()
    chance = float(np.exp(-line)) * 2
    assert worse_slice({"slice=bad": worse}, chance) == "slice=bad"
    assert worse_slice({**calm, "slice=bad": worse}, chance) is None
    assert worse_slice({"few": np.empty(0)}, 0.05) is None
