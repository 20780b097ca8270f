"""Distribution of a numeric column: exact while it has few distinct values, then by cells.

A cell is the half-open interval between two neighbouring points of a grid
(`taxi_report.profile.grid`). It keeps how many values fall into it and their sum, so a distance
from a distribution that has steps on the grid alone is wrong only where both distribution
functions cross between two of its points; beyond the ends of that distribution they never do.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from taxi_profiles.numeric import area_between

Floats = NDArray[np.float64]
Ids = NDArray[np.int64]

#: Distinct values that are kept as they are; beyond, cells take over.
MAX_DISTINCT: Final = 50_000


@dataclass(frozen=True, slots=True)
class NumericSummary:
    """One column of some rows.

    Attributes:
        values: Ascending: distinct values, or the mean of each cell, shape (k,).
        counts: Rows at each, shape (k,).
        squares: Sum of the squared distances of all values from their mean.
        low: Smallest value; infinity without rows.
        high: Largest value; minus infinity without rows.
        missing: Rows without a finite value.
        by_cells: Whether `values` are means of cells.
    """

    values: Floats
    counts: Floats
    squares: float
    low: float
    high: float
    missing: int
    by_cells: bool

    @property
    def rows(self) -> int:
        """Rows with a value."""
        return int(self.counts.sum())

    @property
    def mean(self) -> float:
        """Mean, NaN without rows."""
        return float(self.values @ self.counts / self.counts.sum()) if self.rows else float("nan")

    @property
    def std(self) -> float:
        """Population standard deviation, NaN without rows."""
        return float(np.sqrt(self.squares / self.rows)) if self.rows else float("nan")

    def quantiles(self, shares: Sequence[float]) -> list[float]:
        """Return quantiles with linear interpolation between neighbouring rows, as numpy has it.

        NaN without rows. By cells they are right to within one cell: a hundredth of the distance
        from the grid's middle, or of the grid's scale near it.
        """
        if not self.rows:
            return [float("nan")] * len(shares)
        last = np.cumsum(self.counts) - 1
        places = np.asarray(shares, np.float64) * (self.rows - 1)
        below, above = np.floor(places), np.ceil(places)
        first = self.values[np.searchsorted(last, below)]
        second = self.values[np.searchsorted(last, above)]
        return [float(one) for one in first + (places - below) * (second - first)]

    def share_outside(self, low: float, high: float) -> float:
        """Share of rows below `low` or above `high`, 0 without rows.

        By cells it is exact for the smallest and the largest value of the reference that the grid
        was made of (they have cells of their own), and right to within one cell for others.
        """
        if not self.rows:
            return 0.0
        beyond = (self.values < low) | (self.values > high)
        return float(self.counts[beyond].sum() / self.rows)

    def distance(self, other: "NumericSummary") -> float:
        """Wasserstein distance, in the column's unit.

        Raises:
            ValueError: one side has no rows.
        """
        if not self.rows or not other.rows:
            raise ValueError("a distance needs rows on both sides")
        return area_between(self.values, self.counts, other.values, other.counts)


def numeric_summary(column: Floats, grid: Floats) -> NumericSummary:
    """Summarise a column.

    Args:
        column: Shape (n,); NaN and infinite values count as missing.
        grid: Ascending points, shape (m,), m >= 1, that stand between the cells.
    """
    finite = column[np.isfinite(column)]
    values, counts = np.unique(finite, return_counts=True)
    exact = NumericSummary(
        values=values.astype(np.float64),
        counts=counts.astype(np.float64),
        squares=float(((finite - finite.mean()) ** 2).sum()) if len(finite) else 0.0,
        low=float(values[0]) if len(values) else float("inf"),
        high=float(values[-1]) if len(values) else float("-inf"),
        missing=len(column) - len(finite),
        by_cells=False,
    )
    return exact if len(values) <= MAX_DISTINCT else by_cells(exact, grid)


def by_cells(summary: NumericSummary, grid: Floats) -> NumericSummary:
    """Give up the distinct values for the cells of a grid."""
    if summary.by_cells:
        return summary
    cells = np.searchsorted(grid, summary.values, side="right")
    counts = np.bincount(cells, summary.counts, minlength=len(grid) + 1)
    sums = np.bincount(cells, summary.counts * summary.values, minlength=len(grid) + 1)
    return _of_cells(summary, counts, sums, grid)


def merge_numeric(first: NumericSummary, second: NumericSummary, grid: Floats) -> NumericSummary:
    """Return the summary of the rows of both, made with the same grid."""
    if not (first.by_cells or second.by_cells):
        merged = _merged_exactly(first, second)
        return merged if len(merged.values) <= MAX_DISTINCT else by_cells(merged, grid)
    parts = [by_cells(one, grid) for one in (first, second)]
    cells = [np.searchsorted(grid, one.values, side="right") for one in parts]
    places = np.concatenate(cells)
    counts = np.concatenate([one.counts for one in parts])
    values = np.concatenate([one.values for one in parts])
    total = np.bincount(places, counts, minlength=len(grid) + 1)
    sums = np.bincount(places, counts * values, minlength=len(grid) + 1)
    return _of_cells(_merged_moments(first, second), total, sums, grid)


def _merged_exactly(first: NumericSummary, second: NumericSummary) -> NumericSummary:
    values, places = np.unique(np.concatenate([first.values, second.values]), return_inverse=True)
    counts = np.bincount(
        places, np.concatenate([first.counts, second.counts]), minlength=len(values)
    )
    moments = _merged_moments(first, second)
    return NumericSummary(
        values,
        counts.astype(np.float64),
        moments.squares,
        moments.low,
        moments.high,
        moments.missing,
        by_cells=False,
    )


def _merged_moments(first: NumericSummary, second: NumericSummary) -> NumericSummary:
    """Merge all but the distribution (Chan, Golub and LeVeque 1979 for the squares)."""
    squares = first.squares + second.squares
    if first.rows and second.rows:
        weight = first.rows * second.rows / (first.rows + second.rows)
        squares += (first.mean - second.mean) ** 2 * weight
    empty = np.zeros(0)
    return NumericSummary(
        empty, empty, squares, min(first.low, second.low), max(first.high, second.high),
        first.missing + second.missing, by_cells=False,
    )  # fmt: skip


def _of_cells(
    summary: NumericSummary, counts: NDArray[Any], sums: NDArray[Any], grid: Floats
) -> NumericSummary:
    filled = counts > 0
    # Rounding must not carry a mean over the edge of its cell.
    low = np.concatenate([[-np.inf], grid])[filled]
    high = np.nextafter(np.concatenate([grid, [np.inf]]), -np.inf)[filled]
    means = np.clip(sums[filled] / counts[filled], low, high)
    return NumericSummary(
        means, counts[filled], summary.squares, summary.low, summary.high, summary.missing,
        by_cells=True,
    )  # fmt: skip
