"""Tests of the order of numbers; p-values, and the energy distance."""

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from taxi_profiles.numeric import NumericProfile
from taxi_profiles.scores.binned import value_counts
from taxi_profiles.scores.kolmogorov import two_samples_above
from taxi_profiles.scores.special import normal_above, scaled_bessel_quarter

Floats = NDArray[np.float64]

#: Rows of the larger side from which on there is a distribution for all sizes.
_MIN_CRAMER: Final = 21
#: Rows of each side from which on the normal distribution holds.
_MIN_NORMAL: Final = 9
#: Levels and coefficients of Scholz and Stephens (1987), table 2.
_LEVELS: Final = np.array([0.25, 0.1, 0.05, 0.025, 0.01, 0.005, 0.001])
_CRITICAL: Final = (
    np.array([0.675, 1.281, 1.645, 1.96, 2.326, 2.573, 3.085])
    + np.array([-0.245, 0.25, 0.678, 1.149, 1.822, 2.364, 3.615])
    + np.array([-0.105, -0.305, -0.362, -0.391, -0.396, -0.345, -0.154])
)


def kolmogorov_smirnov(reference: NumericProfile, window: NumericProfile) -> float:
    """P-value of the two-sample Kolmogorov-Smirnov test.

    With at most 10,000 rows on both sides it is exact, and takes up to 0.1 s.

    Raises:
        ValueError: one side has no rows.
    """
    _check(reference, window)
    at = reference.below[np.searchsorted(reference.values, window.values, side="right")]
    before = reference.below[np.searchsorted(reference.values, window.values)]
    # Between two values of the window only the reference rises, so the largest distances are there.
    gaps = np.concatenate([
        at / reference.rows - window.below[1:] / window.rows,
        before / reference.rows - window.below[:-1] / window.rows,
    ])  # fmt: skip
    return two_samples_above(float(np.abs(gaps).max()), reference.rows, window.rows)


def cramer_von_mises(reference: NumericProfile, window: NumericProfile) -> float:
    """P-value of the two-sample test of Cramer and von Mises, by its limiting distribution.

    Raises:
        ValueError: one side has fewer than two rows, or both have at most 20.
    """
    _check(reference, window)
    m, n = reference.rows, window.rows
    if min(m, n) < 2 or max(m, n) < _MIN_CRAMER:
        raise ValueError(f"the test needs 2 rows on both sides, and {_MIN_CRAMER} on one")
    counts = value_counts(reference, window)
    both = counts[0] + counts[1]
    ranks = np.cumsum(both) - both / 2 + 0.5
    total = sum(
        size * _squares(ranks, own) for size, own in zip((m, n), counts, strict=True)
    )  # fmt: skip
    k, size = m * n, m + n
    statistic = total / (k * size) - (4 * k - 1) / (6 * size)
    mean = (1 + 1 / size) / 6
    spread = (size + 1) * (4 * k * size - 3 * (m**2 + n**2) - 2 * k) / (45 * size**2 * 4 * k)
    return _cramer_above(1 / 6 + (statistic - mean) / math.sqrt(45 * spread))


def _squares(ranks: Floats, counts: Floats) -> float:
    """Sum of (rank - place)^2 over the rows of one side, with ties by their middle rank."""
    begin = ranks - (np.cumsum(counts) - counts)
    return float(
        (
            counts * begin**2 - begin * counts * (counts + 1)
            + counts * (counts + 1) * (2 * counts + 1) / 6
        ).sum()
    )  # fmt: skip


def _cramer_above(statistic: float) -> float:
    """Limiting distribution (Csorgo and Faraway 1996, 1.2), with Evidently's end of the series."""
    if statistic < 0.003:
        return 1.0
    below, number, term = 0.0, 0, 1.0
    while abs(term) >= 1e-7:
        y = 4 * number + 1
        q = y**2 / (16 * statistic)
        front = math.exp(math.lgamma(number + 0.5) - math.lgamma(number + 1) - 2 * q)
        term = front * math.sqrt(y) * scaled_bessel_quarter(q) / (
            math.pi**1.5 * math.sqrt(statistic)
        )  # fmt: skip
        below += term
        number += 1
    return max(0.0, 1 - below)


