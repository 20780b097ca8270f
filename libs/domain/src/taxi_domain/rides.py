"""What a ride is, and which rides the system accepts.

The predictor refuses, and the training drops and counts, rides outside of the same
limits, so the model is never asked what it was not taught.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Final, NamedTuple

from taxi_domain.errors import FieldError
from taxi_domain.fields import (
    IdField,
    IntegerField,
    LocalTimeField,
    NumberField,
    Schema,
)

MIN_ZONE: Final = 1
MAX_ZONE: Final = 265
MAX_TRIP_DISTANCE_MILES: Final = 100.0

PICKUP: Final = "PULocationID"
DROPOFF: Final = "DOLocationID"
DISTANCE: Final = "trip_distance"
PICKUP_AT: Final = "lpep_pickup_datetime"
RIDE_ID: Final = "ride_id"
#: Every field that a ride can have; others are accepted, read by nobody, and counted by name.
DECLARED: Final = frozenset({PICKUP, DROPOFF, DISTANCE, PICKUP_AT, RIDE_ID})

_NESTED: Final = (list, dict)


class Ride(NamedTuple):
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


class RideFields:
    """The fields of a ride: checks bodies, and describes what it accepts.

    Args:
        max_distance_miles: Upper limit of `trip_distance`.

    >>> body = {"PULocationID": 130, "DOLocationID": 205, "trip_distance": 3.66}
    >>> RideFields().parse(body).pickup_zone
    130
    """

    def __init__(self, max_distance_miles: float = MAX_TRIP_DISTANCE_MILES) -> None:
        self._pickup = _zone(PICKUP, "TLC zone where the ride begins.")
        self._dropoff = _zone(DROPOFF, "TLC zone where the ride ends.")
        self._distance = NumberField(DISTANCE, max_distance_miles, "miles")
        self._pickup_at = LocalTimeField(
            PICKUP_AT, "Start of the ride, New York local time, without an offset."
        )
        self._ride_id = IdField(RIDE_ID, "Your own id of the ride.")

    def parse(self, body: object) -> Ride:
        """Check a decoded JSON object and make a ride of it.

        Unknown scalar fields are accepted and ignored; nested ones are refused.

        Raises:
            FieldError: names the first field that is missing or out of its limits.
        """
        if not isinstance(body, Mapping):
            raise FieldError(
                "body", "is not a JSON object", "send one object with the ride's fields"
            )
        for name, value in body.items():
            if isinstance(value, _NESTED):
                raise FieldError(str(name), "is not a scalar", "send numbers, strings or null only")
        return Ride(
            pickup_zone=self._pickup.parse(body),
            dropoff_zone=self._dropoff.parse(body),
            trip_distance_miles=self._distance.parse(body),
            pickup_at=self._pickup_at.parse(body),
            ride_id=self._ride_id.parse(body),
        )

    def schema(self) -> Schema:
        """Return the JSON Schema of a body."""
        required = (self._pickup, self._dropoff, self._distance)
        return {
            "type": "object",
            "required": [one.name for one in required],
            "properties": {
                one.name: one.schema() for one in (*required, self._pickup_at, self._ride_id)
            },
            "additionalProperties": {"type": ["string", "number", "boolean", "null"]},
        }


def _zone(name: str, description: str) -> IntegerField:
    return IntegerField(name, MIN_ZONE, MAX_ZONE, "a TLC zone", description)
