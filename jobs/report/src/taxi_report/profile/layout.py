"""How the rows of one version are profiled: its columns, their cells, the span's buckets.

Made once from the version's reference; workers get a copy, so partial profiles always merge.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Final

import numpy as np
from numpy.typing import NDArray

from taxi_profiles.matched import MatchedColumn
from taxi_profiles.reference import MOMENT, PREDICTION, TARGET, Reference
from taxi_report.profile.numeric import grid_of

Floats = NDArray[np.float64]
Ids = NDArray[np.int64]

#: Signed error, prediction minus label.
ERROR: Final = "error"
#: Slices that come from the event's time, not from a column.
HOUR: Final = "event hour"
WEEKDAY: Final = "event weekday"
TIME: Final = "time"
#: A numeric column is cut into so many bands with equally many reference rows.
BANDS: Final = 10
#: Two slices are crossed when both together have at most so many cells.
MAX_CROSSED: Final = 8192
MAX_BUCKETS: Final = 200
_BUCKETS_SECONDS: Final = (900, 3600, 3 * 3600, 6 * 3600, 86_400, 7 * 86_400, 28 * 86_400)
_DAY: Final = 86_400.0
#: Errors have no reference grid: cells a hundredth of the reference's RMSE wide, to 40 of it.
_ERROR_CELLS: Final = 8000


@dataclass(frozen=True, slots=True)
class ColumnLayout:
    """One column.

    Attributes:
        name: Column name.
        numeric: Whether it is a number; a category otherwise.
        points: Grid of a number, or the reference's categories, ascending.
        bands: Inner edges of the bands of a number, shape (b - 1,); empty for a category.
        matched: The reference's counts by stratum.
    """

    name: str
    numeric: bool
    points: Floats
    bands: Floats
    matched: MatchedColumn

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
            return "unseen" if cell == len(self.points) else f"{self.points[cell]:g}"
        edges = ["", *(f"{edge:.4g}" for edge in self.bands), ""]
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

    def slice_sizes(self) -> dict[str, int]:
        """Return the cells of every slice."""
        columns = {one.name: one.size for one in self.columns}
        return {**columns, HOUR: 24, WEEKDAY: 7}

    def crossed(self) -> list[tuple[str, str]]:
        """Return the pairs of slices that are counted together."""
        sizes = self.slice_sizes()
        return [
            (first, second)
            for first, second in combinations(sizes, 2)
            if sizes[first] * sizes[second] <= MAX_CROSSED
        ]

    def slices(self, columns: Mapping[str, Floats], moments: Floats) -> dict[str, Ids]:
        """Return the cell of each row in every slice."""
        found = {one.name: one.cells(columns[one.name]) for one in self.columns}
        days = np.floor(moments / _DAY)
        found[HOUR] = ((moments - days * _DAY) // 3600).astype(np.int64)
        # 1970-01-01 was a Thursday.
        found[WEEKDAY] = (days.astype(np.int64) + 3) % 7
        return found

    def bucket_of(self, ts: Floats) -> Ids:
        """Return the bucket of each answer time."""
        places = ((ts - self.start) // self.bucket).astype(np.int64)
        return np.clip(places, 0, self.buckets - 1)

    def label(self, slice_name: str, cell: int) -> str:
        """Name a cell of a slice for people."""
        if slice_name == HOUR:
            return f"{cell:02d}:00"
        if slice_name == WEEKDAY:
            return ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")[cell]
        return self.column(slice_name).label(cell)


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
    rmse = max(reference.error.rmse, 1e-9)
    return Layout(
        version=version,
        columns=tuple(_column(reference, name) for name in (*ordered, PREDICTION)),
        target=_column(reference, TARGET),
        target_limits=target_limits,
        errors=np.linspace(-40 * rmse, 40 * rmse, _ERROR_CELLS + 1),
        start=start,
        bucket=float(bucket),
        buckets=max(1, int(np.ceil((end - start) / bucket))),
        sample_rows=sample_rows,
    )


def _column(reference: Reference, name: str) -> ColumnLayout:
    matched = reference.matched[name]
    if name in reference.categorical:
        points = reference.categorical[name].ids.astype(np.float64)
        return ColumnLayout(name, False, points, np.zeros(0), matched)
    profile = reference.numeric[name]
    below = np.cumsum(profile.counts)
    places = np.searchsorted(below, below[-1] * np.arange(1, BANDS) / BANDS, side="right")
    edges = np.unique(profile.values[np.minimum(places, len(profile.values) - 1)])
    return ColumnLayout(
        name, True, grid_of(profile.values), edges[edges > profile.values[0]], matched
    )
