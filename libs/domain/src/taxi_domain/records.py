"""The prediction record: what the predictor logs and the monitor reads.

It travels three ways (spool, monitor, MongoDB) in one shape, `to_document`. Times are
ISO 8601 strings in the spool and towards the monitor, datetimes in MongoDB; minutes.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import NamedTuple

from taxi_domain.durations import LABEL_MAXIMUM, LABEL_MINIMUM
from taxi_domain.errors import FieldError
from taxi_domain.features import SCHEMA_VERSION, Features
from taxi_domain.fields import check_id
from taxi_domain.rides import DISTANCE, DROPOFF, PICKUP, PICKUP_AT, Ride


class Shadow(NamedTuple):
    """What another model version answered for the same ride."""

    model_version: str
    prediction: float


class PredictionRecord(NamedTuple):
    """One answered ride.

    Attributes:
        ride_id: Key everywhere; a repeat changes nothing.
        ts: Time of the answer, UTC.
        model: Name of the model.
        model_version: Version that answered.
        model_role: Role of that version where it answered (champion, candidate, fallback).
        ride: The ride as the client sent it.
        features: What the model saw.
        prediction: Minutes.
        latency_seconds: From the request's body to its answer, the whole batch's for a ride of
            one; None when it is not known.
        shadow: Answers of other versions for the same ride.
    """

    ride_id: str
    ts: datetime
    model: str
    model_version: str
    model_role: str
    ride: Ride
    features: Features
    prediction: float
    latency_seconds: float | None = None
    shadow: tuple[Shadow, ...] = ()

    def to_document(self) -> dict[str, object]:
        """Shape for MongoDB, the spool and the monitor (datetimes are left as they are)."""
        return {
            "_id": self.ride_id,
            "ts": self.ts,
            "pickup_at": self.ride.pickup_at,
            "model": self.model,
            "model_version": self.model_version,
            "model_role": self.model_role,
            "schema_version": SCHEMA_VERSION,
            "ride": {
                PICKUP: self.ride.pickup_zone,
                DROPOFF: self.ride.dropoff_zone,
                DISTANCE: self.ride.trip_distance_miles,
                PICKUP_AT: self.ride.pickup_at.isoformat() if self.ride.pickup_at else None,
            },
            "features": self.features.to_document(),
            "prediction": self.prediction,
            "latency_seconds": self.latency_seconds,
            "shadow": [
                {"model_version": one.model_version, "prediction": one.prediction}
                for one in self.shadow
            ],
        }


def utc(moment: datetime) -> datetime:
    """Give a naive time (as pymongo returns it) the zone UTC; convert an aware one."""
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


class Label(NamedTuple):
    """The true duration of a ride, minutes."""

    ride_id: str
    duration: float
    ts: datetime


def label_of(body: object, now: datetime) -> Label:
    """Check one posted label.

    Args:
        body: Decoded JSON, ``{"ride_id": ..., "duration": minutes}``.
        now: Time of receipt, UTC.

    Raises:
        FieldError: names the field that is missing or out of its limits.
    """
    if not isinstance(body, Mapping):
        raise FieldError("label", "is not a JSON object", "send ride_id and duration")
    ride_id = check_id(body.get("ride_id"), "ride_id")
    duration = body.get("duration")
    if isinstance(duration, bool) or not isinstance(duration, int | float):
        raise FieldError("duration", "is not a number", "send minutes as a number")
    if not LABEL_MINIMUM <= duration <= LABEL_MAXIMUM:
        raise FieldError(
            "duration", "is out of its limits",
            f"send minutes from {LABEL_MINIMUM:g} to {LABEL_MAXIMUM:g}",
        )  # fmt: skip
    return Label(ride_id, float(duration), now)
