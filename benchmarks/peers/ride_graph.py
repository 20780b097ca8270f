"""The taxi example's graph as a user of onnxruntime would run it, on one thread."""

import math
import os
from datetime import datetime

import numpy as np
import onnxruntime
from pydantic import BaseModel, Field

MIN_MINUTES, MAX_MINUTES = 1.0, 60.0


class Ride(BaseModel):
    """What is asked."""

    PULocationID: int = Field(ge=1, le=265)
    DOLocationID: int = Field(ge=1, le=265)
    trip_distance: float = Field(ge=0, le=100)
    lpep_pickup_datetime: datetime | None = None


class RideGraph:
    """The graph of the file that PEER_GRAPH names."""

    def __init__(self) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            os.environ["PEER_GRAPH"], options, providers=["CPUExecutionProvider"]
        )

    def minutes(self, ride: Ride) -> float:
        """Return how long a ride takes."""
        start = ride.lpep_pickup_datetime
        pickup, dropoff = ride.PULocationID, ride.DOLocationID
        feed = {
            "PULocationID": np.array([[pickup]], np.int64),
            "DOLocationID": np.array([[dropoff]], np.int64),
            "PU_DO": np.array([[pickup * 1000 + dropoff]], np.int64),
            "trip_distance": np.array([[ride.trip_distance]], np.float32),
            "hour": np.array([[math.nan if start is None else start.hour]], np.float32),
            "weekday": np.array([[math.nan if start is None else start.weekday()]], np.float32),
        }
        (answers,) = self._session.run(["duration"], feed)
        return min(max(float(answers[0, 0]), MIN_MINUTES), MAX_MINUTES)
