"""A column of the window beside the reference: bins of numbers, categories that moved.

The reference is mixed as the hours of the window are (`taxi_profiles.strata`), as the verdict
compares them; a Sunday is not a Monday.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from taxi_monitor.page.charts.axes import Tick
from taxi_monitor.page.charts.bars import Bars, Bin, bars_of
from taxi_monitor.page.words import number
from taxi_profiles.reference import MOMENT, Reference
from taxi_profiles.strata import STRATA, shares_of, strata_of

Floats = NDArray[np.float64]

#: Bins of a number; a column of fewer values has one for each.
BINS: Final = 32
#: Categories that a chart shows; the table beside it has more.
MAX_SHOWN: Final = 24
#: Share of rows beyond each end of the bins; these are together in a bar at the end.
_TAIL: Final = 0.005
#: The grid of the hour-matched reference is used where a bin has so many of its cells.
_MIN_CELLS: Final = 4.0
#: Characters of a category that have room below a bar.
_MAX_LABEL: Final = 5
NEVER_SEEN: Final = "never seen in training"


@dataclass(frozen=True, slots=True)
class Weighted:
    """Values of the reference with their shares, ascending."""

    values: Floats
    shares: Floats


@dataclass(frozen=True, slots=True)
class Category:
    """A category in the reference and the window.

    Attributes:
        name: As clients send it.
        expected: Share of the reference at like hours.
        found: Share of the window.
        rows: Rows of the window.
        surprise: Difference of rows over the square root of what was expected: about how many
            standard deviations, were rows independent.
        is_new: Whether training never had it.
    """

    name: str
    expected: float
    found: float
    rows: int
    surprise: float
    is_new: bool


def mixture_of(reference: Reference, columns: Mapping[str, Floats]) -> Floats:
    """Return a window's shares of the strata, shape (16,)."""
    moments = columns[MOMENT]
    strata = strata_of(moments) if reference.timed else np.zeros(len(moments), np.int64)
    return shares_of(strata) if len(moments) else np.full(STRATA, 1 / STRATA)


def number_bars(
    reference: Reference, name: str, values: Floats, mixture: Floats, bins: int = BINS
) -> Bars:
    """Return the bars of a number.

    Args:
        reference: Of the version.
        name: Column, or `prediction` or `target`.
        values: Of the window, shape (n,); NaN is missing.
        mixture: Shares of the strata of the window.
        bins: At most so many.
    """
    finite = np.sort(values[np.isfinite(values)])
    whole = _whole(reference, name)
    if not len(whole.values):
        return bars_of(name, [])
    distinct = np.union1d(whole.values, finite)
    if len(distinct) <= bins:
        return _bars_of_values(name, distinct, _mixed(reference, name, mixture, whole), finite)
    low, high = _ends(whole, finite)
    edges = _round_edges(low, high, bins - 1)
    step = float(edges[1] - edges[0])
    used = _mixed(reference, name, mixture, whole, step / _MIN_CELLS)
    expected = _binned(used.values, used.shares, edges)
    found = _binned(finite, np.full(len(finite), 1 / max(len(finite), 1)), edges)
    first, last = (number(float(edges[place]), 4) for place in (0, -1))
    texts = [f"below {first}", *_between(edges), f"{last} and more"]
    ticks = [
        Tick(round(100 * place / len(texts), 2), number(float(edges[place - 1]), 4))
        for place in range(1, len(texts), max(1, round(len(texts) / 6)))
    ]
    made = zip(texts, expected, found, strict=True)
    return bars_of(name, [Bin(text, float(e), float(f)) for text, e, f in made], ticks)


def categories(reference: Reference, name: str, values: Floats, mixture: Floats) -> list[Category]:
    """Return all categories of the reference and the window, those that moved most first.

    Args:
        reference: Of the version.
        name: Column of categories.
        values: Codes of the window, shape (n,); NaN is missing.
        mixture: Shares of the strata of the window.
    """
    finite = values[np.isfinite(values)]
    rows = max(len(finite), 1)
    expected = _category_shares(reference, name, mixture)
    ids, counts = np.unique(finite, return_counts=True)
    known = {**dict.fromkeys(expected, 0), **dict(zip(ids.tolist(), counts.tolist(), strict=True))}
    found = []
    for code, seen in known.items():
        share = expected.get(code, 0.0)
        surprise = (seen - share * rows) / np.sqrt(share * rows + 1)
        found.append(
            Category(
                _name(reference, name, code), share, seen / rows, int(seen), float(surprise),
                code not in expected,
            )
        )  # fmt: skip
    return sorted(found, key=lambda one: (-abs(one.surprise), one.name))


