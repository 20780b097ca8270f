"""Scores of two distributions in common bins or categories.

A number with more than 20 distinct values in the reference is binned as Evidently bins it: bins of
equal width over both sides together, their number by Sturges' rule. Others are compared value by
value.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from taxi_profiles.categorical import CategoricalProfile, distance_of_shares
from taxi_profiles.numeric import NumericProfile

Floats = NDArray[np.float64]
Profile = NumericProfile | CategoricalProfile

#: Numbers with more distinct values in the reference are binned.
MAX_VALUES: Final = 20
#: An empty bin counts for this share, or for a millionth of the smallest where that is below.
_EMPTY: Final = 1e-4
_OF_SMALLEST: Final = 1e6


def psi(reference: Profile, window: Profile) -> float:
    """Population stability index; 0.1 is a drift by Evidently's default."""
    first, second = (_filled(shares) for shares in shares_of(reference, window))
    return psi_of_shares(first, second)


def psi_of_shares(first: Floats, second: Floats) -> float:
    """Population stability index of two vectors of shares above 0."""
    return float(((first - second) * np.log(first / second)).sum())


def kl_divergence(reference: Profile, window: Profile) -> float:
    """Kullback-Leibler divergence of the reference from the window, in nats."""
    first, second = (_filled(shares) for shares in shares_of(reference, window))
    first, second = first / first.sum(), second / second.sum()
    return float((first * np.log(first / second)).sum())


def jensen_shannon_distance(reference: Profile, window: Profile) -> float:
    """Jensen-Shannon distance (natural logarithm), 0 to 0.8326."""
    first, second = shares_of(reference, window)
    return distance_of_shares(first / first.sum(), second / second.sum())


def total_variation(reference: CategoricalProfile, window: CategoricalProfile) -> float:
    """Total variation distance, 0 to 1."""
    first, second = shares_of(reference, window)
    return float(np.abs(first - second).sum() / 2)


def hellinger(reference: Profile, window: Profile) -> float:
    """Hellinger distance, 0 to 1.

    Numbers are binned however few there are, and Sturges' rule counts distinct values, not rows.
    """
    if isinstance(reference, NumericProfile) and isinstance(window, NumericProfile):
        distinct = len(reference.values) + int((~_holds(reference.values, window.values)).sum())
        first, second = _binned(reference, window, distinct)
    else:
        first, second = shares_of(reference, window)
    # The same as the root of 1 - sum(sqrt(p q)), without its rounding near 0.
    return float(np.sqrt(((np.sqrt(first) - np.sqrt(second)) ** 2).sum() / 2))


def shares_of(reference: Profile, window: Profile) -> tuple[Floats, Floats]:
    """Shares of both sides in common bins, or of each value of either side.

    Returns:
        Two arrays of shape (bins,).

    Raises:
        ValueError: one side has no rows.
    """
    if not reference.rows or not window.rows:
        raise ValueError("a distance needs rows on both sides")
    numeric = isinstance(reference, NumericProfile) and isinstance(window, NumericProfile)
    if numeric and len(_values(reference)) > MAX_VALUES:
        assert isinstance(reference, NumericProfile)
        assert isinstance(window, NumericProfile)
        return _binned(reference, window, reference.rows + window.rows)
    return value_shares(reference, window)


def value_shares(reference: Profile, window: Profile) -> tuple[Floats, Floats]:
    """Shares of each value that either side has, ascending."""
    first, second = value_counts(reference, window)
    return first / reference.rows, second / window.rows


def value_counts(reference: Profile, window: Profile) -> tuple[Floats, Floats]:
    """Counts of each value that either side has, ascending."""
    every = np.union1d(_values(reference), _values(window))
    found = []
    for profile in (reference, window):
        counts = np.zeros(len(every))
        counts[np.searchsorted(every, _values(profile))] = profile.counts
        found.append(counts)
    return found[0], found[1]


def _values(profile: Profile) -> NDArray[np.float64] | NDArray[np.int64]:
    return profile.values if isinstance(profile, NumericProfile) else profile.ids


def _binned(reference: NumericProfile, window: NumericProfile, size: int) -> tuple[Floats, Floats]:
    """Shares in bins of equal width over both sides, as many as Sturges' rule has for `size`."""
    low = min(reference.values[0], window.values[0])
    high = max(reference.values[-1], window.values[-1])
    # As numpy.histogram_bin_edges computes them, to the last bit.
    width = (high - low) / (np.log2(size) + 1.0)
    bins = int(np.ceil((high - low) / width)) if width else 1
    edges = np.linspace(low - 0.5, high + 0.5, 2) if low == high else np.linspace(
        low, high, bins + 1
    )  # fmt: skip
    if (np.diff(edges) <= 0).any():
        raise ValueError(f"the values are too close to each other for {bins} bins")
    return _in_bins(reference, edges), _in_bins(window, edges)


def _in_bins(profile: NumericProfile, edges: Floats) -> Floats:
    places = np.searchsorted(profile.values, edges)
    places[-1] = len(profile.values)  # the last bin has its upper edge
    shares: Floats = np.diff(profile.below[places]) / profile.rows
    return shares


def _holds(values: Floats, wanted: Floats) -> NDArray[np.bool_]:
    places = np.minimum(np.searchsorted(values, wanted), len(values) - 1)
    found: NDArray[np.bool_] = values[places] == wanted
    return found


def _filled(shares: Floats) -> Floats:
    smallest = shares[shares > 0].min()
    empty = smallest / _OF_SMALLEST if smallest <= _EMPTY else _EMPTY
    return np.where(shares > 0, shares, empty)
