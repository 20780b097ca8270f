"""Scores against the reference rides of like hours.

Each column is counted once by stratum on a fixed grid. A window's score compares it with
the mixture of strata that the window itself has, so it costs a product of a 16-vector
with a small table.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from taxi_profiles.categorical import distance_of_shares
from taxi_profiles.numeric import SMALLEST_STD
from taxi_profiles.strata import STRATA

Floats = NDArray[np.float64]
Ids = NDArray[np.int64]

#: A stratum with few rides borrows this many from the whole reference.
BORROWED_RIDES: Final = 50.0
_MOST_CELLS: Final = 2048


@dataclass(frozen=True, slots=True)
class MatchedColumn:
    """Counts of one column by stratum and cell.

    Attributes:
        points: Ascending grid of a numeric column (the cells' values), or the categories.
        table: Counts, shape (16, cells); a categorical column has one more cell at the end
            for categories that the reference never had.
        scale: What the distance is divided by; 0 marks a categorical column.
    """

    points: Floats
    table: Floats
    scale: float

    @property
    def is_numeric(self) -> bool:
        """Whether the column's distance is Wasserstein's."""
        return self.scale > 0

    def cells(self, column: Floats) -> Ids:
        """Return the cell of each value: the nearest grid point, or the category's place."""
        if not self.is_numeric:
            places = np.searchsorted(self.points, column)
            places = np.minimum(places, len(self.points) - 1)
            found: Ids = np.where(self.points[places] == column, places, len(self.points))
            return found
        if len(self.points) == 1:
            return np.zeros(len(column), dtype=np.int64)
        middles = (self.points[1:] + self.points[:-1]) / 2
        return np.searchsorted(middles, column).astype(np.int64)

    def counts(self, column: Floats) -> Floats:
        """Return how many values fall into each cell."""
        return np.bincount(self.cells(column), minlength=self.table.shape[1]).astype(np.float64)

    def distance(self, counts: Floats, mixture: Floats, left_out: Floats | None = None) -> float:
        """Distance of a window from the reference mixed as the window is.

        Args:
            counts: The window's counts by cell.
            mixture: The window's shares of the strata, shape (16,).
            left_out: Counts by stratum and cell that are taken out of the reference first
                (a block of the reference is compared with the rest).
        """
        table = self.table if left_out is None else self.table - left_out
        expected = _mixed(table, mixture)
        shares = counts / counts.sum()
        if not self.is_numeric:
            return distance_of_shares(expected, shares)
        gaps = np.abs(np.cumsum(expected - shares)[:-1])
        return float(gaps @ np.diff(self.points)) / self.scale


def matched_numeric(column: Floats, strata: Ids) -> MatchedColumn:
    """Count a numeric column (finite values) on a grid of its own values."""
    distinct = np.unique(column)
    if len(distinct) > _MOST_CELLS:
        # Equal width keeps the tail; quantiles would put a single cell there.
        distinct = np.linspace(distinct[0], distinct[-1], _MOST_CELLS)
    empty = MatchedColumn(
        distinct, np.zeros((STRATA, len(distinct))), max(float(np.std(column)), SMALLEST_STD)
    )
    return MatchedColumn(distinct, table_of(empty, column, strata), empty.scale)


def matched_categorical(column: Floats, strata: Ids) -> MatchedColumn:
    """Count a categorical column."""
    ids = np.unique(column)
    empty = MatchedColumn(ids, np.zeros((STRATA, len(ids) + 1)), 0.0)
    return MatchedColumn(ids, table_of(empty, column, strata), 0.0)


def table_of(matched: MatchedColumn, column: Floats, strata: Ids) -> Floats:
    """Return counts by stratum and cell, shape (16, cells)."""
    cells = matched.table.shape[1]
    flat = np.bincount(strata * cells + matched.cells(column), minlength=STRATA * cells)
    return flat.reshape(STRATA, cells).astype(np.float64)


def _mixed(table: Floats, mixture: Floats) -> Floats:
    rides = table.sum(axis=1)
    overall = table.sum(axis=0) / max(rides.sum(), 1.0)
    weight = mixture / (rides + BORROWED_RIDES)
    mixed: Floats = weight @ table + (weight.sum() * BORROWED_RIDES) * overall
    return mixed
