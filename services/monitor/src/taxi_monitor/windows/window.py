"""A sliding window: the newest rides by answer time and id, each once.

Rides may come late, twice, and from several threads at once (the caller holds a lock);
the window is the same whatever the order of their coming.
"""

import bisect
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from taxi_domain.records import PredictionRecord, utc
from taxi_domain.rides import DISTANCE, DROPOFF, PICKUP
from taxi_profiles.reference import MOMENT, PREDICTION, TARGET

Floats = NDArray[np.float64]

_NEW_YORK: Final = ZoneInfo("America/New_York")
_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001 - local times count from a local 1970


class Row(NamedTuple):
    """One ride: the sort key first, then what the engine reads (minutes, miles, seconds).

    `timed` tells whether the ride came with a pickup time; without one, `moment` is its answer's.
    """

    ts: float
    ride_id: str
    pickup: float
    dropoff: float
    distance: float
    prediction: float
    moment: float
    target: float
    timed: bool


def row_of(record: PredictionRecord, prediction: float) -> Row:
    """Take what a window keeps of a record; the target is not known yet."""
    ts = utc(record.ts)
    local = record.ride.pickup_at or ts.astimezone(_NEW_YORK)
    return Row(
        ts=ts.timestamp(),
        ride_id=record.ride_id,
        pickup=float(record.features.pickup_zone),
        dropoff=float(record.features.dropoff_zone),
        distance=record.features.trip_distance_miles,
        prediction=prediction,
        moment=(local.replace(tzinfo=None) - _EPOCH).total_seconds(),
        target=float("nan"),
        timed=record.ride.pickup_at is not None,
    )


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A window at one moment.

    Attributes:
        columns: Columns of the engine, each of shape (rows,).
        start: Answer time of the oldest ride, seconds since the epoch; NaN without rides.
        end: Answer time of the newest ride.
        seen: Rides that the window ever took.
        untimed: Rides without a pickup time.
    """

    columns: Mapping[str, Floats]
    rows: int
    start: float
    end: float
    seen: int
    untimed: int


class Window:
    """The newest `size` rides; adding one costs the same whatever the size."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._rows: list[Row] = []
        self._by_id: dict[str, Row] = {}
        self.seen = 0

    def add(self, row: Row) -> bool:
        """Put a ride where it belongs; return False for a repeat or one that is too old."""
        if row.ride_id in self._by_id:
            return False
        rows = self._rows
        if rows and row < rows[-1]:
            if self.is_past(row):
                return False
            bisect.insort(rows, row)
        else:
            rows.append(row)
        self._by_id[row.ride_id] = row
        self.seen += 1
        # Trimmed in strides, so that one ride does not move the whole list.
        if len(rows) > self._size + max(self._size // 4, 64):
            for old in rows[: -self._size]:
                del self._by_id[old.ride_id]
            del rows[: -self._size]
        return True

    def is_past(self, row: Row) -> bool:
        """Tell whether a ride is older than all of a full window."""
        return len(self._rows) >= self._size and row < self._rows[-self._size]

    def remove(self, ride_id: str) -> None:
        """Take a ride out, if it is there."""
        row = self._by_id.pop(ride_id, None)
        if row is not None:
            del self._rows[bisect.bisect_left(self._rows, row[:2])]

    def find(self, ride_id: str) -> Row | None:
        """Return a ride of the window."""
        return self._by_id.get(ride_id)

    def snapshot(self) -> Snapshot:
        """Copy the newest rides into columns."""
        rows = self._rows[-self._size :]
        values = np.array([row[2:] for row in rows], dtype=np.float64).reshape(len(rows), 7)
        order = (PICKUP, DROPOFF, DISTANCE, PREDICTION, MOMENT, TARGET)  # as in Row, before `timed`
        return Snapshot(
            columns={name: values[:, number] for number, name in enumerate(order)},
            rows=len(rows),
            start=rows[0].ts if rows else float("nan"),
            end=rows[-1].ts if rows else float("nan"),
            seen=self.seen,
            untimed=len(rows) - int(values[:, -1].sum()),
        )
