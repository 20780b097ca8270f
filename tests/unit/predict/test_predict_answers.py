"""Only finite numbers are answers: nothing else is sent, logged or counted as one."""

import logging
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from support.predictor import PLAIN, division_artifact, division_graph, small_artifact

from taxi_domain.features import Features
from taxi_domain.metrics import PREDICTOR_FAILED, PREDICTOR_SHADOW_FAILED
from taxi_domain.models import CARD_FILE, ONNX_FILE, Alias
from taxi_domain.records import PredictionRecord
from taxi_domain.rides import Ride
from taxi_predict.delivery.shadow import ShadowScorer
from taxi_predict.http.fast_path import ROUTE, FastPath
from taxi_predict.http.routes import blueprint, register
from taxi_predict.metrics import Metrics
from taxi_predict.serving.buffered_metrics import BufferedMetrics
from taxi_predict.serving.model_cache import ModelHolder, loaded
from taxi_predict.serving.onnx_model import ModelError, OnnxModel
from taxi_predict.serving.predictions import Predictions
from taxi_predict.serving.readiness import WorkerReadiness
from taxi_predict.serving.undeclared_fields import FieldNames
from taxi_predict.settings import Settings
from taxi_predict.spool.reader import SpoolReader
from taxi_predict.spool.record import decode
from taxi_predict.spool.writer import SpoolWriter
from taxi_runtime.bodies import Bodies
from taxi_store.registry.artifacts import artifact_of

NOWHERE = {**PLAIN, "trip_distance": 0.0}


@dataclass
class Worker:
    """The parts of a worker, without gunicorn around them."""

    client: FlaskClient
    metrics: Metrics
    folder: Path
    spool: SpoolWriter

    def logged(self) -> list[float]:
        """Return the predictions in the spool."""
        self.spool.close()
        return [decode(one).prediction for one in SpoolReader(self.folder).next(100).payloads]

    def failed(self) -> float:
        """Return how many rides had no answer."""
        found: float = self.metrics[PREDICTOR_FAILED].labels("not_finite")._value.get()
        return found


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[Worker]:
    settings = Settings.model_validate({"TAXI_MONGODB_URI": "mongodb://nowhere"})
    metrics, holder = Metrics(), ModelHolder(lambda: None)
    holder.current = loaded(division_artifact())
    spool = SpoolWriter(tmp_path / "spool", 1 << 20)
    buffered = BufferedMetrics(metrics, settings.model, settings.alias, ROUTE, FieldNames(tmp_path))
    predictions = Predictions(holder, spool, metrics, buffered, settings, time.time)
    app = Flask("test")
    register(app, metrics)
    app.register_blueprint(
        blueprint(
            predictions, metrics, buffered, WorkerReadiness(tmp_path, 1), None, Bodies(100_000), 10
        )
    )
    app.wsgi_app = FastPath(app.wsgi_app, predictions, buffered)  # type: ignore[method-assign]
    yield Worker(app.test_client(), metrics, tmp_path / "spool", spool)
    spool.close()


@pytest.mark.parametrize("kind", ["application/json", "application/json; charset=utf-8"])
def test_a_ride_without_a_finite_answer_is_a_problem_and_in_no_log(
    worker: Worker, kind: str
) -> None:
    bad = worker.client.post("/predict", json=NOWHERE, content_type=kind)
    good = worker.client.post("/predict", json=PLAIN, content_type=kind)

    assert bad.status_code == 500
    assert bad.content_type == "application/problem+json"
    assert bad.get_json()["field"] == "duration"
    assert "finite" in bad.get_json()["detail"]
    assert good.status_code == 200
    assert worker.logged() == [pytest.approx(20 / 3.66)]
    assert worker.failed() == 1


def test_a_batch_reports_such_rides_by_index_and_answers_the_others(worker: Worker) -> None:
    body = [PLAIN, NOWHERE, {**PLAIN, "PULocationID": 0}, {**PLAIN, "trip_distance": 2.0}]

    answer = worker.client.post("/predict/batch", json=body)

    found = answer.get_json()
    assert answer.status_code == 200
    assert [one.get("duration") for one in found] == [
        pytest.approx(20 / 3.66), None, None, pytest.approx(10),
    ]  # fmt: skip
    problems = [(one["index"], one["field"], one["status"]) for one in found if "index" in one]
    assert problems == [(1, "duration", 500), (2, "PULocationID", 422)]
    assert worker.logged() == [pytest.approx(20 / 3.66), pytest.approx(10)]
    assert worker.failed() == 1


@pytest.mark.parametrize("rides", [1, 3])
def test_what_is_below_any_number_is_not_taken_for_zero(rides: int) -> None:
    graph = OnnxModel(division_artifact(-20.0).files[ONNX_FILE])

    assert graph.predict([Features(1, 1, 0.0, math.nan, math.nan)] * rides) == [-math.inf] * rides
    assert graph.predict([Features(1, 1, 2.0, math.nan, math.nan)] * rides) == [0.0] * rides


def test_a_graph_that_fails_for_some_rides_serves_and_one_that_answers_none_does_not(
    caplog: pytest.LogCaptureFixture,
) -> None:
    card = division_artifact().files[CARD_FILE]

    with caplog.at_level(logging.WARNING):
        assert loaded(division_artifact()).graph.predict(
            [Features(1, 1, 2.0, math.nan, math.nan)]
        ) == [10.0]
    assert "trip_distance 0" in str(caplog.records[0].__dict__["reason"])
    assert not loaded(small_artifact()).graph.weakness()
    with pytest.raises(ModelError, match="ordinary"):
        loaded(artifact_of({CARD_FILE: card, ONNX_FILE: division_graph(math.nan)}))


def test_shadow_answers_that_are_not_finite_are_left_out_and_counted() -> None:
    metrics = Metrics()
    scorer = ShadowScorer(None, "taxi-duration", Alias.CHAMPION, metrics)  # type: ignore[arg-type]
    scorer._current = loaded(division_artifact())

    records = scorer.score([record(0.0), record(2.0)])

    assert [[one.prediction for one in each.shadow] for each in records] == [[], [10.0]]
    failed = metrics[PREDICTOR_SHADOW_FAILED].labels("taxi-duration", "champion", "not_finite")
    assert failed._value.get() == 1


def record(miles: float) -> PredictionRecord:
    return PredictionRecord(
        "r", datetime(2026, 1, 1, tzinfo=UTC), "taxi-duration", "v", "fallback", Ride(1, 1, miles),
        Features(1, 1, miles, math.nan, math.nan), 5.0,
    )  # fmt: skip
