"""The files of a model artifact (see `taxi_domain.models`), made from a fitted model.

No time of making is in it: the same rides and seed give the same digest.
"""

import importlib.metadata
import io
import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from taxi_domain.features import DISTANCE, MODEL_INPUTS, MODEL_OUTPUT, SCHEMA_VERSION
from taxi_domain.features import DO as DROPOFF
from taxi_domain.features import PU as PICKUP
from taxi_domain.models import (
    ARTIFACT_FORMAT_VERSION,
    CARD_FILE,
    ERROR_FILE,
    MODEL_NAME,
    ONNX_FILE,
    PROFILE_FILE,
    REFERENCE_FILE,
    SCHEMA_FILE,
)
from taxi_domain.rides import MAX_TRIP_DISTANCE_MILES, MAX_ZONE, MIN_ZONE
from taxi_profiles.reference import MOMENT, PREDICTION, TARGET, Sample, reference_of
from taxi_store.registry.artifacts import Artifact, artifact_of
from taxi_train.data.rides import Rides
from taxi_train.data.slices import errors_by_slice
from taxi_train.seed import SEED

Floats = NDArray[np.float64]

_LIBRARIES = ("numpy", "scikit-learn", "skl2onnx", "onnx", "onnxruntime")


def artifact(
    kind: str,
    graph: bytes,
    rides: Rides,
    predicted: Floats,
    extra: dict[str, Any] | None = None,
    error_graph: bytes | None = None,
) -> Artifact:
    """Put a model together.

    Args:
        kind: What the model is, for the card.
        graph: ONNX.
        rides: What it was trained on; rides with a pickup time become the reference.
        predicted: Out-of-fold predictions of these rides, minutes.
        extra: More entries of the card.
        error_graph: ONNX of the model of its error, if there is one.
    """
    timed = np.isfinite(rides.moment)
    kept, predicted = rides[timed], predicted[timed]
    errors = predicted - kept.duration
    columns = {
        PICKUP: kept.pickup, DROPOFF: kept.dropoff, DISTANCE: kept.distance,
        PREDICTION: predicted, TARGET: kept.duration, MOMENT: kept.moment,
    }  # fmt: skip
    card = {
        "format_version": ARTIFACT_FORMAT_VERSION,
        "model": MODEL_NAME,
        "kind": kind,
        "metrics": {
            "rmse": round(float(np.sqrt(np.mean(errors**2))), 6),
            "mae": round(float(np.mean(np.abs(errors))), 6),
            "rows": len(kept),
            "slices": errors_by_slice(kept, predicted),
        },
        "data_window": {
            "from": _iso(kept.moment.min()), "to": _iso(kept.moment.max()), "rows": len(rides),
        },
        "seed": SEED,
        "libraries": {name: importlib.metadata.version(name) for name in _LIBRARIES},
        **(extra or {}),
    }  # fmt: skip
    schema = {
        "schema_version": SCHEMA_VERSION,
        "inputs": list(MODEL_INPUTS),
        "output": MODEL_OUTPUT,
        "limits": {
            "zone": [MIN_ZONE, MAX_ZONE], "trip_distance_miles": [0, MAX_TRIP_DISTANCE_MILES],
        },
    }  # fmt: skip
    return artifact_of(
        {
            ONNX_FILE: graph,
            CARD_FILE: _json(card),
            SCHEMA_FILE: _json(schema),
            REFERENCE_FILE: _arrays(columns),
            PROFILE_FILE: _profile(columns),
            **({ERROR_FILE: error_graph} if error_graph else {}),
        }
    )


def _profile(columns: dict[str, Floats]) -> bytes:
    sample = Sample(
        numeric={DISTANCE: columns[DISTANCE]},
        categorical={name: columns[name] for name in (PICKUP, DROPOFF)},
        prediction=columns[PREDICTION],
        target=columns[TARGET],
        moments=columns[MOMENT],
        deciding=frozenset({DISTANCE, PICKUP, DROPOFF}),
    )
    return reference_of(sample).to_bytes()


def reference_rides(data: bytes) -> Rides:
    """Read the rides of an artifact's reference back."""
    with np.load(io.BytesIO(data), allow_pickle=False) as columns:
        return Rides(
            columns[PICKUP].astype(np.float64),
            columns[DROPOFF].astype(np.float64),
            columns[DISTANCE].astype(np.float64),
            columns[MOMENT].astype(np.float64),
            np.full(len(columns[TARGET]), np.nan),
            columns[TARGET].astype(np.float64),
        )


def _arrays(columns: dict[str, Floats]) -> bytes:
    small: dict[str, NDArray[Any]] = {
        PICKUP: columns[PICKUP].astype(np.int16),
        DROPOFF: columns[DROPOFF].astype(np.int16),
        DISTANCE: columns[DISTANCE].astype(np.float32),
        PREDICTION: columns[PREDICTION].astype(np.float32),
        TARGET: columns[TARGET].astype(np.float32),
        MOMENT: columns[MOMENT].astype(np.float64),
    }
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **small)
    return buffer.getvalue()


def _json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, indent=1).encode()


def _iso(seconds: float) -> str:
    return str(np.datetime64(int(seconds), "s"))