def category_bars(name: str, found: list[Category], most: int = MAX_SHOWN) -> Bars:
    """Return the bars of the largest categories, those that are most of the reference first."""
    ordered = sorted(found, key=lambda one: (-max(one.expected, one.found), one.name))
    shown = sorted(ordered[:most], key=lambda one: (-one.expected, -one.found, one.name))
    bins = [Bin(one.name, one.expected, one.found) for one in shown]
    ticks = [
        Tick(round(100 * (place + 0.5) / len(bins), 2), one.text)
        for place, one in enumerate(bins)
        if len(one.text) <= _MAX_LABEL
    ]
    return bars_of(name, bins, ticks)


def _name(reference: Reference, name: str, code: float) -> str:
    texts = reference.categories.get(name)
    if texts is None:
        return f"{code:.0f}"
    return texts[int(code)] if int(code) < len(texts) else NEVER_SEEN


def _category_shares(reference: Reference, name: str, mixture: Floats) -> dict[float, float]:
    stratified = reference.stratified.get(name)
    if stratified is None:
        return {}
    # The last cell is of categories that the reference never had.
    shares = stratified.expected(mixture)[: len(stratified.points)]
    return dict(zip(stratified.points.tolist(), shares.tolist(), strict=True))


def _whole(reference: Reference, name: str) -> Weighted:
    profile = reference.numeric[name]
    return Weighted(profile.values, profile.counts / max(profile.counts.sum(), 1.0))


def _mixed(
    reference: Reference, name: str, mixture: Floats, whole: Weighted, most: float = 0.0
) -> Weighted:
    """Return the reference at like hours, or the whole where its grid is coarser than `most`."""
    stratified = reference.stratified.get(name)
    if stratified is None:
        return whole
    points = stratified.points
    is_exact = len(points) == len(whole.values)
    if not is_exact and float(np.diff(points).max(initial=0.0)) > most:
        return whole
    return Weighted(points, stratified.expected(mixture))


def _ends(whole: Weighted, finite: Floats) -> tuple[float, float]:
    """Return where the bins begin and end: most of the reference and of the window is between."""
    below = np.cumsum(whole.shares)
    last = len(whole.values) - 1
    low = float(whole.values[min(int(np.searchsorted(below, _TAIL)), last)])
    high = float(whole.values[min(int(np.searchsorted(below, 1 - _TAIL)), last)])
    if len(finite):
        low = min(low, float(np.quantile(finite, _TAIL)))
        high = max(high, float(np.quantile(finite, 1 - _TAIL)))
    return (low, high) if high > low else (low - 0.5, low + 0.5)


def _round_edges(low: float, high: float, most: int) -> Floats:
    """Return at most so many equidistant edges at round values around a range."""
    size = 10.0 ** math.floor(math.log10((high - low) / (most - 3)))
    step = next(size * one for one in (1, 2, 2.5, 5, 10) if (high - low) / (size * one) <= most - 3)
    first, last = math.floor(low / step), math.ceil(high / step)
    edges: Floats = (np.arange(first, last + 1) * step).astype(np.float64)
    return edges


def _binned(values: Floats, weights: Floats, edges: Floats) -> Floats:
    places = np.searchsorted(edges, values, side="right")
    found: Floats = np.bincount(places, weights, minlength=len(edges) + 1).astype(np.float64)
    return found


def _between(edges: Floats) -> list[str]:
    return [
        f"{number(low, 4)} to {number(high, 4)}"
        for low, high in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True)
    ]


def _bars_of_values(name: str, distinct: Floats, used: Weighted, finite: Floats) -> Bars:
    expected = dict(zip(used.values.tolist(), used.shares.tolist(), strict=True))
    ids, counts = np.unique(finite, return_counts=True)
    found = dict(zip(ids.tolist(), (counts / max(len(finite), 1)).tolist(), strict=True))
    bins = [
        Bin(number(one), expected.get(one, 0.0), found.get(one, 0.0)) for one in distinct.tolist()
    ]
    stride = max(1, round(len(bins) / 8))
    ticks = [
        Tick(round(100 * (place + 0.5) / len(bins), 2), bins[place].text)
        for place in range(0, len(bins), stride)
    ]
    return bars_of(name, bins, ticks)
