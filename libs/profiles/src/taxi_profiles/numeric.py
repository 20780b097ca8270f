"""Profile of a numeric column, and the Wasserstein distance from it.

With the reference's distribution function F as steps at its distinct values and the
window's G, the distance is the area between both: the integral of |F - G|. Its area left
and right of a step follows from prefix sums, so the reference's rows are not needed.
"""

from dataclasses import dataclass, field

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
        below: Rows below the first value, and at or below each, shape (k + 1,).
        area: Area under the distribution function up to each value, in the column's unit,
            shape (k,).
    """

    values: Floats
    counts: Floats
    std: float
    missing: int
    below: Floats = field(init=False, repr=False, compare=False)
    area: Floats = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Sum up once what every comparison needs."""
        below = np.concatenate([[0.0], np.cumsum(self.counts)])
        steps = below[1:-1] / max(below[-1], 1.0) * np.diff(self.values)
        area = np.concatenate([[0.0], np.cumsum(steps)])[: len(self.values)]
        object.__setattr__(self, "below", below)
        object.__setattr__(self, "area", area)

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
    return wasserstein(profile, numeric_profile(column))


def wasserstein(reference: NumericProfile, window: NumericProfile) -> float:
    """Wasserstein distance of two profiles, over the reference's std; see `normed_wasserstein`.

    Between two values of the window G is constant and F rises, so F crosses it at most once, at a
    quantile of the reference. What is left and right of it follows from the reference's prefix
    sums: O(w log k) for w values of the window and k of the reference.

    Raises:
        ValueError: one side has no rows.
    """
    if not len(window.values) or not len(reference.values):
        raise ValueError("a distance needs rows on both sides")
    points, levels = window.values, window.below[1:] / window.below[-1]
    # Beyond the window's last value G is 1, and beyond the reference's F is.
    ends = np.append(points[1:], max(reference.values[-1], points[-1]))
    shares = reference.below[1:] / reference.below[-1]
    places = np.searchsorted(shares, levels)
    crossings = np.clip(reference.values[np.minimum(places, len(shares) - 1)], points, ends)
    start, middle, end = (_area_at(reference, at) for at in (points, crossings, ends))
    left = np.abs(levels * (crossings - points) - (middle - start))
    right = np.abs((end - middle) - levels * (ends - crossings))
    area = start[0] + float((left + right).sum())
    return float(area / max(reference.std, MIN_STD))


def _area_at(profile: NumericProfile, points: Floats) -> Floats:
    """Area under the distribution function up to each point."""
    places = np.searchsorted(profile.values, points, side="right")
    last = np.maximum(places - 1, 0)
    beyond = profile.below[places] / profile.below[-1] * (points - profile.values[last])
    found: Floats = np.where(places > 0, profile.area[last] + beyond, 0.0)
    return found


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
