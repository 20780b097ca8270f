"""What the spool keeps of an answered ride: little, since the request pays for it.

The delivery makes the prediction record of it. Both are of one image: the spool is on the
pod's own volume, which no other version ever reads.
"""

from datetime import UTC, datetime
from typing import Final

import msgspec

from taxi_domain.features import Features
from taxi_domain.records import PredictionRecord
from taxi_domain.rides import Ride


class Entry(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One answered ride.

    Attributes:
        ride_id: Key of the ride.
        milliseconds: Time of the answer since the epoch.
        model: Name of the model.
        model_version: Version that answered.
        model_role: Its role in this pod.
        pickup_zone: As the client sent it, like the next two.
        dropoff_zone: TLC zone.
        trip_distance_miles: Miles.
        pickup_at: Local time, None when the client sent none.
        hour: As the model saw it, NaN when missing.
        weekday: As the model saw it, NaN when missing.
        prediction: Minutes.
        latency_seconds: From the request's body to its answer.
    """

    ride_id: str
    milliseconds: int
    model: str
    model_version: str
    model_role: str
    pickup_zone: int
    dropoff_zone: int
    trip_distance_miles: float
    pickup_at: datetime | None
    hour: float
    weekday: float
    prediction: float
    latency_seconds: float

    def record(self) -> PredictionRecord:
        """Return the prediction record."""
        zones = self.pickup_zone, self.dropoff_zone, self.trip_distance_miles
        return PredictionRecord(
            ride_id=self.ride_id,
            ts=datetime.fromtimestamp(self.milliseconds / 1000, UTC),
            model=self.model,
            model_version=self.model_version,
            model_role=self.model_role,
            ride=Ride(*zones, self.pickup_at, self.ride_id),
            features=Features(*zones, self.hour, self.weekday),
            prediction=self.prediction,
            latency_seconds=self.latency_seconds,
        )


encode: Final = msgspec.msgpack.Encoder().encode
#: Raises msgspec.DecodeError.
decode: Final = msgspec.msgpack.Decoder(Entry).decode
