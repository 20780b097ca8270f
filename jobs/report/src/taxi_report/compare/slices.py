"""Error and drift by slice, and the slices where the model is worst."""

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import NormalDist
from typing import Final

import numpy as np
from numpy.typing import NDArray

from taxi_profiles.categorical import distance_of_shares
from taxi_report.profile.cells import ABSOLUTE, ERRORS, LABELLED, ROWS, SQUARES
from taxi_report.profile.layout import Layout
from taxi_report.profile.version import VersionProfile

Floats = NDArray[np.float64]
#: A table of `VersionProfile.tables`.
Table = tuple[int, ...]
#: A table, and a cell of it.
Cell = tuple[Table, int]

#: Fewest labelled rows of a slice that is called worst, and of one whose drift is measured.
MIN_ROWS: Final = 200
MAX_WORST: Final = 20
#: Cells of one slice that are shown: those with the most rows.
MAX_CELLS: Final = 30
_CONFIDENCE: Final = 0.95


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean absolute error with its confidence interval, in the target's unit.

    Attributes:
        mae: The mean.
        low: Lower end; None where the rows do not show how much errors differ, which takes two
            labelled rows with different ones.
        high: Upper end, None as `low` is.
    """

    mae: float
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Slice:
    """One cell of one or two slices.

    Attributes:
        name: `column` or `column × column`.
        value: What its rows have in common.
        rows: Rows of the span.
        share: Share of the span's rows.
        reference_share: Share of the reference's rows.
        labelled: Labelled rows that are evaluated.
        mae: Mean absolute error with its interval, None without labels.
        rmse: Root mean squared error, None without labels.
        bias: Mean of prediction minus label, None without labels.
        reference_mae: Of the reference's rows, None where it has none.
        prediction_drift: Jensen-Shannon distance of the predictions' bands from the reference's in
            the same slice; None with fewer than `MIN_ROWS` rows on a side.
    """

    name: str
    value: str
    rows: int
    share: float
    reference_share: float
    labelled: int
    mae: Interval | None
    rmse: float | None
    bias: float | None
    reference_mae: float | None
    prediction_drift: float | None


@dataclass(frozen=True, slots=True)
class _Sides:
    """What is compared: the profile of the span, and that of the reference's rows."""

    layout: Layout
    current: VersionProfile
    expected: VersionProfile


def slices_of(layout: Layout, current: VersionProfile, expected: VersionProfile) -> list[Slice]:
    """Return the cells of every single slice: of each those with the most rows, in their order.

    Args:
        layout: Of the version.
        current: Profile of the span.
        expected: Profile of the reference's rows.
    """
    found = []
    sides = _Sides(layout, current, expected)
    z = NormalDist().inv_cdf((1 + _CONFIDENCE) / 2)
    for place, size in enumerate(layout.slice_sizes()):
        rows = current.tables[place,][ROWS]
        ordered = np.argsort(-rows, kind="stable")
        real = [cell for cell in ordered.tolist() if layout.is_slice(place, cell)]
        shown = sorted(real[: min(size, MAX_CELLS)])
        drift = _drift(sides, place)
        found += [
            _slice(sides, ((place,), cell), layout.label(place, cell), z, drift.get(cell))
            for cell in shown
            if rows[cell]
        ]
    return found


def worst_slices(layout: Layout, current: VersionProfile, expected: VersionProfile) -> list[Slice]:
    """Return where the error is largest, worst first.

    Of all cells with `MIN_ROWS` labelled rows those whose interval lies wholly above the mean
    absolute error of all rows. The intervals hold for all cells together (Bonferroni), because
    the worst of many would look bad by chance. A cell whose errors are all equal has no interval
    and is compared by their mean. A cell of two slices is left out when one of both alone is as
    bad.
    """
    overall = current.time.sum(axis=1)
    if not overall[LABELLED]:
        return []
    mean = overall[ABSOLUTE] / overall[LABELLED]
    cells = list(_evaluated(layout, current))
    if not cells:
        return []
    z = NormalDist().inv_cdf(1 - (1 - _CONFIDENCE) / 2 / len(cells))
    maes = {key: _interval(current.tables[key[0]][:, key[1]], z) for key in cells}
    lows = {key: one.mae if one.low is None else one.low for key, one in maes.items()}
    above = [key for key in cells if lows[key] > mean]
    chosen: list[Cell] = []
    for key in sorted(above, key=lambda one: (-lows[one], one)):
        parents = _parents(layout, *key)
        if any(one in maes and maes[one].mae >= maes[key].mae for one in parents):
            continue
        chosen.append(key)
        if len(chosen) == MAX_WORST:
            break
    sides = _Sides(layout, current, expected)
    return [_slice(sides, one, _value(layout, *one), z) for one in chosen]


