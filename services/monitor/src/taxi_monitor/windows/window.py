"""A sliding window: the newest rows by answer time and id, each once.

Rows may come late, twice, and from several threads at once (the caller holds a lock);
the window is the same whatever the order of their coming.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from taxi_profiles.reference import MOMENT, PREDICTION, TARGET

Floats = NDArray[np.float64]
Ids = NDArray[np.int64]
Mask = NDArray[np.bool_]

#: Columns of a table of rows before those of the inputs; of `TIMED` 1 is true.
FIRST: Final = (PREDICTION, MOMENT, TARGET)
TARGET_PLACE: Final = FIRST.index(TARGET)
_TIMED: Final = len(FIRST)
#: Columns of a table before the inputs.
WIDTH: Final = len(FIRST) + 1
_MIN_SLACK: Final = 64


@dataclass(frozen=True, slots=True)
class Rows:
    """n answered rows.

    Attributes:
        ts: Times of the answers, seconds since the epoch, shape (n,).
        ids: Of the rows.
        table: Shape (n, 4 + k): prediction and target, in the target's unit, the target NaN where
            it is not known; between them the local event time, seconds since 1970-01-01 00:00
            local, that of the answer where a row has none; whether it has one; then numbers, and
            codes of categories, in the order of the reader's `names`. NaN is missing.
    """

    ts: Floats
    ids: list[str]
    table: Floats

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.ids)

    def labelled(self, targets: Floats) -> "Rows":
        """Return the rows with these targets."""
        table = self.table.copy()
        table[:, TARGET_PLACE] = targets
        return replace(self, table=table)

    @property
    def targets(self) -> Floats:
        """The targets."""
        return self.table[:, TARGET_PLACE]

    def part(self, chosen: Mask | Ids) -> "Rows":
        """Return some of the rows."""
        places = np.flatnonzero(chosen) if chosen.dtype == np.bool_ else chosen
        ids = [self.ids[place] for place in places.tolist()]
        return Rows(self.ts[places], ids, self.table[places])


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

    Rows stand in the order of their coming in arrays that are half as long again, and are put in
    order, and the oldest left out, when these are full or are asked for.

    Args:
        size: Rows that are kept.
        names: Of the columns of its rows, in their order.
    """

    def __init__(self, size: int, names: Sequence[str]) -> None:
        self._size = size
        self._names = tuple(names)
        self._slack = max(size // 2, _MIN_SLACK)
        self._ts = np.empty(0)
        self._table = np.empty((0, WIDTH + len(self._names)))
        self._ids: list[str] = []
        self._places: dict[str, int] = {}
        #: The oldest that is kept once others were left out; what is older is past.
        self._oldest: tuple[float, str] | None = None
        self.seen = 0

    def __len__(self) -> int:
        """Return how many rows there are, those beyond the newest `size` among them."""
        return len(self._places)

    def add(self, rows: Rows) -> Mask:
        """Put rows where they belong; tell which were neither repeats nor too old, shape (n,)."""
        known = self._places
        unknown = np.fromiter((one not in known for one in rows.ids), np.bool_, len(rows))
        new = unknown & firsts(rows.ids) & ~self.are_past(rows)
        self._append(rows if new.all() else rows.part(new))
        if len(self._ids) > self._size + self._slack:
            self._trim()
        return new

    def are_past(self, rows: Rows) -> Mask:
        """Tell which rows are older than all of a full window, shape (n,)."""
        if self._oldest is None or len(self._places) < self._size:
            return np.zeros(len(rows), np.bool_)
        ts, row_id = self._oldest
        past: Mask = rows.ts < ts
        same = np.flatnonzero(rows.ts == ts)
        past[same] = [rows.ids[place] < row_id for place in same.tolist()]
        return past

    def places_of(self, ids: Sequence[str]) -> Ids:
        """Return where rows are, shape (n,); -1 for those that are not there."""
        find = self._places.get
        return np.fromiter((find(one, -1) for one in ids), np.int64, len(ids))

    def at(self, places: Ids) -> Rows:
        """Return rows by their places."""
        return Rows(
            self._ts[places], [self._ids[place] for place in places.tolist()], self._table[places]
        )

    def remove(self, ids: Sequence[str]) -> None:
        """Take rows out, where they are there."""
        for one in ids:
            self._places.pop(one, None)

    def snapshot(self) -> Snapshot:
        """Copy the newest rows into columns."""
        order = self._order()[-self._size :]
        table = self._table[order]
        return Snapshot(
            columns=columns_of(table, self._names),
            rows=len(order),
            start=float(self._ts[order[0]]) if len(order) else float("nan"),
            end=float(self._ts[order[-1]]) if len(order) else float("nan"),
            seen=self.seen,
            untimed=len(order) - int(table[:, _TIMED].sum()),
        )

    def _append(self, rows: Rows) -> None:
        begin, end = len(self._ids), len(self._ids) + len(rows)
        if end > len(self._ts):
            room = max(end, min(2 * len(self._ts) + 1024, self._size + 2 * self._slack))
            self._ts = _enlarged(self._ts, room)
            self._table = _enlarged(self._table, room)
        self._ts[begin:end] = rows.ts
        self._table[begin:end] = rows.table
        self._ids += rows.ids
        self._places.update(zip(rows.ids, range(begin, end), strict=True))
        self.seen += len(rows)

    def _order(self) -> Ids:
        """Return the places of the rows, oldest first."""
        if len(self._places) == len(self._ids):
            places: Ids = np.arange(len(self._ids))
        else:  # some were taken out
            places = np.sort(np.fromiter(self._places.values(), np.int64, len(self._places)))
        ts = self._ts[places]
        order: Ids = places[np.argsort(ts, kind="stable")]
        ts = self._ts[order]
        same = np.flatnonzero(ts[1:] == ts[:-1])
        if len(same):
            # Each run of rows of one time is put in the order of their ids.
            breaks = np.flatnonzero(np.diff(same) > 1) + 1
            for run in np.split(same, breaks):
                part = slice(int(run[0]), int(run[-1]) + 2)
                order[part] = sorted(order[part].tolist(), key=self._ids.__getitem__)
        return order

    def _trim(self) -> None:
        """Leave out the oldest, in strides, so that one row does not move all."""
        order = self._order()
        kept = order[-self._size :]
        self._ts[: len(kept)] = self._ts[kept]
        self._table[: len(kept)] = self._table[kept]
        self._ids = [self._ids[place] for place in kept.tolist()]
        self._places = {row_id: place for place, row_id in enumerate(self._ids)}
        if len(order) > len(kept):
            self._oldest = (float(self._ts[0]), self._ids[0])


def columns_of(table: Floats, names: Sequence[str]) -> dict[str, Floats]:
    """Return the columns of a table of rows by name, shape (n,) each.

    Args:
        table: As `Rows` has it.
        names: Of the inputs, in their order.
    """
    columns = {name: table[:, place] for place, name in enumerate(FIRST)}
    return columns | {name: table[:, WIDTH + place] for place, name in enumerate(names)}


def firsts(ids: Sequence[str]) -> Mask:
    """Tell which ids did not come before among these, shape (n,)."""
    if len(set(ids)) == len(ids):
        return np.ones(len(ids), np.bool_)
    first = {one: place for place, one in reversed(list(enumerate(ids)))}
    return np.fromiter((first[one] == at for at, one in enumerate(ids)), np.bool_, len(ids))


def _enlarged(array: Floats, rows: int) -> Floats:
    enlarged = np.empty((rows, *array.shape[1:]))
    enlarged[: len(array)] = array
    return enlarged