def anderson_darling(reference: NumericProfile, window: NumericProfile) -> float:
    """P-value of the two-sample test of Anderson and Darling, 0.001 to 0.25 by its table.

    Raises:
        ValueError: there are too few rows, or a single value.
    """
    _check(reference, window)
    counts = value_counts(reference, window)
    sizes = np.array([reference.rows, window.rows], np.float64)
    both, total = counts[0] + counts[1], float(sizes.sum())
    if len(both) < 2 or total < 4:
        raise ValueError("the test needs four rows, and two different values")
    middles = np.cumsum(both) - both / 2
    weights = both / total / (middles * (total - middles) - total * both / 4)
    statistic = sum(
        float((weights * (total * (np.cumsum(own) - own / 2) - middles * size) ** 2).sum()) / size
        for own, size in zip(counts, sizes, strict=True)
    ) * (total - 1) / total  # fmt: skip
    scaled = (statistic - 1) / math.sqrt(_anderson_variance(sizes))
    if scaled < _CRITICAL.min():
        return float(_LEVELS.max())
    if scaled > _CRITICAL.max():
        return float(_LEVELS.min())
    return math.exp(np.polyval(np.polyfit(_CRITICAL, np.log(_LEVELS), 2), scaled))


def _anderson_variance(sizes: Floats) -> float:
    """Variance of the statistic of two samples (Scholz and Stephens 1987, 4)."""
    n = float(sizes.sum())
    inverse = float((1 / sizes).sum())
    sums = np.cumsum(1 / np.arange(n - 1, 1, -1))
    h, g = float(sums[-1]) + 1, float((sums / np.arange(2, n)).sum())
    a = 4 * g - 6 + (10 - 6 * g) * inverse
    b = 4 * (2 * g - 4) + 16 * h + (2 * g - 14 * h - 4) * inverse - 8 * h + 4 * g - 6
    c = 4 * (6 * h + 2 * g - 2) + 2 * (4 * h - 4 * g + 6) + (2 * h - 6) * inverse + 4 * h
    d = 4 * (2 * h + 6) - 8 * h
    return (a * n**3 + b * n**2 + c * n + d) / ((n - 1) * (n - 2) * (n - 3))


def mann_whitney(reference: NumericProfile, window: NumericProfile) -> float:
    """P-value of the test of Mann and Whitney: small when the window has the larger numbers.

    Raises:
        ValueError: one side has at most eight rows.
    """
    _check(reference, window)
    m, n = reference.rows, window.rows
    if min(m, n) < _MIN_NORMAL:
        raise ValueError(f"the test needs {_MIN_NORMAL} rows on both sides")
    first, second = value_counts(reference, window)
    both = first + second
    ranks = np.cumsum(both) - both / 2 + 0.5
    statistic = float(ranks @ second) - n * (n + 1) / 2
    size = m + n
    ties = float((both**3 - both).sum()) / (size * (size - 1))
    spread = math.sqrt(m * n / 12 * (size + 1 - ties))
    if not spread:
        raise ValueError("all rows of both sides have the same value")
    return normal_above((statistic - m * n / 2 - 0.5) / spread)


def energy_distance(reference: NumericProfile, window: NumericProfile) -> float:
    """Energy distance: the square root of twice the area under (F - G)^2.

    In the square root of the column's unit.

    Raises:
        ValueError: one side has no rows.
    """
    _check(reference, window)
    first, second = value_counts(reference, window)
    gaps = np.cumsum(first) / reference.rows - np.cumsum(second) / window.rows
    widths = np.diff(np.union1d(reference.values, window.values))
    return math.sqrt(2 * float(gaps[:-1] ** 2 @ widths))


def _check(reference: NumericProfile, window: NumericProfile) -> None:
    if not reference.rows or not window.rows:
        raise ValueError("a test needs rows on both sides")
