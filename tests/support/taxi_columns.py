"""Columns of the taxi example: as the profiles take them, and as its files have them."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from taxi_profiles.reference import MOMENT, PREDICTION, TARGET, Reference, Sample, reference_of
from taxi_schema.columns.limits import accepted, evaluated
from taxi_schema.columns.rows import LabelledRows
from taxi_schema.reading import read_schema

Floats = NDArray[np.float64]

_ROOT: Final = Path(__file__).parents[2]
SAMPLES: Final = _ROOT / "models/taxi_duration/samples"
SCHEMA: Final = read_schema(_ROOT / "models/taxi_duration/schema.toml")
EVENT_TIME: Final = "lpep_pickup_datetime"
DURATION: Final = "duration"
PICKUP: Final = "PULocationID"
DROPOFF: Final = "DOLocationID"
DISTANCE: Final = "trip_distance"
CATEGORICAL: Final = (PICKUP, DROPOFF)
INPUTS: Final = (DISTANCE, PICKUP, DROPOFF)


def taxi_reference(columns: Mapping[str, Floats]) -> Reference:
    """Return the reference of rides.

    Args:
        columns: The inputs, `prediction`, `target` and `moment`, each of shape (n,).
    """
    return reference_of(
        Sample(
            numeric={DISTANCE: columns[DISTANCE]},
            categorical={name: columns[name] for name in CATEGORICAL},
            prediction=columns[PREDICTION],
            target=columns[TARGET],
            moments=columns[MOMENT],
            deciding=frozenset(INPUTS),
        )
    )


@cache
def taxi_rides(name: str) -> LabelledRows:
    """Return the rides of a sample in the order of their begin, whatever their values."""
    names = (*CATEGORICAL, DISTANCE)
    table = pq.read_table(SAMPLES / name, columns=[*names, EVENT_TIME, DURATION]).to_pandas()
    table = table.sort_values(EVENT_TIME, kind="stable")
    times = table[EVENT_TIME].to_numpy("datetime64[us]")
    minutes = table[DURATION].to_numpy(np.float64)
    unknown = np.full(len(table), np.nan)
    columns = {name: table[name].to_numpy() for name in names}
    return LabelledRows(columns, times, minutes, unknown, unknown)


def usual(rides: LabelledRows) -> LabelledRows:
    """Return the rides that a request could send, with labels that errors count."""
    return rides[accepted(SCHEMA, rides.columns) & evaluated(SCHEMA.target, rides.target)]
