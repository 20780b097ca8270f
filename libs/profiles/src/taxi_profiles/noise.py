"""Sampling noise: how far rows may be from the reference although nothing has changed.

A window of n rows is a sample, and so is the reference of N. Both together are one draw from
the posterior predictive distribution of the reference's counts: shares from a Dirichlet
distribution with these counts (the Bayesian bootstrap, Rubin 1981), then n rows from the
shares. A column that is nearly constant has most of its noise in values that are rarer than the
reference could show; their share is Good's (1953): values seen once, over all. Of rare values
the exact prediction bound counts too, which no number of draws would show.
"""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

#: Chance of a false alarm of one evaluation, shared by the columns that count.
LEVEL: Final = 1e-4
COLUMN_LEVEL: Final = LEVEL / 4
#: Normal quantile of 1 - COLUMN_LEVEL.
QUANTILE: Final = 4.056

_DRAWS: Final = 200
_SEED: Final = 20210101
#: The quantile, in units of the scale, falls with the shape; below this it is not approximated.
_MIN_SHAPE: Final = 0.1


@dataclass(frozen=True, slots=True)
class Noise:
    """Distances of rows that come from the reference itself, at one row count.

    Attributes:
        usual: Mean distance.
        floor: Distance that is exceeded with a chance of `COLUMN_LEVEL`; infinite when nothing
            can be told from it.
    """

    usual: float
    floor: float


def far_quantile(mean: float, variance: float) -> float:
    """Quantile 1 - COLUMN_LEVEL of a gamma distribution with these moments, at least 0.

    By Wilson and Hilferty (1931): the cube root of such a variable is close to normal. Sums of
    squared deviations are of this form, and its tail is longer than that of a rare count.
    """
    if mean <= 0 or variance <= 0:
        return max(mean, 0.0)
    scale = variance / mean
    shape = max(mean / scale, _MIN_SHAPE)
    cube_root = 1 - 1 / (9 * shape) + QUANTILE / (3 * math.sqrt(shape))
    return scale * shape * float(cube_root**3)


def most_of(counts: Floats, rows: int, reference_rows: float) -> Floats:
    """Return how many of `rows` rows may have a value that so many of the reference have.

    The smallest number that is reached with a chance of at most COLUMN_LEVEL, at most `rows`, of
    the negative binomial distribution that is the exact prediction bound of a Poisson count:
    with shape c + 1 and mean (c + 1) n / N. For a value that the reference does not have it is
    (n / (n + N))^k, the chance that k rows of both together are all in the window.

    Args:
        counts: Of the reference, shape (k,), 0 and more.
        rows: Rows of the window, n.
        reference_rows: Rows that the reference is worth, N.

    >>> most_of(np.array([0.0, 1.0]), 2000, 30_000)
    array([4., 5.])
    """
    stay = reference_rows / (rows + reference_rows)
    shapes = counts + 1
    chance = stay**shapes
    left = 1 - chance
    found = np.full(len(counts), float(rows))
    for number in range(1, rows + 1):
        found[(left <= COLUMN_LEVEL) & (found == rows)] = number
        if (left <= COLUMN_LEVEL).all():
            break
        chance = chance * (number - 1 + shapes) / number * (1 - stay)
        left = left - chance
    return found


def drawn_counts(weights: Floats, rows: int, reference_rows: float) -> Floats:
    """Draw windows of `rows` rows; the same arguments give the same draws.

    Args:
        weights: Counts of the reference by cell, shape (k,); 0 is never drawn.
        rows: Rows of a window.
        reference_rows: Rows that the reference is worth; its counts are scaled to that.

    Returns:
        Counts, shape (200, k).
    """
    rng = np.random.default_rng(_SEED)
    held = np.flatnonzero(weights)
    shapes = weights[held] * (reference_rows / weights.sum())
    shares = rng.standard_gamma(shapes, (_DRAWS, len(held))) + np.finfo(np.float64).tiny
    counts = np.zeros((_DRAWS, len(weights)))
    counts[:, held] = rng.multinomial(rows, shares / shares.sum(axis=1, keepdims=True))
    return counts


def noise_of(distances: Floats, rare: float, power: float) -> Noise:
    """Return the noise of a column.

    Args:
        distances: Of windows that were drawn, shape (m,).
        rare: Largest distance of a window with as many rows of one rare value as there may be.
        power: Of the distance that is linear in a rare count.
    """
    powered = distances**power
    floor = far_quantile(float(powered.mean()), float(powered.var(ddof=1))) ** (1 / power)
    return Noise(float(distances.mean()), max(floor, rare))
