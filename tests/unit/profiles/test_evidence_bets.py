"""Prices, evidence and handicaps, held to brute force and to simulation."""

import itertools
import math
from typing import Any

import numpy as np
import pytest

from taxi_profiles.evidence.bets import (
    STAKES,
    SURCHARGE,
    Bets,
    book_of,
    lines_of,
)


def played(reference: Any, live: Any, sides: tuple[int, ...] = (1,)) -> list[Bets]:
    lines = lines_of(np.asarray(reference, np.float64), sides, -math.inf)
    bets, found = Bets.none(lines), []
    for score in live:
        bets = bets.after(lines, np.array([float(score)]))
        found.append(bets)
    return found


def test_a_bet_is_fair_at_best_whatever_came_before() -> None:
    """Of all orders of seven scores, those with the same wins before never gain on average."""
    blocks, coming = 4, 3
    factors: dict[tuple[float, ...], list[float]] = {}
    for order in itertools.permutations(range(blocks + coming)):
        lines = lines_of(np.array(order[:blocks], np.float64), (1,), -math.inf)
        bets = Bets.none(lines)
        before: tuple[float, ...] = ()
        for score in order[blocks:]:
            after = bets.after(lines, np.array([float(score)]))
            factor = after.evidence[0, 1] - np.logaddexp(bets.evidence[0, 1], 0)
            factors.setdefault(before, []).append(math.exp(factor))
            before, bets = (*before, after.wins[0] - bets.wins[0]), after
    assert len(factors) == 1 + 2 + 4
    assert all(np.mean(some) <= 1 + 1e-12 for some in factors.values())


def test_exact_prices_would_be_fair() -> None:
    assert SURCHARGE >= 1  # the urn's own price; lower ones would let evidence grow by itself


def test_evidence_is_the_sum_over_all_beginnings() -> None:
    """R is the sum over beginnings of the product of the factors since."""
    rng = np.random.default_rng(1)
    reference, live = rng.normal(size=40), rng.normal(1, 1, 12)
    found = played(reference, live, sides=(1, -1))
    lines = lines_of(reference, (1, -1), -math.inf)
    wins = np.zeros(len(lines.levels))
    factors = []
    for seen, score in enumerate(live):
        won = lines.signs * score > lines.levels
        price = (lines.above + SURCHARGE + wins) / (40 + SURCHARGE + seen)
        factors.append([np.where(won, 1 - stake + stake / price, 1 - stake) for stake in STAKES])
        wins += won
    made: Any = np.array(factors)
    expected = sum(np.prod(made[start:], axis=0) for start in range(len(live)))
    np.testing.assert_allclose(np.exp(found[-1].evidence.T), expected, rtol=1e-12)


@pytest.mark.parametrize("blocks", [30, 150])
def test_evidence_of_exchangeable_blocks_grows_no_faster_than_their_number(blocks: int) -> None:
    rng = np.random.default_rng(7)
    length, tries = 100, 60
    lasts, reached = [], 0
    for _ in range(tries):
        scores = rng.standard_t(3, blocks + length)
        evidence = [
            float(np.exp(one.evidence).mean())
            for one in played(scores[:blocks], scores[blocks:], sides=(1, -1))
        ]
        lasts.append(evidence[-1])
        reached += max(evidence) >= length
    assert np.mean(lasts) <= length
    assert reached <= tries / 2  # at most one alarm in A blocks on average


def test_blocks_without_a_score_are_no_bet() -> None:
    reference = np.arange(50.0)
    without = played(reference, [math.nan, math.nan])[-1]
    assert without.seen.sum() == without.wins.sum() == 0
    np.testing.assert_allclose(np.exp(without.evidence), 2.0)


def test_a_constant_stream_never_wins() -> None:
    last = played(np.full(60, 0.25), np.full(100, 0.25), sides=(1, -1))[-1]
    assert (last.evidence <= math.log(100)).all()
    assert last.wins.sum() == 0


def test_a_floor_lifts_the_lines() -> None:
    reference = np.linspace(0, 0.001, 60)
    assert (lines_of(reference, (1, -1), 0.004).levels >= 0.004).all()


def test_a_reference_whose_far_blocks_come_together_has_a_handicap() -> None:
    rng = np.random.default_rng(3)
    apart = rng.normal(size=150)
    together = apart.copy()
    far = np.argsort(apart)[-8:]
    together[far] = apart[:8]
    together[:8] = np.sort(apart)[-8:]
    book = book_of({"apart": (apart, (1,), 0.0), "together": (together, (1,), 0.0)})
    handicaps = [book.handicap[book.lines.stream == place].max() for place in range(2)]
    assert handicaps[0] < 1
    assert handicaps[1] > 5


def test_a_book_keeps_streams_in_the_order_of_their_names() -> None:
    reference = np.arange(40.0)
    book = book_of({"b": (reference, (1,), 0.0), "a": (reference[:30], (1,), 0.0)})
    assert book.streams == ("a", "b")
    assert book.lines.stream.tolist() == [0, 0, 1, 1]  # 2 % of 40 blocks is the largest one
    np.testing.assert_array_equal(book.scores({"b": 2.0, "c": 1.0}), [np.nan, 2.0])
    np.testing.assert_array_equal(book.scores({"a": math.inf, "b": 1.0}), [np.nan, 1.0])
