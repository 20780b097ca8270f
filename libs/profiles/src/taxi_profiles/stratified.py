"""Scores against the reference rows of like hours.

Each column is counted once by stratum on a fixed grid. A window's score compares it with
the mixture of strata that the window itself has, so it costs a product of a 16-vector
with a small table.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from taxi_profiles.categorical import distances_of_shares
from taxi_profiles.noise import Noise, drawn_counts, most_of, noise_of
from taxi_profiles.numeric import MIN_STD
from taxi_profiles.strata import STRATA

Floats = NDArray[np.float64]
Ids = NDArray[np.int64]

#: A stratum with few rows borrows this many from the whole reference.
PSEUDO_COUNT: Final = 50.0
MAX_CELLS: Final = 2048
#: Values with more rows than this are as the normal distribution has it.
_MAX_RARE: Final = 50
#: In place of 0, which has no logarithm.
_MIN_DISTANCE: Final = 1e-12


@dataclass(frozen=True, slots=True)
class StratifiedColumn:
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

    @property
    def is_constant(self) -> bool:
        """Whether it is numeric and all of the reference has one value."""
        return self.is_numeric and len(self.points) == 1

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
        return float(self._distances(_mixed(table, mixture), counts[np.newaxis])[0])

    def expected(self, mixture: Floats) -> Floats:
        """Return the shares of the cells in the reference mixed as a window is, shape (cells,).

        Args:
            mixture: The window's shares of the strata, shape (16,).
        """
        return _mixed(self.table, mixture)

    def _distances(self, expected: Floats, counts: Floats) -> Floats:
        """Distances of windows, shape (m, cells), from shares, shape (cells,)."""
        shares = counts / counts.sum(axis=1, keepdims=True)
        if not self.is_numeric:
            return distances_of_shares(expected, shares)
        gaps = np.abs(np.cumsum(expected - shares, axis=1)[:, :-1])
        found: Floats = gaps @ np.diff(self.points) / self.scale
        return found

    def beside(self, column: Floats) -> float:
        """Distance that the cells do not show: how far values are from the grid, 0 and more.

        All of the reference is on the grid, so what is beyond its ends comes on top in full.
        Between grid points it is counted from the width of a cell on, so a column of two values is
        not taken for one of them. No value counts for more than the length of the grid.
        """
        if not self.is_numeric or not len(column):
            return 0.0
        span = self.points[-1] - self.points[0]
        away = np.abs(column - self.points[self.cells(column)])
        # One wild value says no more than one at the other end of the grid.
        return float(np.clip(away - span / MAX_CELLS, 0.0, span).mean()) / self.scale

    def noise(self, rows: int, mixtures: Sequence[Floats]) -> Noise:
        """How far windows of `rows` rows are from the reference when nothing has changed.

        Args:
            rows: Rows of a window.
            mixtures: Shares of the strata that such windows have, each of shape (16,).
        """
        counts = self.table.sum(axis=0)
        total = float(counts.sum())
        if self.is_constant:
            return Noise(_MIN_DISTANCE, np.inf)  # its unit is its spread, and it has none
        expected = counts / total
        worth = float(np.median([effective_rows(self.table, one) for one in mixtures]))
        weights, power = counts.copy(), 1.0
        if not self.is_numeric:
            weights[-1], power = np.count_nonzero(counts == 1) + 1.0, 2.0
        rare = float(self._distances(expected, self._unusual(counts, rows, worth)).max())
        draws = self._distances(expected, drawn_counts(weights, rows, worth))
        return noise_of(draws, rare, power)

    def _unusual(self, counts: Floats, rows: int, worth: float) -> Floats:
        """Return windows with as many rows of one rare value as there may be, shape (m, cells).

        Of values with the same count those at the ends are the farthest from the others.
        """
        total = float(counts.sum())
        rare = np.unique(counts[(counts > 0) & (counts <= _MAX_RARE)])
        most = dict(zip(rare, most_of(rare * (worth / total), rows, worth), strict=True))
        if not self.is_numeric:  # there a place on the grid without a row is no value
            most[0.0] = most_of(np.zeros(1), rows, total)[0]
        found = [counts]
        for count, number in most.items():
            if count == total:
                continue  # there is no other value
            cells = np.flatnonzero(counts == count)
            for cell in {int(cells[0]), int(cells[-1])}:
                window = counts / (total - count) * (rows - number)
                window[cell] = number
                found.append(window)
        return np.array(found)


def effective_rows(table: Floats, mixture: Floats) -> float:
    """Rows that a mixture of the reference is worth: it weighs some more than others.

    Kish's (1965) effective sample size, 1 over the sum of the squared weights.
    """
    sizes = table.sum(axis=1)
    weight = mixture / (sizes + PSEUDO_COUNT)
    weights = weight + weight.sum() * PSEUDO_COUNT / sizes.sum()
    return float(1 / (sizes @ weights**2))


def stratified_numeric(column: Floats, strata: Ids) -> StratifiedColumn:
    """Count a numeric column (finite values) on a grid of its own values."""
    distinct = np.unique(column)
    if len(distinct) > MAX_CELLS:
        # Equal width keeps the tail; quantiles would put a single cell there.
        distinct = np.linspace(distinct[0], distinct[-1], MAX_CELLS)
    empty = StratifiedColumn(
        distinct, np.zeros((STRATA, len(distinct))), max(float(np.std(column)), MIN_STD)
    )
    return StratifiedColumn(distinct, table_of(empty, column, strata), empty.scale)


def stratified_categorical(column: Floats, strata: Ids) -> StratifiedColumn:
    """Count a categorical column."""
    ids = np.unique(column)
    empty = StratifiedColumn(ids, np.zeros((STRATA, len(ids) + 1)), 0.0)
    return StratifiedColumn(ids, table_of(empty, column, strata), 0.0)


def table_of(stratified: StratifiedColumn, column: Floats, strata: Ids) -> Floats:
    """Return counts by stratum and cell, shape (16, cells)."""
    cells = stratified.table.shape[1]
    flat = np.bincount(strata * cells + stratified.cells(column), minlength=STRATA * cells)
    return flat.reshape(STRATA, cells).astype(np.float64)


def _mixed(table: Floats, mixture: Floats) -> Floats:
    sizes = table.sum(axis=1)
    overall = table.sum(axis=0) / max(sizes.sum(), 1.0)
    weight = mixture / (sizes + PSEUDO_COUNT)
    mixed: Floats = weight @ table + (weight.sum() * PSEUDO_COUNT) * overall
    return mixed
