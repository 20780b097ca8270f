"""A sequential test of two models on blocks of rows that may be looked at after every block.

Each block of 100 labelled rows gives one number: by how much the candidate's loss is below the
champion's. Evidence that its mean is above 0 is the wealth of somebody who bets on it at fair
odds (Waudby-Smith and Ramdas, arXiv 2010.09686): as long as the mean of a block, given those
before, is not above 0, the wealth is a supermartingale that begins with 1, and by Ville's
inequality it ever reaches 1/alpha with a chance of at most alpha. So no number of rows is fixed
before. Bets on the negative are the mirrored test. It is not the product's gate: the benchmark
says how it decides, docs/adr/0031 why it stays here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

BLOCK: Final = 100
#: Largest difference of a block that counts, of losses from 0 to 1, and the stakes on it.
LIMIT: Final = 0.1
STAKES: Final = (0.5, 1.0, 2.0, 4.0, 8.0)
#: The same where the spread of the blocks before is the scale.
SPREADS: Final = 2.0
SHARES: Final = (0.05, 0.1, 0.2, 0.4, 0.8)


class Found(StrEnum):
    """What a test says."""

    BETTER = "better"
    WORSE = "worse"
    UNDECIDED = "undecided"


@dataclass(frozen=True)
class End:
    """A test's end: what it found, after how many rows."""

    found: Found
    rows: int


def blocks_of(losses: Floats, size: int = BLOCK) -> Floats:
    """Return the mean of each whole block of rows that follow each other, shape (blocks,)."""
    count = len(losses) // size
    means: Floats = losses[: count * size].reshape(count, size).mean(axis=1)
    return means


def capped(errors: Floats, scale: float) -> Floats:
    """Return absolute errors as losses from 0 to 1: as a share of a large error."""
    losses: Floats = np.minimum(np.abs(errors) / scale, 1.0)
    return losses


def fixed_bets(differences: Floats) -> Floats:
    """Return the factors of each stake on each block, shape (blocks, stakes).

    Args:
        differences: Of block means of losses from 0 to 1, shape (blocks,).
    """
    return 1 + np.outer(np.clip(differences, -LIMIT, LIMIT), STAKES)


def scaled_bets(differences: Floats) -> Floats:
    """Return factors whose stakes follow the spread of the blocks before, shape (blocks, stakes).

    The spread is that of earlier blocks alone, so it takes no side; nothing is staked on the first
    one. What is far outside of it counts as far as twice the spread.

    Args:
        differences: Of block means of any loss, shape (blocks,).
    """
    count = np.arange(1, len(differences))
    spread = np.sqrt(np.cumsum(differences**2)[:-1] / count) * SPREADS
    moved = np.zeros(len(differences))
    known = spread > 0
    moved[1:][known] = np.clip(differences[1:][known] / spread[known], -1, 1)
    return 1 + np.outer(moved, SHARES)


def evidence(bets: Floats) -> Floats:
    """Return the logarithm of the mean wealth of all stakes after each block, shape (blocks,)."""
    wealth = np.cumsum(np.log(bets), axis=0)
    mean: Floats = np.logaddexp.reduce(wealth, axis=1) - np.log(bets.shape[1])
    return mean


def decided(better: Floats, worse: Floats, alpha: float) -> End:
    """Return what is found first, looked at after every block.

    Args:
        better: Evidence that the candidate is better, shape (blocks,).
        worse: Of the mirrored test, shape (blocks,).
        alpha: Chance of a wrong word, for each of the two.
    """
    first = {
        found: int(np.argmax(reached)) + 1
        for found, line in ((Found.WORSE, worse), (Found.BETTER, better))
        if (reached := line >= -np.log(alpha)).any()
    }
    if not first:
        return End(Found.UNDECIDED, len(better) * BLOCK)
    found = min(first, key=lambda one: first[one])
    return End(found, first[found] * BLOCK)


def worse_slice(differences: Mapping[str, Floats], alpha: float) -> str | None:
    """Return a slice in which the candidate is worse; their number pays for looking at all.

    Args:
        differences: By slice: block means of the champion's loss less the candidate's.
        alpha: Chance of naming any slice in which it is not.
    """
    for name, of_slice in differences.items():
        line = evidence(scaled_bets(-of_slice))
        if len(line) and line.max() >= np.log(len(differences) / alpha):
            return name
    return None
