"""Columns of the taxi example as the profiles take them."""

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from taxi_profiles.reference import MOMENT, PREDICTION, TARGET, Reference, Sample, reference_of

Floats = NDArray[np.float64]

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
