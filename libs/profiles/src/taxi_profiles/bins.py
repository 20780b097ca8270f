"""A dozen coarse bins for each column, so that rows can be counted for ever.

Counts of such bins add up over any time and any number of processes, and PSI follows from them: in
Prometheus as here. A number has the deciles of the reference, a bin for what is outside of its
range and one for missing values; a category has the nine that most rows have, one for the others,
one for those that the reference never had and one for missing values.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from taxi_profiles.categorical import CategoricalProfile
from taxi_profiles.numeric import NumericProfile
from taxi_profiles.reference import TARGET, Reference
from taxi_profiles.scores.binned import psi_of_shares

Floats = NDArray[np.float64]
Ids = NDArray[np.int64]

_DECILES: Final = 10
_LARGEST: Final = 9
#: A bin without rows counts for this share.
MIN_SHARE: Final = 1e-4
OUTSIDE: Final = "outside"
OTHER: Final = "other"
UNSEEN: Final = "unseen"
NULL: Final = "null"


@dataclass(frozen=True, slots=True)
class ColumnBins:
    """Bins of one column, at most twelve.

    Attributes:
        names: Of the bins: `[low,high)` for numbers, `=value` for categories, or a word.
        reference: Rows of the reference in each, shape (k,).
        points: Of a number: lower edges of the bins and the upper edge of the last; of a category:
            all of the reference, ascending.
        places: Bin of each category of `points`; None for a number.
    """

    names: tuple[str, ...]
    reference: Floats
    points: Floats
    places: Ids | None

    @property
    def shares(self) -> Floats:
        """Share of the reference's rows in each bin, shape (k,)."""
        return self.reference / max(float(self.reference.sum()), 1.0)

    def counts(self, column: Floats) -> Floats:
        """Return how many values of a column (categories as codes) are in each bin, shape (k,)."""
        return np.bincount(self._bins(column), minlength=len(self.names)).astype(np.float64)

    def _bins(self, column: Floats) -> Ids:
        null = len(self.names) - 1
        missing = ~np.isfinite(column)
        if self.places is None:
            found = np.searchsorted(self.points, column, side="right") - 1
            found[column == self.points[-1]] = null - 2  # the last bin has its upper edge
            found[(column < self.points[0]) | (column > self.points[-1])] = null - 1
        else:
            nearest = np.minimum(np.searchsorted(self.points, column), len(self.points) - 1)
            found = np.where(self.points[nearest] == column, self.places[nearest], null - 1)
        found[missing] = null
        return found


def bins_of(reference: Reference) -> dict[str, ColumnBins]:
    """Return the bins of every column that has a value in the reference, but for the target."""
    found = {}
    for name in reference.columns:
        if name == TARGET or name not in reference.stratified:
            continue
        if name in reference.numeric:
            found[name] = number_bins(reference.numeric[name])
        else:
            profile = reference.categorical[name]
            texts = [str(reference.category(name, float(code))) for code in profile.ids]
            found[name] = category_bins(profile, texts, reference.rows - profile.rows)
    return found


def psi(bins: ColumnBins, counts: Floats) -> float:
    """Population stability index of counts in the bins, missing values among them.

    Raises:
        ValueError: there are no rows.
    """
    rows = counts.sum()
    if not rows:
        raise ValueError("a distance needs rows on both sides")
    return psi_of_shares(np.maximum(counts / rows, MIN_SHARE), np.maximum(bins.shares, MIN_SHARE))


def count(bins: Mapping[str, ColumnBins], columns: Mapping[str, Floats]) -> dict[str, Floats]:
    """Return the counts of columns; a column that there is none of is passed over."""
    return {name: one.counts(columns[name]) for name, one in bins.items() if name in columns}


def number_bins(profile: NumericProfile) -> ColumnBins:
    """Return the bins of a number that has a value."""
    levels = np.arange(_DECILES) / _DECILES * profile.rows
    lower = profile.values[np.searchsorted(profile.below[1:], levels, side="right")]
    points = _rounded(np.append(np.unique(lower), profile.values[-1]))
    texts = [str(float(point)).removesuffix(".0") for point in points]
    names = [f"[{low},{high})" for low, high in pairwise(texts)]
    names[-1] = names[-1][:-1] + "]"
    bins = ColumnBins((*names, OUTSIDE, NULL), np.zeros(0), points, None)
    counts = np.bincount(bins._bins(profile.values), profile.counts, len(bins.names))
    counts[-1] = profile.missing
    return ColumnBins(bins.names, counts.astype(np.float64), points, None)


def _rounded(points: Floats) -> Floats:
    """Round what is between the ends to four digits, for short names, if that merges no bins."""
    inner = [float(f"{point:.4g}") for point in points[1:-1]]
    rounded = np.array([points[0], *inner, points[-1]])
    return rounded if (np.diff(rounded) > 0).all() else points


def category_bins(profile: CategoricalProfile, texts: list[str], missing: int) -> ColumnBins:
    """Return the bins of a category.

    Args:
        profile: Of the reference; of categories of the same size the first have bins of their own.
        texts: Names of its categories.
        missing: Rows of the reference without one.
    """
    largest = np.argsort(-profile.counts, kind="stable")[:_LARGEST]
    others = len(texts) > len(largest)
    places = np.full(len(texts), len(largest), np.int64)
    places[largest] = np.arange(len(largest))
    names = [f"={texts[place]}" for place in largest] + ([OTHER] if others else [])
    counts = np.bincount(places, profile.counts, len(names) + 2).astype(np.float64)
    counts[-1] = missing
    return ColumnBins((*names, UNSEEN, NULL), counts, profile.ids.astype(np.float64), places)
