"""A prediction log of real rides, as the predictor and the monitor would have written it."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from pymongo.database import Database

from taxi_domain.models import MODEL_NAME, ONNX_FILE, Alias, ModelState
from taxi_domain.mongodb import LABELS, PREDICTIONS
from taxi_store.admin.indexes import ensure_indexes
from taxi_store.connection import Document
from taxi_store.registry.artifacts import Artifact
from taxi_store.registry.registry import Registry
from taxi_train.artifact.onnx_model import OnnxModel
from taxi_train.data.rides import Rides

_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - local time
_NEW_YORK = ZoneInfo("America/New_York")
_BATCH = 10_000


@dataclass(frozen=True, slots=True)
class Written:
    """What was written: when the first and after the last ride was answered."""

    start: datetime
    end: datetime
    rows: int
    labelled: int


def register(database: Database[Document], artifact: Artifact, now: datetime) -> str:
    """Put an artifact into the registry as the champion; return its version."""
    ensure_indexes(database)
    registry = Registry(database)
    version = registry.add(artifact, model=MODEL_NAME, state=ModelState.ACCEPTED, now=now)
    registry.move_alias(MODEL_NAME, Alias.CHAMPION, to=version, expected=None, by="test", now=now)
    return version


def write_rides(
    database: Database[Document],
    rides: Rides,
    artifact: Artifact,
    *,
    labelled: float = 1.0,
    shift: timedelta = timedelta(),
    prefix: str = "ride",
) -> Written:
    """Log rides as answered when they began, with the model's own answers.

    Args:
        database: Where to.
        rides: In the order of time.
        artifact: Whose graph answers.
        labelled: Share of the rides that get a label, two hours later: the first of every ten, say.
        shift: How much later they were answered than they began.
        prefix: Of the ids.
    """
    predicted = OnnxModel(artifact.files[ONNX_FILE]).predict(rides.features())
    documents, labels = [], []
    first = last = None
    count = 0
    for number in range(len(rides)):
        begun = _EPOCH + timedelta(seconds=float(rides.moment[number]))
        ts = (begun + shift).replace(tzinfo=_NEW_YORK).astimezone(UTC) + timedelta(
            milliseconds=number % 1000
        )
        first = ts if first is None else min(first, ts)
        last = ts if last is None else max(last, ts)
        ride_id = f"{prefix}-{number:08d}"
        documents.append(
            _document(rides, number, ride_id, begun, ts, artifact.version, float(predicted[number]))
        )
        if (number % 100) < labelled * 100:
            labels.append(_label(ride_id, float(rides.duration[number]), ts + timedelta(hours=2)))
            count += 1
        if len(documents) == _BATCH:
            _flush(database, documents, labels)
    _flush(database, documents, labels)
    assert first is not None
    assert last is not None
    return Written(first, last + timedelta(milliseconds=1), len(rides), count)


def _flush(database: Database[Document], documents: list[Document], labels: list[Document]) -> None:
    for name, found in ((PREDICTIONS, documents), (LABELS, labels)):
        if found:
            database[name].insert_many(found, ordered=False)
        found.clear()


def _document(
    rides: Rides,
    number: int,
    ride_id: str,
    begun: datetime,
    ts: datetime,
    version: str,
    prediction: float,
) -> Document:
    zones = {"PULocationID": int(rides.pickup[number]), "DOLocationID": int(rides.dropoff[number])}
    inputs: dict[str, Any] = {**zones, "trip_distance": float(rides.distance[number])}
    return {
        "_id": ride_id, "ts": ts, "pickup_at": begun, "model": MODEL_NAME,
        "model_version": version, "model_role": "champion", "schema_version": 2,
        "ride": {**inputs, "lpep_pickup_datetime": begun.isoformat()},
        "features": {
            **inputs, "PU_DO": zones["PULocationID"] * 1000 + zones["DOLocationID"],
            "hour": float(begun.hour), "weekday": float(begun.weekday()),
        },
        "prediction": prediction, "latency_seconds": 0.002, "shadow": [], "stored_at": ts,
    }  # fmt: skip


def _label(ride_id: str, duration: float, ts: datetime) -> Document:
    return {"_id": ride_id, "duration": duration, "ts": ts, "stored_at": ts}


def at_random(rides: Rides, rows: int, seed: int) -> Rides:
    """Return rides drawn with replacement, in the order of time."""
    places = np.sort(np.random.default_rng(seed).integers(0, len(rides), rows))
    return rides[places]
