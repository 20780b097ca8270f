"""Each ride that is asked is counted once: as answered, refused or failed, whatever the door."""

import json
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import Counter
from support.predictor import PLAIN, small_artifact
from support.waiting import wait_for

from taxi_domain.metrics import (
    PREDICTOR_FAILED,
    PREDICTOR_PREDICTIONS,
    PREDICTOR_REFUSED,
    PREDICTOR_UNDECLARED,
)
from taxi_predict.http.fast_path import ROUTE, FastPath
from taxi_predict.http.routes import blueprint, register
from taxi_predict.metrics import Metrics
from taxi_predict.serving.buffered_metrics import BufferedMetrics
from taxi_predict.serving.model_cache import LoadedModel, ModelHolder, loaded
from taxi_predict.serving.predictions import Predictions
from taxi_predict.serving.readiness import WorkerReadiness
from taxi_predict.serving.undeclared_fields import FieldNames
from taxi_predict.settings import Settings
from taxi_predict.spool.writer import SpoolFullError, SpoolWriter
from taxi_runtime.bodies import Bodies

BATCH_MAX_RIDES = 5
JSON = "application/json"


class FullSpool(SpoolWriter):
    """A spool without room."""

    def append(self, payloads: list[bytes]) -> None:
        raise SpoolFullError("spool: is full; wait")


class BrokenGraph:
    """A graph that cannot answer."""

    def predict(self, rows: object) -> list[float]:
        raise RuntimeError("the graph is broken")


