"""How the rows of one version are profiled: its columns, their cells, the span's buckets.

Made once from the version's reference; workers get a copy, so partial profiles always merge.
"""

from dataclasses import dataclass
from itertools import accumulate, combinations
from typing import Final

import numpy as np
from numpy.typing import NDArray

from taxi_profiles.reference import PREDICTION, TARGET, Reference
from taxi_profiles.strata import strata_of
from taxi_report.profile.column_layout import (
    ColumnLayout,
    codes_of,
    column_layout,
    names_of,
    other_name,
)
from taxi_report.profile.grid import spread
from taxi_report.profile.named_slices import Clock, NamedSlice, clock_of, named_slices
from taxi_report.rows import Rows
from taxi_schema.column import Column, Drift
from taxi_schema.schema import Schema

Floats = NDArray[np.float64]
Ids = NDArray[np.int64]

#: Slices of the event's time; versions without one have none.
HOUR: Final = "event hour"
WEEKDAY: Final = "event weekday"
#: Two slices are crossed when both together have at most so many cells, and all pairs have at most
#: so many: 64 columns have two thousand pairs, each of which every partition counts and sends.
MAX_CROSSED: Final = 8192
MAX_ALL_CROSSED: Final = 131_072
MAX_BUCKETS: Final = 200
_BUCKETS_SECONDS: Final = (900, 3600, 3 * 3600, 6 * 3600, 86_400, 7 * 86_400, 28 * 86_400)
_HOURS: Final = 24
_WEEKDAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