def _evaluated(layout: Layout, current: VersionProfile) -> Iterator[Cell]:
    singles = [(place,) for place in range(len(layout.slice_sizes()))]
    for table in (*singles, *layout.crossed()):
        for cell in np.flatnonzero(current.tables[table][LABELLED] >= MIN_ROWS):
            if all(
                layout.is_slice(place, part) for place, part in _parts(layout, table, int(cell))
            ):
                yield table, int(cell)


def _parts(layout: Layout, table: Table, cell: int) -> list[tuple[int, int]]:
    """Return the single slices, by place, and their cells that a cell is made of."""
    if len(table) == 1:
        return [(table[0], cell)]
    first, second = table
    width = layout.slice_sizes()[second]
    return [(first, cell // width), (second, cell % width)]


def _parents(layout: Layout, table: Table, cell: int) -> list[Cell]:
    parts = _parts(layout, table, cell)
    return [((place,), one) for place, one in parts] if len(parts) > 1 else []


def _value(layout: Layout, table: Table, cell: int) -> str:
    return ", ".join(layout.title(place, part) for place, part in _parts(layout, table, cell))


def _interval(sums: Floats, z: float) -> Interval:
    labelled = float(sums[LABELLED])
    mean, square = sums[ABSOLUTE] / labelled, sums[SQUARES] / labelled
    # The square of the absolute error is that of the error.
    variance = square - mean**2
    # Equal errors, but for the rounding of sums of so many.
    if labelled < 2 or variance <= 4 * labelled * np.finfo(np.float64).eps * square:
        return Interval(float(mean), None, None)
    half = z * float(np.sqrt(variance / (labelled - 1)))
    return Interval(float(mean), float(mean - half), float(mean + half))


def _slice(sides: _Sides, one: Cell, value: str, z: float, drift: float | None = None) -> Slice:
    table, cell = one
    names = sides.layout.slice_names()
    sums, theirs = (side.tables[table][:, cell] for side in (sides.current, sides.expected))
    labelled = int(sums[LABELLED])
    return Slice(
        name=" × ".join(names[place] for place in table),
        value=value,
        rows=int(sums[ROWS]),
        share=float(sums[ROWS] / sides.current.rows),
        reference_share=float(theirs[ROWS] / max(sides.expected.rows, 1)),
        labelled=labelled,
        mae=_interval(sums, z) if labelled else None,
        rmse=float(np.sqrt(sums[SQUARES] / labelled)) if labelled else None,
        bias=float(sums[ERRORS] / labelled) if labelled else None,
        reference_mae=float(theirs[ABSOLUTE] / theirs[LABELLED]) if theirs[LABELLED] else None,
        prediction_drift=drift,
    )


def _drift(sides: _Sides, place: int) -> dict[int, float]:
    """Return the drift of the predictions by cell, where both sides have rows enough."""
    layout = sides.layout
    sizes = layout.slice_sizes()
    # The prediction is the last of the columns.
    predictions = len(layout.columns) - 1
    key = (min(place, predictions), max(place, predictions))
    if key not in sides.current.tables or not layout.columns[-1].measured:
        return {}
    counts = [
        side.tables[key][ROWS].reshape([sizes[part] for part in key])
        for side in (sides.current, sides.expected)
    ]
    own, theirs = counts if key[1] == predictions else [one.T for one in counts]
    return {
        cell: distance_of_shares(theirs[cell] / theirs[cell].sum(), own[cell] / own[cell].sum())
        for cell in range(len(own))
        if own[cell].sum() >= MIN_ROWS and theirs[cell].sum() >= MIN_ROWS
    }
