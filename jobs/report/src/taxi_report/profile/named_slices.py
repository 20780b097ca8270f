"""The slices of a schema on columns of codes; `taxi_schema.columns.slices` has them on values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from taxi_report.profile.codes import Codes
from taxi_report.rows import Rows
from taxi_schema.derived import HourOf
from taxi_schema.schema import Schema
from taxi_schema.slices import Bands, Groups, Slice

Floats = NDArray[np.float64]
Ids = NDArray[np.int64]

_DAY: Final = 86_400.0
#: 1970-01-01, where counting begins, was a Thursday.
_FIRST_WEEKDAY: Final = 3
_NOTHING: Final = np.zeros(0)


class Clock(StrEnum):
    """What of the event time a slice is of."""

    HOUR = "hour"
    WEEKDAY = "weekday"


def clock_of(moments: Floats, clock: Clock) -> Ids:
    """Return hours (0 to 23) or weekdays (Monday is 0) of local times."""
    days = np.floor(moments / _DAY)
    if clock is Clock.WEEKDAY:
        weekdays: Ids = (days.astype(np.int64) + _FIRST_WEEKDAY) % 7
        return weekdays
    hours: Ids = ((moments - days * _DAY) // 3600).astype(np.int64)
    return hours


@dataclass(frozen=True, slots=True)
class NamedSlice:
    """A slice that the schema names: groups of a category, or bands of a number or a clock.

    Attributes:
        name: Of the slice.
        column: What it is of: the name of a column, or a clock.
        labels: Names of groups or bands.
        bounds: Where bands begin after the first one, ascending; empty for groups.
        codes: Codes of grouped categories, ascending; empty for bands.
        groups: Place of the group of each of them.
    """

    name: str
    column: str | Clock
    labels: tuple[str, ...]
    bounds: Floats = field(default_factory=lambda: _NOTHING)
    codes: Floats = field(default_factory=lambda: _NOTHING)
    groups: Floats = field(default_factory=lambda: _NOTHING)

    @property
    def size(self) -> int:
        """Cells: groups or bands, then what is in none of them."""
        return len(self.labels) + 1

    def cells(self, rows: Rows) -> Ids:
        """Return the cell of each row."""
        if isinstance(self.column, Clock):
            values = np.where(rows.timed, clock_of(rows.moments, self.column), np.nan)
        else:
            values = rows.columns[self.column]
        missing = ~np.isfinite(values)
        known = np.where(missing, 0.0, values)
        none = len(self.labels)
        if len(self.bounds):
            cells = np.searchsorted(self.bounds, known, side="right")
        else:
            places = np.minimum(np.searchsorted(self.codes, known), len(self.codes) - 1)
            cells = np.where(self.codes[places] == known, self.groups[places], none)
        found: Ids = np.where(missing, none, cells).astype(np.int64)
        return found

    def label(self, cell: int) -> str:
        """Name a cell as `slice=group`."""
        return f"{self.name}={self.labels[cell]}"


def named_slices(schema: Schema, codes: Mapping[str, Codes | None]) -> tuple[NamedSlice, ...]:
    """Return the slices of a schema.

    Args:
        schema: Of the version.
        codes: Of the columns that are profiled, None where they are numbers or their own codes; a
            slice of another column is left out.
    """
    clocks = {
        derived.name: Clock.HOUR if isinstance(derived, HourOf) else Clock.WEEKDAY
        for derived in schema.derived
    }
    return tuple(
        _named(part, clocks.get(part.column), codes.get(part.column))
        for part in schema.slices
        if part.column in codes or part.column in clocks
    )


def _named(part: Slice, clock: Clock | None, codes: Codes | None) -> NamedSlice:
    column = part.column if clock is None else clock
    if isinstance(part, Bands):
        return NamedSlice(part.name, column, part.labels, np.array(part.bounds, np.float64))
    members = _members(part, codes)
    ordered = sorted(members)
    return NamedSlice(
        part.name, column, tuple(group for group, _ in part.groups),
        codes=np.array(ordered), groups=np.array([members[code] for code in ordered]),
    )  # fmt: skip


def _members(part: Groups, codes: Codes | None) -> dict[float, float]:
    return {
        codes.of(value) if codes is not None and isinstance(value, str) else float(value): place
        for place, (_, values) in enumerate(part.groups)
        for value in values
    }