@dataclass(frozen=True, slots=True)
class Layout:
    """How the rows of one version over one span are profiled.

    Attributes:
        version: Model version.
        schema: Of the version.
        timed: Whether rows of the reference have event times; others are not stratified.
        columns: Columns of the reference that have values there, then the prediction.
        target: The label.
        named: Slices of the schema.
        errors: Grid of the signed error.
        start: Begin of the span, seconds since the epoch.
        bucket: Width of a bucket of time, seconds.
        buckets: Their number.
        sample_rows: Rows of the sample.
    """

    version: str
    schema: Schema
    timed: bool
    columns: tuple[ColumnLayout, ...]
    target: ColumnLayout
    named: tuple[NamedSlice, ...]
    errors: Floats
    start: float
    bucket: float
    buckets: int
    sample_rows: int

    def column(self, name: str) -> ColumnLayout:
        """Return a column, the target included."""
        return next(column for column in (*self.columns, self.target) if column.name == name)

    @property
    def inputs(self) -> list[tuple[Column, ColumnLayout]]:
        """The profiled columns of the schema."""
        columns = {column.name: column for column in self.schema.columns}
        return [(columns[column.name], column) for column in self.columns[:-1]]

    @property
    def unprofiled(self) -> list[str]:
        """Names of columns that are measured and have no value in the reference."""
        profiled = {column.name for column in self.columns}
        return [
            column.name
            for column in self.schema.columns
            if column.drift is not Drift.IGNORED and column.name not in profiled
        ]

    @property
    def clocks(self) -> tuple[Clock, ...]:
        """What of the event time rows are sliced by."""
        return () if self.schema.event_time is None else (Clock.HOUR, Clock.WEEKDAY)

    @property
    def plain(self) -> int:
        """Number of slices that the schema does not name; they come first."""
        return len(self.columns) + len(self.clocks)

    def slice_names(self) -> tuple[str, ...]:
        """Return what rows are sliced by: columns, hour and weekday of the event, named slices.

        A slice is known by its place here: a column may have any name.
        """
        columns = tuple(column.name for column in self.columns)
        clocks = tuple(
            other_name(name, columns, "clock")
            for name, _ in zip((HOUR, WEEKDAY), self.clocks, strict=False)
        )
        taken = (*columns, *clocks)
        return (*taken, *(other_name(part.name, taken, "slice") for part in self.named))

    def slice_sizes(self) -> tuple[int, ...]:
        """Return the cells of every slice."""
        clocks = (_HOURS, len(_WEEKDAYS))[: len(self.clocks)]
        columns = (column.size for column in self.columns)
        return (*columns, *clocks, *(part.size for part in self.named))

    def crossed(self) -> list[tuple[int, int]]:
        """Return the pairs of slices that are counted together, within both limits of cells.

        Those that the schema names with each other and with the prediction; all others with each
        other. Where these have too many cells, the ones with the prediction and those that the
        schema names come first, then pairs of few cells.
        """
        sizes, prediction = self.slice_sizes(), len(self.columns) - 1
        pairs = [pair for pair in self._pairs() if sizes[pair[0]] * sizes[pair[1]] <= MAX_CROSSED]

        def rank(pair: tuple[int, int]) -> tuple[bool, int, tuple[int, int]]:
            first, second = pair
            asked = prediction in pair or first >= self.plain
            return not asked, sizes[first] * sizes[second], pair

        ordered = sorted(pairs, key=rank)
        cells = accumulate(sizes[first] * sizes[second] for first, second in ordered)
        within = [
            pair for pair, sum_ in zip(ordered, cells, strict=True) if sum_ <= MAX_ALL_CROSSED
        ]
        return sorted(within)

    @property
    def uncrossed(self) -> int:
        """Number of pairs that are left out because they have too many cells."""
        return len(self._pairs()) - len(self.crossed())

    def _pairs(self) -> list[tuple[int, int]]:
        """Return all pairs that can say something."""
        prediction = len(self.columns) - 1
        return [
            (first, second)
            for first, second in combinations(range(len(self.slice_sizes())), 2)
            if (first < self.plain) == (second < self.plain) or first == prediction
        ]

    def slices(self, rows: Rows) -> list[Ids]:
        """Return the cell of each row in every slice."""
        return [
            *(column.cells(rows.columns[column.name]) for column in self.columns),
            *(clock_of(rows.moments, clock) for clock in self.clocks),
            *(part.cells(rows) for part in self.named),
        ]

    def is_slice(self, place: int, cell: int) -> bool:
        """Tell whether a cell is one: rows in no group of a named slice have nothing in common."""
        return place < self.plain or cell < self.named[place - self.plain].size - 1

    def strata_of(self, moments: Floats) -> Ids:
        """Return the stratum of each row; all are in one where the reference has no event times."""
        return strata_of(moments) if self.timed else np.zeros(len(moments), np.int64)

    def bucket_of(self, ts: Floats) -> Ids:
        """Return the bucket of each answer time."""
        places = ((ts - self.start) // self.bucket).astype(np.int64)
        return np.clip(places, 0, self.buckets - 1)

    def label(self, place: int, cell: int) -> str:
        """Name a cell of the slice at a place for people."""
        if place < len(self.columns):
            return self.columns[place].label(cell)
        if place >= self.plain:
            return self.named[place - self.plain].label(cell)
        return f"{cell:02d}:00" if place == len(self.columns) else _WEEKDAYS[cell]

    def title(self, place: int, cell: int) -> str:
        """Name a cell together with its slice."""
        label = self.label(place, cell)
        return label if place >= self.plain else f"{self.slice_names()[place]} {label}"


def layout_of(
    version: str,
    schema: Schema,
    reference: Reference,
    *,
    span: tuple[float, float],
    sample_rows: int,
) -> Layout:
    """Return the layout for a version's reference and a span of answer times.

    Args:
        version: Model version.
        schema: Of the version.
        reference: Of the version; a column without any value in it is not profiled.
        span: Begin and end, seconds since the epoch.
        sample_rows: Rows of the sample.
    """
    start, end = span
    columns = [column for column in schema.columns if column.name in reference.stratified]
    bucket = next(
        (width for width in _BUCKETS_SECONDS if (end - start) / width <= MAX_BUCKETS),
        (end - start) / MAX_BUCKETS,
    )
    return Layout(
        version=version,
        schema=schema,
        timed=reference.timed,
        columns=(
            *(
                column_layout(reference, column.name, names_of(reference, column))
                for column in columns
            ),
            column_layout(reference, PREDICTION),
        ),
        target=column_layout(reference, TARGET),
        named=named_slices(
            schema, {column.name: codes_of(reference, column) for column in columns}
        ),
        # Of errors only the RMSE is known beforehand.
        errors=spread(0.0, max(reference.error.rmse, 1e-9)),
        start=start,
        bucket=float(bucket),
        buckets=max(1, int(np.ceil((end - start) / bucket))),
        sample_rows=sample_rows,
    )
