"""Made-up rides with nine columns, as arrays: what a monitor compares of a taxi model."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from taxi_schema.reading import schema_of
from taxi_schema.rows import Row

Columns = Mapping[str, NDArray[np.float64]]

NUMBERS: Final = ("trip_distance", "fare", "passengers", "hour")
CATEGORIES: Final = ("pickup", "dropoff", "weekday")
PREDICTION: Final = "prediction"
TARGET: Final = "minutes"
#: All nine that are compared.
COLUMNS: Final = (*NUMBERS, *CATEGORIES, PREDICTION, TARGET)
_ZONES: Final = 260
#: A Monday, 00:00 local.
MONDAY: Final = datetime(2021, 3, 1)  # noqa: DTZ001 - local

SCHEMA: Final = schema_of({
    "target": {"name": TARGET, "unit": "minutes", "minimum": 1.0, "maximum": 60.0},
    "event_time": {"name": "at", "timezone": "America/New_York"},
    "columns": [
        *({"name": name, "kind": "number", "nullable": True} for name in NUMBERS),
        *({"name": name, "kind": "category", "type": "integer", "nullable": True}
          for name in CATEGORIES),
    ],
})  # fmt: skip


def rides(count: int, seed: int, longer: float = 1.0) -> dict[str, NDArray[np.float64]]:
    """Return rides of some weeks, in the order of time, 1 % of them without a number of passengers.

    Args:
        count: Rides.
        seed: Of the draws.
        longer: Distances are multiplied by it.

    Returns:
        Columns of shape (count,), and `at`: seconds since `MONDAY`.
    """
    rng = np.random.default_rng(seed)
    at = np.sort(rng.uniform(0, 28 * 86_400, count))
    distance = np.round(rng.gamma(1.5, 2.0, count) * longer, 2)
    minutes = np.clip(4 + 3 * distance + rng.normal(0, 3, count), 1, 60)
    passengers = rng.integers(1, 7, count).astype(np.float64)
    passengers[rng.random(count) < 0.01] = np.nan
    zones = (rng.zipf(1.4, (2, count)) - 1) % _ZONES + 1.0
    return {
        "trip_distance": distance,
        "fare": np.round(3 + 2.6 * distance + rng.gamma(2, 0.7, count), 2),
        "passengers": passengers,
        "hour": at // 3600 % 24,
        "pickup": zones[0],
        "dropoff": zones[1],
        "weekday": at // 86_400 % 7,
        PREDICTION: np.clip(4 + 3 * distance + rng.normal(0, 0.5, count), 1, 60),
        TARGET: minutes,
        "at": at,
    }


def rows_of(columns: Columns) -> list[Row]:
    """Return rides as rows of the schema."""
    values = [_values(columns[column.name], column.name in CATEGORIES) for column in SCHEMA.columns]
    times = [MONDAY + timedelta(seconds=seconds) for seconds in columns["at"].tolist()]
    return [
        Row(row, event_time=moment) for row, moment in zip(zip(*values, strict=True), times,
                                                           strict=True)
    ]  # fmt: skip


def _values(column: NDArray[np.float64], whole: bool) -> list[Any]:
    return [
        None if value != value else int(value) if whole else value  # noqa: PLR0124 - NaN
        for value in column.tolist()
    ]
