"""Slices of rides in which a model may be worse although it is better on the whole."""

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from taxi_domain.zones import AIRPORT_ZONES, BOROUGHS, ZONE_BOROUGHS
from taxi_train.data.rides import Rides

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

#: Bounds of the bands, the upper one outside; hours of the day, then miles.
_HOURS: Final[Mapping[str, tuple[float, float]]] = {
    "night": (0, 6), "morning": (6, 10), "day": (10, 16), "evening": (16, 20), "late": (20, 24),
}  # fmt: skip
_MILES: Final[Mapping[str, tuple[float, float]]] = {
    "below-1": (0, 1), "1-2": (1, 2), "2-4": (2, 4), "4-8": (4, 8), "from-8": (8, np.inf),
}  # fmt: skip


def slices_of(rides: Rides) -> Mapping[str, Mask]:
    """Return a mask, shape (n,), for each slice: borough, airport, hour band, distance band.

    Rides without a pickup time are in no hour band.
    """
    letters = np.array(list(ZONE_BOROUGHS))[rides.pickup.astype(np.int64) - 1]
    found = {f"borough={name}": letters == letter for letter, name in BOROUGHS.items()}
    airport = np.isin(rides.pickup, AIRPORT_ZONES) | np.isin(rides.dropoff, AIRPORT_ZONES)
    found["airport=yes"] = airport
    hours = rides.moment % 86_400 / 3600
    for name, (low, high) in _HOURS.items():
        found[f"hours={name}"] = (hours >= low) & (hours < high)
    for name, (low, high) in _MILES.items():
        found[f"miles={name}"] = (rides.distance >= low) & (rides.distance < high)
    return found


def errors_by_slice(rides: Rides, predicted: Floats) -> dict[str, dict[str, float]]:
    """Return rows and RMSE (minutes) of each slice that has rides.

    Args:
        rides: n rides.
        predicted: Minutes, shape (n,).
    """
    squares = (predicted - rides.duration) ** 2
    return {
        name: {
            "rows": int(mask.sum()), "rmse": round(float(np.sqrt(squares[mask].mean())), 6),
        }
        for name, mask in slices_of(rides).items()
        if mask.any()
    }  # fmt: skip
