"""Profile of a numeric column, and the Wasserstein distance from it.

With the reference's distribution function F as steps at its distinct values and the
window's G, the distance is the area between both: the integral of |F - G|. Its area left
and right of a step follows from prefix sums, so the reference's rows are not needed.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

#: Evidently divides by the reference's population standard deviation, but not by less than this.
MIN_STD = 0.001


@dataclass(frozen=True, slots=True)
class NumericProfile:
    """Distinct values of a column with their counts.

    Attributes:
        values: Distinct finite values, ascending, shape (k,).
        counts: How often each occurs, shape (k,).
        std: Population standard deviation, in the column's unit.
        missing: Rows without a finite value.
    """

    values: Floats
    counts: Floats
    std: float
    missing: int

    @property
    def rows(self) -> int:
        """Rows with a value."""
        return int(self.counts.sum())


def numeric_profile(column: Floats) -> NumericProfile:
    """Summarise a column; NaN and infinite values count as missing."""
    finite = column[np.isfinite(column)]
    values, counts = np.unique(finite, return_counts=True)
    std = float(np.std(finite)) if len(finite) else 0.0
    return NumericProfile(values, counts.astype(np.float64), std, len(column) - len(finite))


def normed_wasserstein(profile: NumericProfile, column: Floats) -> float:
    """Wasserstein distance of a window from the reference, over the reference's std.

    Args:
        profile: Of the reference; must have rows.
        column: The window, shape (n,); NaN and infinite values are left out.

    Returns:
        0 (same) to infinity, unitless; Evidently 0.7.23 gives the same number and calls
        0.1 a drift.

    Raises:
        ValueError: one side has no rows.

    >>> normed_wasserstein(numeric_profile(np.array([0.0, 2.0])), np.array([1.0, 3.0]))
    1.0
    """
    finite = np.sort(column[np.isfinite(column)])
    if not len(finite) or not len(profile.values):
        raise ValueError("a distance needs rows on both sides")
    area = area_between(profile.values, profile.counts, finite, np.ones(len(finite)))
    return area / max(profile.std, MIN_STD)


def area_between(
    first: Floats, first_weights: Floats, second: Floats, second_weights: Floats
) -> float:
    """Area between two distribution functions given as ascending steps with weights."""
    points = np.concatenate([first, second])
    points.sort(kind="mergesort")
    widths = np.diff(points)
    left = _shares_at(first, first_weights, points[:-1])
    right = _shares_at(second, second_weights, points[:-1])
    return float(np.abs(left - right) @ widths)


def _shares_at(values: Floats, weights: Floats, points: Floats) -> Floats:
    """Share of the weight at or below each point."""
    below = np.concatenate([[0.0], np.cumsum(weights)])
    shares: Floats = below[np.searchsorted(values, points, side="right")] / below[-1]
    return shares
