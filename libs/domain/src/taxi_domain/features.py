"""The features that the model sees, computed by training and serving with the same code."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final, NamedTuple

from taxi_domain.rides import Ride

SCHEMA_VERSION: Final = 2

PU: Final = "PULocationID"
DO: Final = "DOLocationID"
PU_DO: Final = "PU_DO"
DISTANCE: Final = "trip_distance"
HOUR: Final = "hour"
WEEKDAY: Final = "weekday"

#: Inputs of the ONNX model, in order: int64 tensors, then float32 tensors, each of shape (rows, 1).
CATEGORICAL_FEATURES: Final = (PU, DO, PU_DO)
NUMERIC_FEATURES: Final = (DISTANCE, HOUR, WEEKDAY)
MODEL_INPUTS: Final = CATEGORICAL_FEATURES + NUMERIC_FEATURES
#: First output of the ONNX model, float tensor of shape (rows, 1), minutes.
MODEL_OUTPUT: Final = "duration"

#: First output of the model of the error, float tensor of shape (rows, 1), minutes.
ERROR_OUTPUT: Final = "absolute_error"

#: Types in the words of ONNX.
_FLOATS: Final = "tensor(float)"
_TYPES: Final = {
    **dict.fromkeys(CATEGORICAL_FEATURES, "tensor(int64)"),
    **dict.fromkeys(NUMERIC_FEATURES, _FLOATS),
}

MISSING: Final = float("nan")
#: A pair of zones as one number: the pickup zone times this, plus the dropoff zone.
PAIR_FACTOR: Final = 1000


class Features(NamedTuple):
    """One row as the model sees it; a missing hour or weekday is NaN (None in documents)."""

    pickup_zone: int
    dropoff_zone: int
    trip_distance_miles: float
    hour: float
    weekday: float

    @property
    def pair(self) -> int:
        """Pickup and dropoff zone as one category.

        >>> Features(130, 205, 3.66, 8.0, 0.0).pair
        130205
        """
        return self.pickup_zone * PAIR_FACTOR + self.dropoff_zone

    def inputs(self) -> tuple[float, ...]:
        """Return the values of `MODEL_INPUTS`, in this order; the categories are integers."""
        return (
            self.pickup_zone, self.dropoff_zone, self.pair,
            self.trip_distance_miles, self.hour, self.weekday,
        )  # fmt: skip

    def to_document(self) -> dict[str, object]:
        """Form in the prediction log; missing values are None because JSON has no NaN."""
        return {
            PU: self.pickup_zone,
            DO: self.dropoff_zone,
            PU_DO: self.pair,
            DISTANCE: self.trip_distance_miles,
            HOUR: None if self.hour != self.hour else self.hour,
            WEEKDAY: None if self.weekday != self.weekday else self.weekday,
        }


def features_of(ride: Ride) -> Features:
    """Compute the features of a ride."""
    hour, weekday = calendar_of(ride.pickup_at)
    return Features(ride.pickup_zone, ride.dropoff_zone, ride.trip_distance_miles, hour, weekday)


def calendar_of(moment: datetime | None) -> tuple[float, float]:
    """Hour (0..23) and weekday (Monday = 0) of a local time, NaN when it is not known."""
    if moment is None:
        return MISSING, MISSING
    return float(moment.hour), float(moment.weekday())


def signature_problem(
    inputs: Mapping[str, str], outputs: Mapping[str, str], output: str = MODEL_OUTPUT
) -> str:
    """Say why a graph with this signature cannot be used; empty when it can.

    Args:
        inputs: Types of the graph's inputs by name, in the words of ONNX.
        outputs: Types of its outputs by name.
        output: The output that is wanted.

    >>> signature_problem({"trip_distance": "tensor(float)"}, {"duration": "tensor(float)"})
    ''
    >>> signature_problem({"hour": "tensor(string)"}, {})[:30]
    "takes {'hour': 'tensor(string)"
    """
    if inputs and inputs.items() <= _TYPES.items() and outputs.get(output) == _FLOATS:
        return ""
    return (
        f"takes {dict(inputs)} and gives {dict(outputs)}; it must take some of {_TYPES} "
        f"and give {output} as {_FLOATS}"
    )
