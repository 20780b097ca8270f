"""Error and drift by slice, and the slices where the model is worst."""

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import NormalDist
from typing import Final

import numpy as np
from numpy.typing import NDArray

from taxi_profiles.categorical import distance_of_shares
from taxi_profiles.reference import PREDICTION
from taxi_report.profile.cells import ABSOLUTE, ERRORS, LABELLED, ROWS, SQUARES
from taxi_report.profile.layout import Layout
from taxi_report.profile.version import VersionProfile

Floats = NDArray[np.float64]

#: Fewest labelled rows of a slice that is called worst, and of one whose drift is measured.
MIN_ROWS: Final = 200
MAX_WORST: Final = 20
#: Cells of one slice that are shown: those with the most rows.
MAX_CELLS: Final = 30
_CONFIDENCE: Final = 0.95


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean absolute error with its confidence interval, in the target's unit."""

    mae: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Slice:
    """One cell of one or two slices.

    Attributes:
        name: `column` or `column × column`.
        value: What its rows have in common.
        rows: Rows of the span.
        share: Share of the span's rows.
        reference_share: Share of the reference's rows.
        labelled: Labelled rows that are judged.
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


def slices_of(layout: Layout, current: VersionProfile, expected: VersionProfile) -> list[Slice]:
    """Return the cells of every single slice: of each those with the most rows, in their order.

    Args:
        layout: Of the version.
        current: Profile of the span.
        expected: Profile of the reference's rows.
    """
    found = []
    for name, size in layout.slice_sizes().items():
        rows = current.tables[name][ROWS]
        shown = np.sort(np.argsort(-rows, kind="stable")[: min(size, MAX_CELLS)])
        drift = _drift(layout, name, current, expected)
        found += [
            _slice(
                name, layout.label(name, cell), current, expected,
                current.tables[name][:, cell], expected.tables[name][:, cell], drift.get(cell),
                NormalDist().inv_cdf((1 + _CONFIDENCE) / 2),
            )
            for cell in map(int, shown)
            if rows[cell]
        ]  # fmt: skip
    return found


def worst_slices(layout: Layout, current: VersionProfile, expected: VersionProfile) -> list[Slice]:
    """Return where the error is largest, worst first.

    Of all cells with `MIN_ROWS` labelled rows those whose interval lies wholly above the mean
    absolute error of all rows. The intervals hold for all cells together (Bonferroni), because
    the worst of many would look bad by chance. A cell of two slices is left out when one of both
    alone is as bad.
    """
    overall = current.tables[next(iter(layout.slice_sizes()))].sum(axis=1)
    if not overall[LABELLED]:
        return []
    mean = overall[ABSOLUTE] / overall[LABELLED]
    cells = list(_judged(layout, current))
    if not cells:
        return []
    z = NormalDist().inv_cdf(1 - (1 - _CONFIDENCE) / 2 / len(cells))
    lows = {key: _interval(current.tables[key[0]][:, key[1]], z) for key in cells}
    above = [key for key in cells if lows[key].low > mean]
    chosen = []
    for key in sorted(above, key=lambda one: (-lows[one].low, one)):
        parents = _parents(layout, *key)
        if any(one in lows and lows[one].mae >= lows[key].mae for one in parents):
            continue
        chosen.append(key)
        if len(chosen) == MAX_WORST:
            break
    return [
        _slice(
            table.replace("|", " × "), _value(layout, table, cell), current, expected,
            current.tables[table][:, cell], expected.tables[table][:, cell], None, z,
        )
        for table, cell in chosen
    ]  # fmt: skip


def _judged(layout: Layout, current: VersionProfile) -> Iterator[tuple[str, int]]:
    names = [*layout.slice_sizes(), *("|".join(pair) for pair in layout.crossed())]
    for name in names:
        for cell in np.flatnonzero(current.tables[name][LABELLED] >= MIN_ROWS):
            yield name, int(cell)


def _parts(layout: Layout, table: str, cell: int) -> list[tuple[str, int]]:
    """Return the single slices whose cells a cell is made of."""
    if "|" not in table:
        return [(table, cell)]
    first, second = table.split("|")
    return [
        (first, cell // layout.slice_sizes()[second]),
        (second, cell % layout.slice_sizes()[second]),
    ]


def _parents(layout: Layout, table: str, cell: int) -> list[tuple[str, int]]:
    parts = _parts(layout, table, cell)
    return parts if len(parts) > 1 else []


def _value(layout: Layout, table: str, cell: int) -> str:
    return ", ".join(
        f"{name} {layout.label(name, one)}" for name, one in _parts(layout, table, cell)
    )


def _interval(sums: Floats, z: float) -> Interval:
    labelled = sums[LABELLED]
    mean = sums[ABSOLUTE] / labelled
    # The square of the absolute error is that of the error.
    variance = max(sums[SQUARES] / labelled - mean**2, 0.0) / max(labelled - 1, 1)
    half = z * float(np.sqrt(variance))
    return Interval(float(mean), float(mean - half), float(mean + half))


def _slice(
    name: str,
    value: str,
    current: VersionProfile,
    expected: VersionProfile,
    sums: Floats,
    theirs: Floats,
    drift: float | None,
    z: float,
) -> Slice:
    labelled = int(sums[LABELLED])
    return Slice(
        name=name,
        value=value,
        rows=int(sums[ROWS]),
        share=float(sums[ROWS] / current.rows),
        reference_share=float(theirs[ROWS] / max(expected.rows, 1)),
        labelled=labelled,
        mae=_interval(sums, z) if labelled else None,
        rmse=float(np.sqrt(sums[SQUARES] / labelled)) if labelled else None,
        bias=float(sums[ERRORS] / labelled) if labelled else None,
        reference_mae=float(theirs[ABSOLUTE] / theirs[LABELLED]) if theirs[LABELLED] else None,
        prediction_drift=drift,
    )


def _drift(
    layout: Layout, name: str, current: VersionProfile, expected: VersionProfile
) -> dict[int, float]:
    """Return the drift of the predictions by cell, where both sides have rows enough."""
    sizes = layout.slice_sizes()
    key = next(
        (one for one in (f"{name}|{PREDICTION}", f"{PREDICTION}|{name}") if one in current.tables),
        None,
    )
    if key is None:
        return {}
    shape = [sizes[part] for part in key.split("|")]
    counts = [one.tables[key][ROWS].reshape(shape) for one in (current, expected)]
    if key.startswith(f"{PREDICTION}|"):
        counts = [one.T for one in counts]
    own, theirs = counts
    return {
        cell: distance_of_shares(theirs[cell] / theirs[cell].sum(), own[cell] / own[cell].sum())
        for cell in range(len(own))
        if own[cell].sum() >= MIN_ROWS and theirs[cell].sum() >= MIN_ROWS
    }
