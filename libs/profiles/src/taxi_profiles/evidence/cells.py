"""Cells of a column: categories, or ranges of a number between the reference's quantiles."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from taxi_profiles.evidence.rows import ALL_STRATA

Floats = NDArray[np.float64]
Ids = NDArray[np.int64]

#: Ranges of a number; values that many rows have get a cell of their own on top.
RANGES: Final = 32
#: A stratum with few rows borrows this many from the whole reference.
PSEUDO_COUNT: Final = 50.0
#: Cells that a distance compares one by one, the largest; the rest count as one.
LARGEST: Final = 40


@dataclass(frozen=True, slots=True)
class Cells:
    """Cells of one column; after them one for unseen categories, and one for missing values.

    Attributes:
        points: Categories, ascending; or the ascending lower ends of a number's ranges but the
            first.
        categorical: Which of the two.
    """

    points: Floats
    categorical: bool

    @property
    def known(self) -> int:
        """Number of cells that the reference has."""
        return len(self.points) + (not self.categorical)

    @property
    def size(self) -> int:
        """Number of cells, with those of unseen and of missing values."""
        return self.known + 2

    @property
    def unseen(self) -> int:
        """Place of the cell of unseen categories."""
        return self.known

    @property
    def missing(self) -> int:
        """Place of the cell of missing values."""
        return self.known + 1

    def place(self, column: Floats) -> Ids:
        """Return the cell of each value, shape (n,)."""
        if not self.categorical:
            found = np.searchsorted(self.points, column, side="right")
            return np.where(np.isfinite(column), found, self.missing)
        places = np.minimum(np.searchsorted(self.points, column), max(len(self.points) - 1, 0))
        same = self.points[places] == column if len(self.points) else np.zeros(len(column), bool)
        return np.where(np.isnan(column), self.missing, np.where(same, places, self.unseen))

    def value(self, cell: int) -> tuple[float, float]:
        """Return the values of a cell, lowest and highest: a category twice, or a range."""
        if self.categorical:
            return float(self.points[cell]), float(self.points[cell])
        ends = np.concatenate([[-np.inf], self.points, [np.inf]])
        return float(ends[cell]), float(ends[cell + 1])


def category_cells(column: Floats) -> Cells:
    """Return the cells of a column of codes (NaN is missing)."""
    return Cells(np.unique(column[np.isfinite(column)]), True)


def number_cells(column: Floats) -> Cells:
    """Return the cells of a column of numbers."""
    finite = column[np.isfinite(column)]
    if not len(finite):
        return Cells(np.empty(0), False)
    quantiles = np.quantile(finite, np.arange(1, RANGES) / RANGES, method="inverted_cdf")
    # A value with many rows begins a cell and ends it.
    values, counts = np.unique(finite, return_counts=True)
    heavy = values[counts > len(finite) / RANGES / 2]
    points = np.unique(np.concatenate([quantiles, heavy, np.nextafter(heavy, np.inf)]))
    return Cells(points, False)


def table_of(cells: Ids, strata: Ids, size: int) -> Floats:
    """Return counts by stratum and cell, shape (17, size)."""
    flat = np.bincount(strata * size + cells, minlength=ALL_STRATA * size)
    return flat.reshape(ALL_STRATA, size).astype(np.float64)


def weights_of(mixture: Floats, sizes: Floats) -> tuple[Floats, float]:
    """Return how much a row of each stratum counts, and how much one of any stratum does on top.

    Args:
        mixture: Rows of the block by stratum, shape (17,).
        sizes: Rows of the reference by stratum, shape (17,).
    """
    total = max(float(sizes.sum()), 1.0)
    shares = mixture / max(float(mixture.sum()), 1.0)
    weights = shares / (sizes + PSEUDO_COUNT)
    weights[-1] = 0.0
    # A stratum without a row in the reference gives all of its weight to the whole.
    beside = float((shares[:-1] * PSEUDO_COUNT / (sizes[:-1] + PSEUDO_COUNT)).sum() + shares[-1])
    return weights, beside / total


def expected_shares(table: Floats, mixture: Floats) -> Floats:
    """Return the shares of the cells at the hours of a block, shape (size,).

    Args:
        table: Of the reference, shape (17, size).
        mixture: Rows of the block by stratum, shape (17,).
    """
    weights, beside = weights_of(mixture, table.sum(axis=1))
    shares: Floats = weights @ table + beside * table.sum(axis=0)
    return shares


@dataclass(frozen=True, slots=True)
class ColumnScores:
    """What the counts of one column say.

    Attributes:
        scores: By name of the score.
        largest: Cell that has most more rows than expected; None where no cell has any.
    """

    scores: Mapping[str, float]
    largest: int | None


def column_scores(cells: Cells, counts: Floats, expected: Floats, known: Ids) -> ColumnScores:
    """Score the counts of a block.

    Args:
        cells: Of the column.
        counts: Of the block by cell, shape (size,).
        expected: Shares of the reference, shape (size,).
        known: The largest cells of the reference, which are compared one by one.

    Returns:
        `nulls` and `unseen` (shares of the rows), and where there are values `column` (chi-square
        over the rows), `cell` and `absent` (largest surplus and largest lack of a cell, in units of
        its noise) and, for numbers, `rank` (mean place within the reference's distribution, minus
        one half).
    """
    rows = float(counts.sum())
    scores = {"nulls": float(counts[cells.missing]) / rows}
    if cells.categorical:
        scores["unseen"] = float(counts[cells.unseen]) / rows
    own = counts[: cells.known]
    values = float(own.sum())
    shares = expected[: cells.known]
    if not cells.known or values <= 0 or shares.sum() <= 0:
        return ColumnScores(scores, None)
    hoped = shares / shares.sum() * values
    gaps = own[known] - hoped[known]
    distance = float((gaps**2 / np.maximum(hoped[known], 0.5)).sum())
    others = values - float(hoped[known].sum())
    distance += (values - float(own[known].sum()) - others) ** 2 / max(others, 0.5)
    surplus = (own - hoped) / np.sqrt(hoped + 1)
    largest = int(surplus.argmax())
    scores |= {
        "column": distance / values,
        "cell": float(surplus[largest]),
        "absent": -float(surplus.min()),
    }
    if not cells.categorical:
        middles = np.cumsum(hoped) - hoped / 2
        scores["rank"] = float(own @ middles) / values**2 - 0.5
    return ColumnScores(scores, largest)
