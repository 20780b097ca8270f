"""Bets against "this block is like the reference's", at prices that the reference can defend.

A reference has m blocks. Of a score whose blocks are exchangeable, the chance q that a new one
is above the (j + 1)-th largest has exactly a Beta(j + 1, m - j) law. With p its quantile
1 - delta, a bet that pays 1 - w + w X / p on X = "above" has a mean of at most 1 unless q > p,
which happens with a chance of delta over references. The deltas of all bets sum to DELTA.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

#: Chance, over references, that any bet's price is too low.
DELTA: Final = 0.05
#: Shares of the reference's blocks that are above a bet's line.
RANKS: Final = (0.0, 0.02, 0.05)
#: Shares of the money that are at stake.
STAKES: Final = (0.5, 0.9)
_HALVINGS: Final = 60


@dataclass(frozen=True, slots=True)
class Lines:
    """The lines of one stream that a block's score is compared with.

    Attributes:
        signs: 1 where a score above the line wins, -1 below, shape (k,).
        levels: The lines, of sign times score, shape (k,).
        prices: Upper bounds of the chance to win, 0..1, shape (k,).
    """

    signs: Floats
    levels: Floats
    prices: Floats


def price(above: int, blocks: int, delta: float) -> float:
    """Return the quantile 1 - delta of a Beta(above + 1, blocks - above) law.

    It is the p at which a binomial count of so many blocks is at most `above` with a chance of
    delta, since both laws have whole parameters.

    Args:
        above: Blocks of the reference above the line, less than `blocks`.
        blocks: Blocks of the reference.
        delta: Chance that the true share is larger, 0..1.

    >>> round(price(0, 100, 0.05), 4)
    0.0295
    """
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if _at_most(above, blocks, middle) > delta:
            low = middle
        else:
            high = middle
    return high


def _at_most(count: int, blocks: int, share: float) -> float:
    """Chance that a binomial count is at most `count`."""
    if share >= 1:
        return 0.0
    chance = (1 - share) ** blocks
    total = chance
    for k in range(count):
        chance *= (blocks - k) / (k + 1) * share / (1 - share)
        total += chance
    return total


def lines(
    scores: Floats, sides: Sequence[int], bets: int, floor: float, delta: float = DELTA
) -> Lines:
    """Return the lines of a stream.

    Args:
        scores: Of the reference's blocks, each left out of what it is compared with, shape (m,).
        sides: 1 for scores that are suspicious when high, -1 when low, or both.
        bets: Lines of all streams together; they share `delta`.
        floor: No line is below it: what is smaller does not matter.
        delta: Chance that any price is too low.
    """
    blocks = len(scores)
    ranks = sorted({int(share * blocks) for share in RANKS})
    found = [
        (sign, max(float(np.sort(sign * scores)[::-1][rank]), floor), price(rank, blocks, share))
        for sign in sides
        for rank in ranks
        for share in [delta / bets]
    ]
    signs, levels, prices = np.array(found, np.float64).T
    return Lines(signs, levels, prices)


@dataclass(frozen=True, slots=True)
class Book:
    """The bets of all streams of one side, flat, each line with every stake.

    Attributes:
        streams: Names, ascending.
        stream: Place of each bet's stream, shape (b,).
        signs: As in `Lines`, shape (b,).
        levels: As in `Lines`, shape (b,).
        wins: Logarithm of what a won bet multiplies by, shape (b,).
        losses: Logarithm of what a lost bet multiplies by, shape (b,).
    """

    streams: tuple[str, ...]
    stream: NDArray[np.int64]
    signs: Floats
    levels: Floats
    wins: Floats
    losses: Floats

    def factors(self, scores: Mapping[str, float]) -> Floats:
        """Return the logarithm of each bet's outcome; 0 where the block has no score.

        Args:
            scores: By stream, finite; streams may be absent, others are ignored.
        """
        values = np.array([scores.get(name, math.nan) for name in self.streams])[self.stream]
        outcome = np.where(self.signs * values > self.levels, self.wins, self.losses)
        found: Floats = np.where(np.isnan(values), 0.0, outcome)
        return found


def book(found: Mapping[str, Lines]) -> Book:
    """Put the lines of all streams together."""
    streams = tuple(sorted(found))
    stakes = np.array(STAKES)

    def flat(values: Sequence[Floats]) -> Floats:
        return np.repeat(np.concatenate([np.empty(0), *values]), len(stakes))

    counts = [len(found[name].levels) for name in streams]
    stake = np.tile(stakes, sum(counts))
    prices = flat([found[name].prices for name in streams])
    return Book(
        streams=streams,
        stream=np.repeat(np.arange(len(streams)), np.array(counts, np.int64) * len(stakes)),
        signs=flat([found[name].signs for name in streams]),
        levels=flat([found[name].levels for name in streams]),
        wins=np.log(1 - stake + stake / np.maximum(prices, 1e-12)),
        losses=np.log(1 - stake),
    )