@dataclass
class Door:
    """A predictor without its server: requests go in, counts come out."""

    client: FlaskClient
    metrics: Metrics
    buffered: BufferedMetrics

    def counts(self) -> dict[str, float]:
        """Return how many rides were answered, refused (by reason) and failed (by reason)."""
        self.buffered.flush()
        found = {"answered": sum(values_of(self.metrics[PREDICTOR_PREDICTIONS]).values())}
        for counter in (self.metrics[PREDICTOR_REFUSED], self.metrics[PREDICTOR_FAILED]):
            found |= {labels[-1]: value for labels, value in values_of(counter).items() if value}
        return found

    def undeclared(self) -> dict[str, float]:
        """Return the rides by undeclared field."""
        self.buffered.flush()
        return {
            labels[-1]: value
            for labels, value in values_of(self.metrics[PREDICTOR_UNDECLARED]).items() if value
        }  # fmt: skip

    def post(self, path: str, body: object, content_type: str = JSON) -> int:
        """Post a body, JSON unless it is bytes already, and return the status."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.client.post(path, data=data, content_type=content_type).status_code


def values_of(counter: Counter) -> dict[tuple[str, ...], float]:
    (family,) = counter.collect()
    return {
        tuple(one.labels.values()): one.value
        for one in family.samples if one.name.endswith("_total")
    }  # fmt: skip


STATES = ("well", "no model", "spool full", "graph broken")


def door(folder: Path, state: str = "well") -> Door:
    configured = Settings(TAXI_MONGODB_URI="mongodb://none")
    metrics = Metrics()
    holder = ModelHolder(lambda: None)
    model = loaded(small_artifact())
    if state == "graph broken":
        broken: Any = BrokenGraph()
        model = LoadedModel(model.version, model.digest, model.card, broken)
    if state != "no model":
        holder.current = model
    spool = FullSpool(folder / "spool", 65536) if state == "spool full" else None
    buffered = BufferedMetrics(metrics, "m", "champion", ROUTE, FieldNames(folder))
    predictions = Predictions(holder, spool, metrics, buffered, configured, lambda: 0.0)
    app = Flask("test")
    app.logger.disabled = True
    register(app, metrics)
    app.register_blueprint(
        blueprint(
            predictions,
            metrics,
            buffered,
            WorkerReadiness(folder, 1),
            None,
            Bodies(100_000),
            BATCH_MAX_RIDES,
        )
    )
    app.wsgi_app = FastPath(app.wsgi_app, predictions, buffered)  # type: ignore[method-assign]
    return Door(app.test_client(), metrics, buffered)


@pytest.fixture(scope="module", params=STATES)
def any_door(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Door:
    return door(tmp_path_factory.mktemp("door"), request.param)


@pytest.fixture
def well(tmp_path: Path) -> Door:
    return door(tmp_path)


RIDES = st.sampled_from(
    [
        PLAIN,
        {**PLAIN, "ride_id": "one"},
        {**PLAIN, "fare_amount": 3},
        {"PULocationID": 1, "DOLocationID": 2},
        {**PLAIN, "trip_distance": -1},
        {**PLAIN, "nested": {}},
        [PLAIN],
        None,
        "ride",
    ]
)
SINGLE = st.tuples(st.just("/predict"), RIDES, st.just(1))
BATCH = st.lists(RIDES, min_size=1, max_size=BATCH_MAX_RIDES + 2).flatmap(
    lambda rides: st.sampled_from(
        [("/predict/batch", rides, len(rides)), ("/predict/batch", {"rides": rides}, len(rides))]
    )
)
UNTOLD = st.tuples(
    st.sampled_from(["/predict", "/predict/batch"]),
    st.sampled_from([b"{", b"", b"[]", b"7", b" " * 200_000, b"[" * 50_000, b'"\xff"', b"{}"]),
    st.just(1),
)
NOT_RIDES = st.tuples(st.sampled_from(["/healthz", "/nowhere"]), st.just(PLAIN), st.just(0))
REQUESTS = st.lists(
    st.tuples(
        st.one_of(SINGLE, BATCH, UNTOLD, NOT_RIDES),
        st.sampled_from([JSON, f"{JSON}; charset=utf-8", "text/plain", ""]),
    ),
    min_size=1, max_size=6,
)  # fmt: skip


@settings(max_examples=100, deadline=None)
@given(requests=REQUESTS)
def test_answered_refused_and_failed_are_all_that_were_asked(
    any_door: Door, requests: list[tuple[tuple[str, object, int], str]]
) -> None:
    before = sum(any_door.counts().values())
    asked = 0
    for (path, body, rides), content_type in requests:
        any_door.post(path, body, content_type)
        # What is not read as JSON is one request with rides that nobody can count.
        asked += rides if content_type.startswith(JSON) else min(rides, 1)

    assert sum(any_door.counts().values()) - before == asked


@pytest.mark.parametrize(
    ("state", "status", "counts"),
    [
        ("well", 200, {"answered": 2, "trip_distance": 1}),
        ("no model", 503, {"answered": 0, "trip_distance": 1, "no_model": 2}),
        ("spool full", 503, {"answered": 0, "trip_distance": 1, "spool_full": 2}),
        ("graph broken", 500, {"answered": 0, "trip_distance": 1, "error": 2}),
    ],
)
def test_a_batch_that_fails_counts_all_of_its_rides(
    tmp_path: Path, state: str, status: int, counts: dict[str, float]
) -> None:
    one = door(tmp_path, state)

    assert one.post("/predict/batch", [PLAIN, {**PLAIN, "trip_distance": -1}, PLAIN]) == status

    assert one.counts() == counts


def test_a_batch_of_too_many_counts_all_of_its_rides(well: Door) -> None:
    assert well.post("/predict/batch", [PLAIN] * (BATCH_MAX_RIDES + 1)) == 413

    assert well.counts() == {"answered": 0, "too_large": BATCH_MAX_RIDES + 1}


@pytest.mark.parametrize("content_type", [JSON, f"{JSON}; charset=utf-8"])
def test_undeclared_fields_are_counted_once_a_ride_whichever_the_way(
    well: Door, content_type: str
) -> None:
    wrong_time = {**PLAIN, "tpep_pickup_datetime": "2021-01-31 08:15:00", "ride_id": None}
    no_distance = {"PULocationID": 1, "DOLocationID": 2, "distance": 3.0}

    assert well.post("/predict", wrong_time, content_type) == 200
    assert well.post("/predict", no_distance, content_type) == 422
    assert well.post("/predict/batch", [wrong_time, PLAIN, no_distance], content_type) == 200

    assert well.undeclared() == {"tpep_pickup_datetime": 2, "distance": 2}


@pytest.mark.parametrize(
    "optional",
    [
        {},
        {"ride_id": "one"},
        {"lpep_pickup_datetime": "2021-01-31T08:15:00", "ride_id": "one"},
        {"lpep_pickup_datetime": "2021-01-31T08:15:00", "ride_id": None},
        {"lpep_pickup_datetime": None},
    ],
)
def test_declared_fields_are_not_counted(well: Door, optional: dict[str, object]) -> None:
    assert well.post("/predict", {**PLAIN, **optional}) == 200

    assert well.undeclared() == {}


def test_counting_goes_on_after_counts_could_not_be_written(
    well: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = threading.Event()
    flush = well.buffered.flush

    def full_disk() -> None:
        if not failed.is_set():
            failed.set()
            raise OSError(28, "No space left on device")
        flush()

    monkeypatch.setattr(well.buffered, "flush", full_disk)
    well.buffered.start()
    assert failed.wait(10)

    assert well.post(ROUTE, PLAIN) == 200

    predictions = well.metrics[PREDICTOR_PREDICTIONS]
    wait_for("the count", lambda: sum(values_of(predictions).values()) == 1, 10)
    well.buffered.stop()
