"""Bets against "this block is like those before", at prices that the reference sets.

A reference has m blocks, and a line is drawn at the (j + 1)-th largest of their scores. If the
blocks of the reference and those that follow are exchangeable, and k of the n that followed were
above the line, the next one is with a chance of (j + 1 + k) / (m + 1 + n): Pólya's urn, exact, and
whatever the law of the scores. A bet that pays 1 - w + w X / p on X = "above" at a price p of at
least this chance has a mean of at most 1 given all that came before. So the price pays for
the reference's shortness, and quiet blocks that follow make the reference longer.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

#: Shares of the reference's blocks that are above a line.
RANKS: Final = (0.0, 0.02, 0.05)
#: Shares of the money that are at stake.
STAKES: Final = (0.5, 0.9)
#: In place of the 1 of the urn: exact prices would be right for exchangeable blocks only, and next
#: month's are not quite.
SURCHARGE: Final = 4.0


@dataclass(frozen=True, slots=True)
class Lines:
    """Lines that scores are compared with, of one stream or of all.

    Attributes:
        stream: Place of each line's stream, shape (k,).
        signs: 1 where a score above the line wins, -1 below, shape (k,).
        levels: The lines, of sign times score, shape (k,).
        above: Blocks of the reference above the line, shape (k,).
        blocks: Blocks of the reference, shape (k,).
    """

    stream: NDArray[np.int64]
    signs: Floats
    levels: Floats
    above: Floats
    blocks: Floats

    def won(self, scores: Floats) -> Floats:
        """Return 1 where a block wins, 0 where it does not, NaN where it has no score.

        Args:
            scores: By stream, shape (streams,), NaN where there is none.
        """
        values = scores[self.stream]
        won = (self.signs * values > self.levels).astype(np.float64)
        return np.where(np.isnan(values), np.nan, won)


@dataclass(frozen=True, slots=True)
class Bets:
    """What was won so far, and how the evidence grew.

    Attributes:
        wins: Blocks above each line, shape (k,).
        seen: Blocks that had a score, shape (k,).
        evidence: Logarithm of the Shiryaev-Roberts R of each line and stake, shape (k, 2).
    """

    wins: Floats
    seen: Floats
    evidence: Floats

    @classmethod
    def none(cls, lines: Lines) -> "Bets":
        """Return those before the first block."""
        count = len(lines.levels)
        nothing = np.full((count, len(STAKES)), -np.inf)
        return cls(np.zeros(count), np.zeros(count), nothing)

    def after(self, lines: Lines, scores: Floats) -> "Bets":
        """Return the bets after one more block; see `Lines.won` for the scores."""
        won = lines.won(scores)
        prices = (lines.above + SURCHARGE + self.wins) / (lines.blocks + SURCHARGE + self.seen)
        stakes = np.array(STAKES)
        pays = np.log(1 - stakes + stakes / np.minimum(prices, 1.0)[:, np.newaxis])
        outcome = np.where(won[:, np.newaxis] > 0, pays, np.log(1 - stakes))
        played = ~np.isnan(won)
        return Bets(
            self.wins + np.where(played, won, 0.0),
            self.seen + played,
            np.logaddexp(self.evidence, 0.0) + np.where(played[:, np.newaxis], outcome, 0.0),
        )


@dataclass(frozen=True, slots=True)
class Book:
    """The lines of all streams of one side.

    Attributes:
        streams: Names, ascending.
        lines: Of these.
        handicap: Logarithm of what each line's R is divided by, shape (k, 2).
    """

    streams: tuple[str, ...]
    lines: Lines
    handicap: Floats

    def scores(self, found: Mapping[str, float]) -> Floats:
        """Return the scores by place, NaN where a stream has none or one that is not finite."""
        values = np.array([found.get(name, math.nan) for name in self.streams])
        return np.where(np.isfinite(values), values, np.nan)


def lines_of(scores: Floats, sides: Sequence[int], floor: float) -> Lines:
    """Return the lines of a stream, whose place is 0.

    Args:
        scores: Of the reference's blocks, each left out of what it is compared with, shape (m,).
        sides: 1 for scores that are suspicious when high, -1 when low, or both.
        floor: No line is below it: what is smaller does not matter.
    """
    return _lines(scores, sides, floor, 0)


def book_of(found: Mapping[str, tuple[Floats, Sequence[int], float]]) -> Book:
    """Draw the lines of all streams.

    Args:
        found: By stream, what `lines_of` takes.
    """
    streams = tuple(sorted(found))
    lines = _joined([lines_of(*found[name]) for name in streams])
    own = _joined([_lines(*found[name], 1) for name in streams])
    return Book(streams, lines, _handicap([found[name][0] for name in streams], lines, own))


def _lines(scores: Floats, sides: Sequence[int], floor: float, left_out: int) -> Lines:
    """Return lines; with one left out, those that a block above them sees without itself."""
    blocks = len(scores)
    ranks = sorted({int(share * blocks) for share in RANKS})
    ordered = {sign: np.sort(sign * scores)[::-1] for sign in sides}
    found = [
        (sign, max(float(ordered[sign][min(rank + left_out, blocks - 1)]), floor), rank)
        for sign in sides
        for rank in ranks
    ]
    signs, levels, above = np.array(found, np.float64).T
    places = np.zeros(len(found), np.int64)
    return Lines(places, signs, levels, above, np.full(len(found), float(blocks)))


def _joined(parts: Sequence[Lines]) -> Lines:
    def all_of(name: str) -> Floats:
        return np.concatenate([np.empty(0), *(getattr(part, name) for part in parts)])

    counts = [len(part.levels) for part in parts]
    return Lines(
        np.repeat(np.arange(len(parts)), counts), all_of("signs"), all_of("levels"),
        all_of("above"), all_of("blocks"),
    )  # fmt: skip


def _handicap(scores: Sequence[Floats], lines: Lines, own: Lines) -> Floats:
    """Return the logarithm of what each line's R is divided by, shape (k, 2), 0 and more.

    Blocks of a day belong together. Played in their order, each against the others, independent
    blocks of the reference would reach an R of about their number; what it is above that comes from
    their dependence, and may come again.
    """
    played = np.full((max(map(len, scores), default=0), len(scores)), np.nan)
    for place, some in enumerate(scores):
        played[len(played) - len(some) :, place] = some
    bets = Bets.none(own)
    most = bets.evidence
    for block in played:
        bets = bets.after(own, block)
        most = np.maximum(most, bets.evidence)
    found: Floats = np.maximum(most - np.log(lines.blocks)[:, np.newaxis], 0.0)
    return found
