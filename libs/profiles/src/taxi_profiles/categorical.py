"""Profile of a categorical column, and the Jensen-Shannon distance from it."""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ids = NDArray[np.int64]

#: Jensen-Shannon distance of columns that have nothing in common (natural logarithm).
MAX_DISTANCE: Final = math.sqrt(math.log(2))


@dataclass(frozen=True, slots=True)
class CategoricalProfile:
    """Categories of a column with their counts.

    Attributes:
        ids: Distinct categories, ascending, shape (k,).
        counts: How often each occurs, shape (k,).
    """

    ids: Ids
    counts: Floats

    @property
    def rows(self) -> int:
        """Rows of the reference."""
        return int(self.counts.sum())


def categorical_profile(column: Ids) -> CategoricalProfile:
    """Summarise a column of category ids."""
    ids, counts = np.unique(column, return_counts=True)
    return CategoricalProfile(ids.astype(np.int64), counts.astype(np.float64))


def jensen_shannon(profile: CategoricalProfile, column: Ids) -> float:
    """Jensen-Shannon distance (natural logarithm) of a window from the reference.

    Args:
        profile: Of the reference; must have rows.
        column: The window, shape (n,).

    Returns:
        0 (same) to sqrt(ln 2) = 0.8326 (nothing in common); Evidently 0.7.23 gives the same
        number and calls 0.1 a drift.

    Raises:
        ValueError: one side has no rows.

    >>> round(jensen_shannon(categorical_profile(np.array([1, 1])), np.array([2])), 4)
    0.8326
    """
    if not len(column) or not len(profile.ids):
        raise ValueError("a distance needs rows on both sides")
    ids, counts = np.unique(column, return_counts=True)
    every = np.union1d(profile.ids, ids)
    first, second = np.zeros(len(every)), np.zeros(len(every))
    first[np.searchsorted(every, profile.ids)] = profile.counts
    second[np.searchsorted(every, ids)] = counts
    return distance_of_shares(first / first.sum(), second / second.sum())


def distance_of_shares(first: Floats, second: Floats) -> float:
    """Jensen-Shannon distance of two vectors of shares, each summing to 1."""
    return float(distances_of_shares(first, second[np.newaxis])[0])


def distances_of_shares(first: Floats, others: Floats) -> Floats:
    """Jensen-Shannon distances of one vector of shares, shape (k,), from others, shape (m, k)."""
    middle = (first + others) / 2
    divergence = (_relative_entropy(first, middle) + _relative_entropy(others, middle)) / 2
    found: Floats = np.sqrt(np.maximum(divergence, 0.0))
    return found


def unseen_share(profile: CategoricalProfile, column: Ids) -> float:
    """Share of the window whose category the reference never had, 0..1."""
    return float(np.mean(~np.isin(column, profile.ids))) if len(column) else 0.0


def _relative_entropy(shares: Floats, middle: Floats) -> Floats:
    """Relative entropies, shape (m,); a share of 0 adds nothing."""
    ratios = np.divide(shares, middle, out=np.ones_like(middle), where=shares > 0)
    found: Floats = (shares * np.log(ratios)).sum(axis=1)
    return found
