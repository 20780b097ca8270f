"""What a ride is, and which rides the system accepts.

The predictor refuses, and the training drops and counts, rides outside of the same
limits, so the model is never asked what it was not taught.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from taxi_domain.errors import FieldError

MIN_ZONE: Final = 1
MAX_ZONE: Final = 265
MAX_TRIP_DISTANCE_MILES: Final = 100.0
MIN_DURATION_MINUTES: Final = 1.0
MAX_DURATION_MINUTES: Final = 60.0
MAX_RIDE_ID_LENGTH: Final = 64

PICKUP: Final = "PULocationID"
DROPOFF: Final = "DOLocationID"
DISTANCE: Final = "trip_distance"
PICKUP_AT: Final = "lpep_pickup_datetime"
RIDE_ID: Final = "ride_id"

_RIDE_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


@dataclass(frozen=True, slots=True)
class Ride:
    """One accepted ride.

    Attributes:
        pickup_zone: TLC zone, 1..265.
        dropoff_zone: TLC zone, 1..265.
        trip_distance_miles: Miles, finite, 0..100.
        pickup_at: Start of the ride, naive New York local time; None means that hour and
            weekday are missing to the model, never "now".
        ride_id: The client's own id of the ride, 1..64 of ``[A-Za-z0-9._-]``.
    """

    pickup_zone: int
    dropoff_zone: int
    trip_distance_miles: float
    pickup_at: datetime | None = None
    ride_id: str | None = None


def parse_ride(body: object, *, max_distance_miles: float = MAX_TRIP_DISTANCE_MILES) -> Ride:
    """Check a decoded JSON object and make a ride of it.

    Unknown scalar fields are accepted and ignored; nested ones are refused.

    Args:
        body: What the JSON decoder returned.
        max_distance_miles: Upper limit of `trip_distance`.

    Raises:
        FieldError: names the first field that is missing or out of its limits.

    >>> parse_ride({"PULocationID": 130, "DOLocationID": 205, "trip_distance": 3.66}).pickup_zone
    130
    """
    if not isinstance(body, Mapping):
        raise FieldError("body", "is not a JSON object", "send one object with the ride's fields")
    for name, value in body.items():
        if isinstance(value, list | dict):
            raise FieldError(str(name), "is not a scalar", "send numbers, strings or null only")
    return Ride(
        pickup_zone=_zone(body, PICKUP),
        dropoff_zone=_zone(body, DROPOFF),
        trip_distance_miles=_distance(body, max_distance_miles),
        pickup_at=_pickup_at(body),
        ride_id=_ride_id(body),
    )


def check_ride_id(value: object, field: str = RIDE_ID) -> str:
    """Return the id, or raise a FieldError when it is not 1..64 of ``[A-Za-z0-9._-]``."""
    if not isinstance(value, str) or not _RIDE_ID.fullmatch(value):
        raise FieldError(field, "is not a ride id", "send 1 to 64 of A-Z a-z 0-9 . _ -")
    return value


def _zone(body: Mapping[str, object], field: str) -> int:
    value = body.get(field)
    if isinstance(value, bool) or not isinstance(value, int):
        problem = "is missing" if value is None else "is not an integer"
        raise FieldError(field, problem, f"send a TLC zone, {MIN_ZONE} to {MAX_ZONE}")
    if not MIN_ZONE <= value <= MAX_ZONE:
        raise FieldError(field, f"{value} is no TLC zone", f"send {MIN_ZONE} to {MAX_ZONE}")
    return value


def _distance(body: Mapping[str, object], max_distance_miles: float) -> float:
    value = body.get(DISTANCE)
    if isinstance(value, bool) or not isinstance(value, int | float):
        problem = "is missing" if value is None else "is not a number"
        raise FieldError(DISTANCE, problem, "send miles as a number")
    # The comparison comes first: an integer too large for a float would overflow.
    if not 0 <= value <= max_distance_miles or not math.isfinite(value):
        raise FieldError(
            DISTANCE, "is out of its limits", f"send miles from 0 to {max_distance_miles:g}"
        )
    return float(value)


def _pickup_at(body: Mapping[str, object]) -> datetime | None:
    value = body.get(PICKUP_AT)
    if value is None:
        return None
    if isinstance(value, str):
        try:
            # New York local time as TLC writes it; an offset would silently shift the hour.
            moment = datetime.fromisoformat(value)
        except ValueError:
            pass
        else:
            if moment.tzinfo is None:
                return moment
    raise FieldError(
        PICKUP_AT, "is not a local date and time", "send New York time as 2021-01-31T08:15:00"
    )


def _ride_id(body: Mapping[str, object]) -> str | None:
    value = body.get(RIDE_ID)
    return None if value is None else check_ride_id(value)
