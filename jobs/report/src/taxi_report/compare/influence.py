"""Which rows push the scores most.

A row's influence on a distance is the distance's derivative by the row's share (the influence
function of Hampel 1974). For the Wasserstein distance that is the Kantorovich potential: its
slope at x is the sign of the difference of both distribution functions. For the Jensen-Shannon
distance it is ln(q / m) / 4d, with q the category's share, m the mean of both shares, d the
distance.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from taxi_profiles.numeric import MIN_STD
from taxi_profiles.reference import Reference
from taxi_report.compare.drift import ColumnDrift
from taxi_report.profile.column_layout import ColumnLayout
from taxi_report.profile.layout import Layout
from taxi_report.profile.version import VersionProfile
from taxi_report.rows import Rows

Floats = NDArray[np.float64]

MAX_ROWS: Final = 100


@dataclass(frozen=True, slots=True)
class Pusher:
    """A row that pushes the scores up.

    Attributes:
        id: The row's id.
        ts: Answer time, seconds since the epoch.
        values: Inputs and prediction by name, texts and booleans by their names; None is missing.
        label: The label, None without one.
        influence: Of the column that it pushes most: derivative of the score by the row's share,
            over the column's threshold.
        column: That column.
    """

    id: str
    ts: float
    values: dict[str, float | str | None]
    label: float | None
    influence: float
    column: str


def pushers(
    layout: Layout, reference: Reference, current: VersionProfile, drifts: Sequence[ColumnDrift]
) -> tuple[list[Pusher], int]:
    """Return the rows that push the deciding columns most, and among how many they were looked for.

    The candidates are the sample and the rows with the smallest and the largest values.
    """
    evaluated = [one for one in drifts if one.decides and one.threshold and one.score]
    candidates = _candidates(current)
    if not evaluated or not len(candidates):
        return [], len(candidates)
    influences = np.array(
        [
            _influence(layout, reference, current, one, candidates.columns[one.name])
            / (one.threshold or 1.0)
            for one in evaluated
        ]
    )
    best = influences.max(axis=0)
    columns = influences.argmax(axis=0)
    order = np.lexsort((np.array(candidates.ids, dtype=object), -best))[:MAX_ROWS]
    return [
        Pusher(
            candidates.ids[place],
            float(candidates.ts[place]),
            {column.name: _value(candidates, column, place) for column in layout.columns},
            _known(candidates.labels[place]),
            float(best[place]),
            evaluated[columns[place]].name,
        )
        for place in map(int, order)
        if best[place] > 0
    ], len(candidates)


def _candidates(current: VersionProfile) -> Rows:
    rows = current.sample.rows
    for extremes in current.extremes.values():
        rows = rows.joined(extremes)
    first = {one: place for place, one in reversed(list(enumerate(rows.ids)))}
    return rows.taken(sorted(first.values()))


def _influence(
    layout: Layout,
    reference: Reference,
    current: VersionProfile,
    drift: ColumnDrift,
    values: Floats,
) -> Floats:
    column = layout.column(drift.name)
    finite = np.isfinite(values)
    found = np.zeros(len(values))
    if column.numeric:
        points, potential, mean = _potential(reference, current, drift.name)
        found[finite] = np.interp(values[finite], points, potential) - mean
        # Beyond the ends both distribution functions are the same and every step counts in full.
        found[finite] += np.maximum(values[finite] - points[-1], 0.0)
        return found / max(reference.numeric[drift.name].std, MIN_STD)
    own = current.categorical[drift.name].cells()
    theirs = np.append(reference.categorical[drift.name].counts, 0.0)
    q, p = own / own.sum(), theirs / theirs.sum()
    logs = np.log(np.divide(q, (p + q) / 2, out=np.ones_like(q), where=q > 0))
    slopes = logs / (4 * (drift.score or 1.0))
    slopes -= float(q @ slopes)
    found[finite] = slopes[np.minimum(column.cells(values[finite]), len(slopes) - 1)]
    return found


def _potential(
    reference: Reference, current: VersionProfile, name: str
) -> tuple[Floats, Floats, float]:
    """Return points, the potential at them, and its mean over the span's rows."""
    theirs, own = reference.numeric[name], current.numeric[name]
    points = np.union1d(theirs.values, own.values)
    gaps = [
        np.concatenate([[0.0], np.cumsum(one.counts)])[
            np.searchsorted(one.values, points[:-1], side="right")
        ]
        / one.counts.sum()
        for one in (theirs, own)
    ]
    # Mass added at x lifts the own distribution function from x on.
    steps = -np.sign(gaps[1] - gaps[0]) * np.diff(points)
    potential = np.concatenate([[0.0], np.cumsum(steps)])
    mean = float(np.interp(own.values, points, potential) @ own.counts / own.counts.sum())
    return points, potential, mean


def _value(rows: Rows, column: ColumnLayout, place: int) -> float | str | None:
    code = _known(rows.columns[column.name][place])
    if code is None or not (column.names or column.name in rows.texts):
        return code
    return rows.texts.get(column.name, {}).get(code) or column.category(code)


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
