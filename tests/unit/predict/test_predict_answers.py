"""Only finite numbers are answers: nothing else is sent, logged or counted as one."""

import logging
import math
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from support.predictor import (
    PLAIN,
    TAXI,
    division_artifact,
    division_graph,
    served_artifact,
    small_artifact,
)
from support.predictor_app import PredictorApp, predictor_app

from taxi_domain.metrics import PREDICTOR_SHADOW_FAILED
from taxi_domain.models import Alias
from taxi_domain.records import PredictionRecord
from taxi_predict.delivery.shadow import ShadowScorer
from taxi_predict.metrics import Metrics
from taxi_predict.serving.loaded_model import loaded
from taxi_predict.serving.onnx_model import ModelError, OnnxModel

NOWHERE = {**PLAIN, "trip_distance": 0.0}


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[PredictorApp]:
    app = predictor_app(tmp_path, loaded(division_artifact()))
    yield app
    app.spool.close()


def logged(worker: PredictorApp) -> list[object]:
    return [document["prediction"] for document in worker.delivered()]


@pytest.mark.parametrize("kind", ["application/json", "application/json; charset=utf-8"])
def test_a_row_without_a_finite_answer_is_a_problem_and_in_no_log(
    worker: PredictorApp, kind: str
) -> None:
    bad = worker.client.post("/predict", json=NOWHERE, content_type=kind)
    good = worker.client.post("/predict", json=PLAIN, content_type=kind)

    assert bad.status_code == 500
    assert bad.content_type == "application/problem+json"
    assert bad.get_json()["field"] == "duration"
    assert "finite" in bad.get_json()["detail"]
    assert good.status_code == 200
    assert logged(worker) == [pytest.approx(20 / 3.66)]
    assert worker.counts()["not_finite"] == 1


def test_a_batch_reports_such_rows_by_index_and_answers_the_others(worker: PredictorApp) -> None:
    body = [PLAIN, NOWHERE, {**PLAIN, "PULocationID": 0}, {**PLAIN, "trip_distance": 2.0}]

    answer = worker.client.post("/predict/batch", json=body)

    items = answer.get_json()
    assert answer.status_code == 200
    assert [item.get("duration") for item in items] == [
        pytest.approx(20 / 3.66), None, None, pytest.approx(10),
    ]  # fmt: skip
    problems = [(item["index"], item["field"], item["status"]) for item in items if "index" in item]
    assert problems == [(1, "duration", 500), (2, "PULocationID", 422)]
    assert logged(worker) == [pytest.approx(20 / 3.66), pytest.approx(10)]
    assert worker.counts()["not_finite"] == 1


def features(miles: float) -> tuple[float, ...]:
    return (1, 1, miles, 101, math.nan, math.nan)


@pytest.mark.parametrize("rows", [1, 3])
def test_what_is_below_any_number_is_not_taken_for_the_minimum(rows: int) -> None:
    graph = OnnxModel(division_graph(-20.0), TAXI)

    assert graph.predict([features(0.0)] * rows) == [-math.inf] * rows
    assert graph.predict([features(2.0)] * rows) == [1.0] * rows


@pytest.mark.parametrize("rows", [1, 3])
def test_answers_are_within_the_limits_of_the_target(rows: int) -> None:
    graph = OnnxModel(division_graph(20.0), TAXI)

    assert graph.predict([features(100.0)] * rows) == [1.0] * rows
    assert graph.predict([features(0.1)] * rows) == [60.0] * rows
    assert graph.predict([features(math.nan)] * rows) == pytest.approx(
        [math.nan] * rows, nan_ok=True
    )


def test_a_graph_that_fails_for_some_rows_serves_and_one_that_answers_none_does_not(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.WARNING):
        assert loaded(division_artifact()).graph.predict([features(2.0)]) == [10.0]
    assert "trip_distance 0" in str(caplog.records[0].__dict__["reason"])
    assert not loaded(small_artifact()).graph.weakness()
    with pytest.raises(ModelError, match="ordinary"):
        loaded(served_artifact(TAXI, division_graph(math.nan)))


def test_shadow_answers_that_are_not_finite_are_left_out_and_counted() -> None:
    metrics = Metrics()
    scorer = ShadowScorer(None, "taxi-duration", Alias.CHAMPION, metrics)  # type: ignore[arg-type]
    scorer._current = loaded(division_artifact())

    records = scorer.score([record(0.0), record(2.0)])

    assert [[shadow.prediction for shadow in scored.shadow] for scored in records] == [[], [10.0]]
    failed = metrics[PREDICTOR_SHADOW_FAILED].labels("taxi-duration", "champion", "not_finite")
    assert failed._value.get() == 1


def record(miles: float) -> PredictionRecord:
    inputs = {"PULocationID": 1, "DOLocationID": 1, "trip_distance": miles}
    return PredictionRecord(
        "r", datetime(2026, 1, 1, tzinfo=UTC), None, "taxi-duration", "v", "fallback", inputs, 5.0
    )


def test_a_shadow_answers_rows_of_another_schema_by_its_own() -> None:
    scorer = ShadowScorer(None, "taxi-duration", Alias.CHAMPION, Metrics())  # type: ignore[arg-type]
    scorer._current = loaded(small_artifact(4.0))
    foreign = record(0.0)._replace(inputs={"trip_distance": 3, "PULocationID": "EWR", "new": 1.0})

    assert [shadow.prediction for shadow in scorer.score([foreign])[0].shadow] == [12.0]
