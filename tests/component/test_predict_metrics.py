"""The metrics of several workers are those of the whole pod, also when one of them died."""

import time
from pathlib import Path

import httpx
import pytest
from fixtures_mongod import Mongod
from fixtures_predictor import PLAIN, Predictor, page_with, register, small_artifact, value

from taxi_domain.models import Alias

pytestmark = pytest.mark.component

RIDES = 60


def predict(predictor: Predictor) -> None:
    for _ in range(RIDES):
        # A connection for each, so that all workers get some.
        assert httpx.post(f"{predictor.url}/predict", json=PLAIN).status_code == 200


def test_counts_survive_a_worker_and_its_gauges_do_not(mongod: Mongod, tmp_path: Path) -> None:
    register(mongod.uri, Alias.CHAMPION, small_artifact())
    predictor = Predictor(tmp_path, mongod.uri, TAXI_PREDICT_WORKERS="3").start()
    try:
        predict(predictor)
        page = page_with(predictor, RIDES)
        assert value(page, "taxi_predictor_predictions_total") == RIDES
        assert value(page, "taxi_predictor_predicted_duration_seconds_count") == RIDES
        assert value(page, "taxi_predictor_model_info") == 1
        files = tmp_path / "metrics"
        before = {one.name for one in files.glob("gauge_live*")}

        predictor.kill_a_worker()
        deadline = time.monotonic() + 20
        while before <= {one.name for one in files.glob("gauge_live*")}:
            assert time.monotonic() < deadline, "the dead worker's gauges stay"
            time.sleep(0.1)

        predict(predictor)
        page = page_with(predictor, 2 * RIDES)
        assert value(page, "taxi_predictor_predictions_total") == 2 * RIDES
        assert value(page, "taxi_predictor_model_info") == 1
    finally:
        predictor.stop()
