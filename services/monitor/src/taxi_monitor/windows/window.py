"""A sliding window: the newest rows by answer time and id, each once.

Rows may come late, twice, and from several threads at once (the caller holds a lock);
the window is the same whatever the order of their coming.
"""

import bisect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from taxi_profiles.reference import MOMENT, PREDICTION, TARGET

Floats = NDArray[np.float64]


class Row(NamedTuple):
    """One answered row: the sort key first, then what the engine reads.

    Attributes:
        ts: Time of the answer, seconds since the epoch.
        row_id: Its id.
        values: Numbers, and codes of categories, in the order of the reader's `names`; NaN is
            missing.
        prediction: In the target's unit.
        moment: Local event time, seconds since 1970-01-01 00:00 local; that of the answer where the
            row has none.
        target: Label, in the target's unit; NaN where it is not known.
        timed: Whether the row came with an event time.
    """

    ts: float
    row_id: str
    values: tuple[float, ...]
    prediction: float
    moment: float
    target: float
    timed: bool


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A window at one moment.

    Attributes:
        columns: Columns of the engine, each of shape (rows,).
        start: Answer time of the oldest row, seconds since the epoch; NaN without rows.
        end: Answer time of the newest row.
        seen: Rows that the window ever took.
        untimed: Rows without an event time.
    """

    columns: Mapping[str, Floats]
    rows: int
    start: float
    end: float
    seen: int
    untimed: int


class Window:
    """The newest `size` rows; adding one costs the same whatever the size.

    Args:
        size: Rows that are kept.
        names: Of the columns of its rows, in their order.
    """

    def __init__(self, size: int, names: Sequence[str]) -> None:
        self._size = size
        self._names = tuple(names)
        self._rows: list[Row] = []
        self._by_id: dict[str, Row] = {}
        self.seen = 0

    def add(self, row: Row) -> bool:
        """Put a row where it belongs; return False for a repeat or one that is too old."""
        if row.row_id in self._by_id:
            return False
        rows = self._rows
        if rows and row < rows[-1]:
            if self.is_past(row):
                return False
            bisect.insort(rows, row)
        else:
            rows.append(row)
        self._by_id[row.row_id] = row
        self.seen += 1
        # Trimmed in strides, so that one row does not move the whole list.
        if len(rows) > self._size + max(self._size // 4, 64):
            for old in rows[: -self._size]:
                del self._by_id[old.row_id]
            del rows[: -self._size]
        return True

    def is_past(self, row: Row) -> bool:
        """Tell whether a row is older than all of a full window."""
        return len(self._rows) >= self._size and row < self._rows[-self._size]

    def remove(self, row_id: str) -> None:
        """Take a row out, if it is there."""
        row = self._by_id.pop(row_id, None)
        if row is not None:
            del self._rows[bisect.bisect_left(self._rows, row[:2])]

    def find(self, row_id: str) -> Row | None:
        """Return a row of the window."""
        return self._by_id.get(row_id)

    def snapshot(self) -> Snapshot:
        """Copy the newest rows into columns."""
        rows = self._rows[-self._size :]
        values = _matrix([row.values for row in rows], len(self._names))
        others = _matrix([row[3:] for row in rows], 4)  # as in Row, after `values`
        columns = {name: values[:, place] for place, name in enumerate(self._names)}
        columns |= {
            name: others[:, place] for place, name in enumerate((PREDICTION, MOMENT, TARGET))
        }
        return Snapshot(
            columns=columns,
            rows=len(rows),
            start=rows[0].ts if rows else float("nan"),
            end=rows[-1].ts if rows else float("nan"),
            seen=self.seen,
            untimed=len(rows) - int(others[:, -1].sum()),
        )


def _matrix(rows: Sequence[Sequence[float]], width: int) -> Floats:
    return np.array(rows, dtype=np.float64).reshape(len(rows), width)
