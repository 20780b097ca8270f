"""Labelled rides as columns, from files and from the log, within the predictor's limits."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from taxi_domain.durations import TARGET_MAXIMUM, TARGET_MINIMUM
from taxi_domain.errors import TaxiError
from taxi_domain.features import DISTANCE, DO, HOUR, PAIR_FACTOR, PU, PU_DO, WEEKDAY
from taxi_domain.rides import MAX_TRIP_DISTANCE_MILES, MAX_ZONE, MIN_ZONE
from taxi_store.log.labelled import NEWEST_SHARE, LabelledRide

Floats = NDArray[np.float64]

_DAY = 86_400.0
_FIRST_WEEKDAY = 3  # 1970-01-01 was a Thursday
_COLUMNS = (
    "lpep_pickup_datetime",
    "lpep_dropoff_datetime",
    "PULocationID",
    "DOLocationID",
    "trip_distance",
)


class RideDataError(TaxiError):
    """Rides cannot be read; the text names the file or field and the remedy."""


@dataclass(frozen=True, slots=True)
class Rides:
    """Labelled rides in the order of time; all arrays have shape (n,).

    Attributes:
        pickup: TLC zones.
        dropoff: TLC zones.
        distance: Miles.
        moment: Local pickup time, seconds since 1970-01-01 local; NaN when it is not known.
        answered: Time of the answer, seconds since the epoch, for rides of the log; else NaN.
        duration: Minutes.
    """

    pickup: Floats
    dropoff: Floats
    distance: Floats
    moment: Floats
    answered: Floats
    duration: Floats

    def __len__(self) -> int:
        """Return how many rides there are."""
        return len(self.duration)

    def __getitem__(self, chosen: slice | NDArray[np.bool_] | NDArray[np.int64]) -> "Rides":
        """Return some of the rides."""
        return Rides(*(getattr(self, name)[chosen] for name in self.__slots__))

    def features(self) -> pd.DataFrame:
        """Return the model's inputs; the same rules as `taxi_domain.features`."""
        days = np.floor(self.moment / _DAY)
        pickup, dropoff = self.pickup.astype(np.int64), self.dropoff.astype(np.int64)
        return pd.DataFrame(
            {
                PU: pickup,
                DO: dropoff,
                PU_DO: pickup * PAIR_FACTOR + dropoff,
                DISTANCE: self.distance,
                HOUR: np.floor((self.moment - days * _DAY) / 3600.0),
                WEEKDAY: (days + _FIRST_WEEKDAY) % 7,
            }
        )


def joined(first: Rides, second: Rides) -> Rides:
    """Return the rides of both, in this order."""
    return Rides(
        *(np.concatenate([getattr(first, name), getattr(second, name)]) for name in first.__slots__)
    )


def mostly_newest(rides: Rides, most: int) -> Rides:
    """Return at most so many rides, in their order.

    Like a sample of the log: mostly the newest, and of all before some at even distances.
    """
    if len(rides) <= most:
        return rides
    newest = int(most * NEWEST_SHARE)
    first = len(rides) - newest
    before = np.linspace(0, first - 1, most - newest).astype(np.int64)
    return rides[np.concatenate([before, np.arange(first, len(rides))])]


def read_file(path: Path, start: datetime | None = None, end: datetime | None = None) -> Rides:
    """Read the rides of a file that are within the limits, in the order of pickup.

    Raises:
        RideDataError: as `read_all`, or no ride is left.
    """
    rides = within_limits(read_all(path, start, end))
    if not len(rides):
        raise RideDataError(f"{path}: no ride within the limits; look at the file and the dates")
    return rides


def read_all(path: Path, start: datetime | None = None, end: datetime | None = None) -> Rides:
    """Read a parquet file of green taxi rides, in the order of pickup.

    Args:
        path: File with TLC's columns.
        start: Only rides that begin at or after this local time.
        end: Only rides that begin before this local time.

    Returns:
        Rides of these dates and those without a date, also such as the predictor would refuse;
        what is missing is NaN.

    Raises:
        RideDataError: no such file, damaged, or a column is missing.
    """
    try:
        table = pq.read_table(path, columns=list(_COLUMNS))
    except FileNotFoundError as error:
        raise RideDataError(f"{path}: no such file; give a parquet file or a sample") from error
    except (pa.ArrowException, OSError) as error:
        raise RideDataError(f"{path}: cannot be read ({error}); fetch it again") from error
    absent = set(_COLUMNS) - set(table.column_names)
    if absent:
        raise RideDataError(f"{path}: has no column {', '.join(sorted(absent))}")
    frame = table.to_pandas()
    pickup, dropoff = frame["lpep_pickup_datetime"], frame["lpep_dropoff_datetime"]
    first = pickup.min() if start is None else pd.Timestamp(start)
    last = pickup.max() + pd.Timedelta(seconds=1) if end is None else pd.Timestamp(end)
    inside = pickup.isna() | (pickup >= first) & (pickup < last)
    frame, pickup, dropoff = frame[inside], pickup[inside], dropoff[inside]
    epoch = pd.Timestamp("1970-01-01")
    moment = ((pickup - epoch) / pd.Timedelta(seconds=1)).to_numpy(np.float64)
    rides = Rides(
        frame["PULocationID"].to_numpy(np.float64),
        frame["DOLocationID"].to_numpy(np.float64),
        frame["trip_distance"].to_numpy(np.float64),
        moment,
        np.full(len(frame), np.nan),
        ((dropoff - pickup) / pd.Timedelta(minutes=1)).to_numpy(np.float64),
    )
    return rides[np.argsort(rides.moment, kind="stable")]


def of_log(labelled: Iterable[LabelledRide]) -> Rides:
    """Turn rides of the log (in its order) into columns."""
    rows = [
        (
            one.record.features.pickup_zone,
            one.record.features.dropoff_zone,
            one.record.features.trip_distance_miles,
            _local_seconds(one.record.ride.pickup_at),
            one.record.ts.timestamp(),
            one.duration,
        )
        for one in labelled
    ]
    columns = np.array(rows, dtype=np.float64).reshape(len(rows), 6)
    return Rides(*columns.T)


def within_limits(rides: Rides) -> Rides:
    """Keep what the predictor would accept and the target's range allows."""
    kept = (
        (rides.pickup >= MIN_ZONE) & (rides.pickup <= MAX_ZONE)
        & (rides.dropoff >= MIN_ZONE) & (rides.dropoff <= MAX_ZONE)
        & (rides.distance >= 0) & (rides.distance <= MAX_TRIP_DISTANCE_MILES)
        & (rides.duration >= TARGET_MINIMUM) & (rides.duration <= TARGET_MAXIMUM)
    )  # fmt: skip
    return rides[kept]


def _local_seconds(moment: datetime | None) -> float:
    """Seconds since 1970-01-01 local of a naive local time."""
    if moment is None:
        return float("nan")
    naive = moment.replace(tzinfo=None)
    return (naive - datetime(1970, 1, 1)).total_seconds()  # noqa: DTZ001 - both are local
