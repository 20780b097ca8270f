"""How the rows of one version are profiled: its columns, their cells, the span's buckets.

Made once from the version's reference; workers get a copy, so partial profiles always merge.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Final

import numpy as np
from numpy.typing import NDArray

from taxi_profiles.reference import MOMENT, PREDICTION, TARGET, Reference
from taxi_profiles.stratified import StratifiedColumn
from taxi_report.profile.categorical import category_name
from taxi_report.profile.grid import grid_of, spread

Floats = NDArray[np.float64]
Ids = NDArray[np.int64]

#: Slices that come from the event's time, not from a column.
HOUR: Final = "event hour"
WEEKDAY: Final = "event weekday"
#: A numeric column is cut into so many bands with equally many reference rows.
BANDS: Final = 10
#: Two slices are crossed when both together have at most so many cells.
MAX_CROSSED: Final = 8192
MAX_BUCKETS: Final = 200
_BUCKETS_SECONDS: Final = (900, 3600, 3 * 3600, 6 * 3600, 86_400, 7 * 86_400, 28 * 86_400)
_DAY: Final = 86_400.0
_HOURS: Final = 24
_WEEKDAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


@dataclass(frozen=True, slots=True)
class ColumnLayout:
    """One column.

    Attributes:
        name: Column name.
        numeric: Whether it is a number; a category otherwise.
        points: Grid of a number (`taxi_report.profile.grid`), or the reference's categories,
            ascending.
        bands: Inner edges of the bands of a number, shape (b - 1,); empty for a category.
        stratified: The reference's counts by stratum.
    """

    name: str
    numeric: bool
    points: Floats
    bands: Floats
    stratified: StratifiedColumn

    @property
    def size(self) -> int:
        """Cells as a slice: bands or categories, then `unseen` of a category, then missing."""
        return len(self.bands) + 2 if self.numeric else len(self.points) + 2

    def cells(self, column: Floats) -> Ids:
        """Return the cell of each value as a slice."""
        missing = ~np.isfinite(column)
        values = np.where(missing, 0.0, column)
        if self.numeric:
            found = np.searchsorted(self.bands, values, side="right")
        else:
            places = np.minimum(np.searchsorted(self.points, values), len(self.points) - 1)
            found = np.where(self.points[places] == values, places, len(self.points))
        cells: Ids = np.where(missing, self.size - 1, found).astype(np.int64)
        return cells

    def label(self, cell: int) -> str:
        """Name a cell for people."""
        if cell == self.size - 1:
            return "missing"
        if not self.numeric:
            return "unseen" if cell == len(self.points) else category_name(self.points[cell])
        edges = ["", *_edge_names(self.bands), ""]
        low, high = edges[cell], edges[cell + 1]
        if not low:
            return f"below {high}" if high else "all"
        return f"{low} to {high}" if high else f"{low} and more"


@dataclass(frozen=True, slots=True)
class Layout:
    """How the rows of one version over one span are profiled.

    Attributes:
        version: Model version.
        columns: Inputs of the reference, then the prediction.
        target: The label.
        target_limits: Labels outside of them count in no error.
        errors: Grid of the signed error.
        start: Begin of the span, seconds since the epoch.
        bucket: Width of a bucket of time, seconds.
        buckets: Their number.
        sample_rows: Rows of the sample.
    """

    version: str
    columns: tuple[ColumnLayout, ...]
    target: ColumnLayout
    target_limits: tuple[float, float]
    errors: Floats
    start: float
    bucket: float
    buckets: int
    sample_rows: int

    def column(self, name: str) -> ColumnLayout:
        """Return a column, the target included."""
        return next(one for one in (*self.columns, self.target) if one.name == name)

    def slice_names(self) -> tuple[str, ...]:
        """Return what rows are sliced by: the columns, then hour and weekday of the event.

        A slice is known by its place here: a column may have any name.
        """
        columns = tuple(one.name for one in self.columns)
        return (*columns, *(_other_name(one, columns) for one in (HOUR, WEEKDAY)))

    def slice_sizes(self) -> tuple[int, ...]:
        """Return the cells of every slice."""
        return (*(one.size for one in self.columns), _HOURS, len(_WEEKDAYS))

    def crossed(self) -> list[tuple[int, int]]:
        """Return the pairs of slices that are counted together."""
        sizes = self.slice_sizes()
        return [
            (first, second)
            for first, second in combinations(range(len(sizes)), 2)
            if sizes[first] * sizes[second] <= MAX_CROSSED
        ]

    def slices(self, columns: Mapping[str, Floats], moments: Floats) -> list[Ids]:
        """Return the cell of each row in every slice."""
        days = np.floor(moments / _DAY)
        hours: Ids = ((moments - days * _DAY) // 3600).astype(np.int64)
        # 1970-01-01 was a Thursday.
        weekdays: Ids = (days.astype(np.int64) + 3) % 7
        return [*(one.cells(columns[one.name]) for one in self.columns), hours, weekdays]

    def bucket_of(self, ts: Floats) -> Ids:
        """Return the bucket of each answer time."""
        places = ((ts - self.start) // self.bucket).astype(np.int64)
        return np.clip(places, 0, self.buckets - 1)

    def label(self, place: int, cell: int) -> str:
        """Name a cell of the slice at a place for people."""
        if place < len(self.columns):
            return self.columns[place].label(cell)
        return f"{cell:02d}:00" if place == len(self.columns) else _WEEKDAYS[cell]


def layout_of(
    version: str,
    reference: Reference,
    *,
    start: float,
    end: float,
    target_limits: tuple[float, float],
    sample_rows: int,
) -> Layout:
    """Return the layout for a version's reference and a span of answer times (seconds)."""
    names = [*reference.numeric, *reference.categorical]
    ordered = sorted(set(names) - {TARGET, PREDICTION, MOMENT}, key=names.index)
    bucket = next(
        (one for one in _BUCKETS_SECONDS if (end - start) / one <= MAX_BUCKETS),
        (end - start) / MAX_BUCKETS,
    )
    return Layout(
        version=version,
        columns=tuple(_column(reference, name) for name in (*ordered, PREDICTION)),
        target=_column(reference, TARGET),
        target_limits=target_limits,
        # Of errors only the RMSE is known beforehand.
        errors=spread(0.0, max(reference.error.rmse, 1e-9)),
        start=start,
        bucket=float(bucket),
        buckets=max(1, int(np.ceil((end - start) / bucket))),
        sample_rows=sample_rows,
    )


def _column(reference: Reference, name: str) -> ColumnLayout:
    stratified = reference.stratified[name]
    if name in reference.categorical:
        points = reference.categorical[name].ids.astype(np.float64)
        return ColumnLayout(name, False, points, np.zeros(0), stratified)
    profile = reference.numeric[name]
    below = np.cumsum(profile.counts)
    places = np.searchsorted(below, below[-1] * np.arange(1, BANDS) / BANDS, side="right")
    edges = np.unique(profile.values[np.minimum(places, len(profile.values) - 1)])
    return ColumnLayout(
        name, True, grid_of(profile.values, profile.counts),
        edges[edges > profile.values[0]], stratified,
    )  # fmt: skip


def _edge_names(edges: Floats) -> list[str]:
    """Name edges with four digits, or as many more as tell them apart."""
    names: list[str] = []
    for digits in (4, 6, 9, 17):
        names = [f"{edge:.{digits}g}" for edge in edges]
        if len(set(names)) == len(names):
            break
    return names


def _other_name(name: str, taken: tuple[str, ...]) -> str:
    """Return a name that no column has."""
    while name in taken:
        name += " (clock)"
    return name
