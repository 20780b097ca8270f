"""The example models whose rows are played: where they are read, and what their columns are."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from streams import ROOT, TAXI

from taxi_duration.trips import trip_rows
from taxi_files.reading import read_file
from taxi_schema.columns.rows import LabelledRows
from taxi_schema.reading import read_schema
from taxi_schema.schema import Schema

Floats = NDArray[np.float64]

_HOUR = 3600.0


@dataclass(frozen=True)
class Roles:
    """Which columns the shifts change.

    Attributes:
        number: The number that says most of the target.
        category: The category whose values move.
        other: A category of the same values, for swaps; None where there is none.
        unseen: A category that no month has and that a request may have.
        event_time: Name of the event time.
    """

    number: str
    category: str
    other: str | None
    unseen: str | int
    event_time: str


@dataclass(frozen=True)
class Subject:
    """A model of the examples.

    Attributes:
        name: As scenarios are called.
        schema: Of its rows.
        roles: Of its columns.
        read: Reads all rows of a file, in the order of time, whatever their labels.
        label_lag: Seconds between a row and its label, shape (n,).
    """

    name: str
    schema: Schema
    roles: Roles
    read: Callable[[Path], LabelledRows]
    label_lag: Callable[[LabelledRows], Floats]


FLIGHTS_SCHEMA = read_schema(ROOT / "models" / "flight_delay" / "schema.toml")


def _ride_lag(rows: LabelledRows) -> Floats:
    """Return until the ride's end and an hour more; a negative duration ends at once."""
    return np.maximum(rows.target, 0) * 60 + _HOUR


def _flight_lag(rows: LabelledRows) -> Floats:
    """Return until about the landing (450 miles an hour, after the delay) and an hour more."""
    late = np.nan_to_num(rows.columns["dep_delay"])
    lag: Floats = np.maximum(late, 0) * 60 + rows.columns["distance"] / 450 * _HOUR + _HOUR
    return lag


def _read_rides(path: Path) -> LabelledRows:
    return trip_rows(path).rows(TAXI)


def _read_flights(path: Path) -> LabelledRows:
    return read_file(FLIGHTS_SCHEMA, path).rows(FLIGHTS_SCHEMA)


RIDES = Subject(
    "rides", TAXI,
    # Zone 103 is Liberty Island: no month here has it, and a request may.
    Roles("trip_distance", "DOLocationID", "PULocationID", 103, "lpep_pickup_datetime"),
    _read_rides, _ride_lag,
)  # fmt: skip
FLIGHTS = Subject(
    "flights", FLIGHTS_SCHEMA,
    Roles("dep_delay", "dest", None, "ZZZ", "scheduled_departure"),
    _read_flights, _flight_lag,
)  # fmt: skip
