"""The metrics of several workers are those of the whole pod, also when one of them died."""

import os
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from support.predictor import PLAIN, Predictor, page_with, register, small_artifact, value
from support.waiting import wait_for

from taxi_domain.models import Alias
from taxi_local.mongod import Mongod
from taxi_local.ports import free_port
from taxi_predict.serving.undeclared_fields import MAX_NAME_LENGTH, MAX_NAMES

pytestmark = pytest.mark.component

ROWS = 60


def predict(predictor: Predictor) -> None:
    for _ in range(ROWS):
        # A connection for each, so that all workers get some.
        assert httpx.post(f"{predictor.url}/predict", json=PLAIN, timeout=30).status_code == 200


def test_metrics_are_answered_whatever_a_killed_worker_left(mongod: Mongod, tmp_path: Path) -> None:
    register(mongod.uri, Alias.CHAMPION, small_artifact())
    predictor = Predictor(tmp_path, mongod.uri).start()
    try:
        (tmp_path / "metrics" / "counter_999999.db").touch()
        answer = httpx.get(f"{predictor.metrics_url}/metrics", timeout=30)
        assert answer.status_code == 200
        assert value(answer.text, "taxi_predictor_torn_counter_files") == 1
    finally:
        predictor.stop()


def test_counts_survive_a_worker_and_its_gauges_do_not(mongod: Mongod, tmp_path: Path) -> None:
    register(mongod.uri, Alias.CHAMPION, small_artifact())
    predictor = Predictor(tmp_path, mongod.uri, TAXI_PREDICT_WORKERS="3").start()
    try:
        predict(predictor)
        page = page_with(predictor, ROWS)
        assert value(page, "taxi_predictor_predictions_total") == ROWS
        assert value(page, "taxi_predictor_predicted_value_count") == ROWS
        assert value(page, "taxi_predictor_model_info") == 1
        files = tmp_path / "metrics"
        before = {one.name for one in files.glob("gauge_live*")}

        predictor.kill_a_worker()
        deadline = time.monotonic() + 90
        while before <= {one.name for one in files.glob("gauge_live*")}:
            assert time.monotonic() < deadline, "the dead worker's gauges stay"
            time.sleep(0.1)

        predict(predictor)
        page = page_with(predictor, 2 * ROWS)
        assert value(page, "taxi_predictor_predictions_total") == 2 * ROWS
        assert value(page, "taxi_predictor_model_info") == 1
    finally:
        predictor.stop()


UNDECLARED = "taxi_predictor_undeclared_fields_total"


def undeclared(predictor: Predictor, names: int, **wanted: float) -> dict[str, float]:
    """Return the rows by undeclared field as soon as they are so: counts arrive in strides."""
    deadline = time.monotonic() + 90
    while True:
        families = text_string_to_metric_families(
            httpx.get(f"{predictor.metrics_url}/metrics", timeout=30).text
        )
        samples = [one for family in families for one in family.samples if one.name == UNDECLARED]
        found = {one.labels["field"]: one.value for one in samples}
        if len(found) == names and wanted.items() <= found.items():
            return found
        assert time.monotonic() < deadline, found
        time.sleep(0.1)


def test_undeclared_fields_are_few_whatever_the_workers_and_the_names(
    mongod: Mongod, tmp_path: Path
) -> None:
    register(mongod.uri, Alias.CHAMPION, small_artifact())
    predictor = Predictor(tmp_path, mongod.uri, TAXI_PREDICT_WORKERS="3").start()

    def send(*fields: str) -> None:
        for _ in range(ROWS):
            body = {**PLAIN, **dict.fromkeys(fields, 1)}
            assert httpx.post(f"{predictor.url}/predict", json=body, timeout=30).status_code == 200

    try:
        undeclared(predictor, 1, other=0)
        send("tpep_pickup_datetime")
        undeclared(predictor, 2, other=0, tpep_pickup_datetime=ROWS)

        # A killed worker loses what it did not hand over yet; it had handed over all.
        predictor.kill_a_worker()
        send("tpep_pickup_datetime", *(f'größe {one}\n"' + "x" * one for one in range(60)))
        found = undeclared(predictor, MAX_NAMES + 1, other=ROWS, tpep_pickup_datetime=2 * ROWS)
        assert max(map(len, found)) <= MAX_NAME_LENGTH
    finally:
        predictor.stop()


BEAT_AGE = "taxi_predictor_delivery_heartbeat_age_seconds"


def silence(predictor: Predictor) -> float:
    """Return the one age that the pod exports, whichever worker answers."""
    page = httpx.get(f"{predictor.metrics_url}/metrics", timeout=30).text
    assert page.count(f"\n{BEAT_AGE}") == 1
    return value(page, BEAT_AGE)


def test_a_delivery_that_runs_gives_signs_of_life(mongod: Mongod, tmp_path: Path) -> None:
    register(mongod.uri, Alias.CHAMPION, small_artifact())
    predictor = Predictor(tmp_path, mongod.uri).start()
    try:
        begin = time.monotonic()
        time.sleep(5)
        # Silent from its start it would be older by now, and older with each look; on a busy
        # machine it starts late, and one that stalls is so for a while.
        while (age := silence(predictor)) >= 4:
            assert time.monotonic() - begin < 90, age
            time.sleep(1)
    finally:
        predictor.stop()


def broken_spool(folder: Path) -> Path:
    """Put a folder where the delivery wants a file, so that it cannot start."""
    found = folder / "data" / "spool" / "delivery.lock"
    found.mkdir(parents=True)
    return found


def test_a_delivery_that_cannot_run_shows_in_the_age_of_its_last_sign(
    mongod: Mongod, tmp_path: Path
) -> None:
    register(mongod.uri, Alias.CHAMPION, small_artifact())
    broken_spool(tmp_path)
    heartbeat = tmp_path / "data" / "spool" / "delivery.heartbeat"
    heartbeat.touch()
    os.utime(heartbeat, (0, 0))
    predictor = Predictor(tmp_path, mongod.uri).start()
    try:
        first = silence(predictor)
        time.sleep(3)
        later = [silence(predictor) for _ in range(10)]
        assert 0 <= first < 60, "counted from this start"
        assert all(first + 3 <= one < first + 30 for one in later)
        wait_for("it is told", lambda: "delivery died" in predictor.printed())
    finally:
        predictor.stop()


def test_a_pod_whose_delivery_cannot_start_for_a_minute_is_not_ready(
    mongod: Mongod, tmp_path: Path
) -> None:
    register(mongod.uri, Alias.CHAMPION, small_artifact())
    obstacle = broken_spool(tmp_path)
    predictor = Predictor(tmp_path, mongod.uri).start()
    try:
        heartbeat = tmp_path / "data" / "spool" / "delivery.heartbeat"
        os.utime(heartbeat, (time.time() - 61, time.time() - 61))
        answer = httpx.get(f"{predictor.metrics_url}/readyz", timeout=30)
        assert answer.status_code == 503
        assert answer.json()["detail"].startswith("delivery: cannot start")
        assert httpx.get(f"{predictor.metrics_url}/healthz", timeout=30).status_code == 200

        obstacle.rmdir()
        deadline = time.monotonic() + 90
        while httpx.get(f"{predictor.metrics_url}/readyz", timeout=30).status_code != 200:
            assert time.monotonic() < deadline, predictor.printed()
            time.sleep(0.2)
        # One that ran is told by its age alone.
        predictor.hang_the_delivery()
        os.utime(heartbeat, (time.time() - 61, time.time() - 61))
        assert httpx.get(f"{predictor.metrics_url}/readyz", timeout=30).status_code == 200
    finally:
        predictor.stop()


@pytest.mark.parametrize(
    ("variable", "wrong"),
    [("TAXI_MONGODB_URI", "mongodb://%"), ("TAXI_PREDICT_SHADOW_ALIAS", "winner")],
)
def test_a_delivery_names_the_variable_that_it_cannot_use(
    tmp_path: Path, variable: str, wrong: str
) -> None:
    variables = {
        "TAXI_MONGODB_URI": f"mongodb://127.0.0.1:{free_port()}",
        "TAXI_PREDICT_DATA_DIR": str(tmp_path),
        "PYTHONPATH": ":".join(sys.path),
    }
    done = subprocess.run(
        [sys.executable, "-m", "taxi_predict.delivery.main", "--drain"],
        env={**variables, variable: wrong}, capture_output=True, text=True, timeout=60,
        check=False,
    )  # fmt: skip

    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert variable in done.stderr
    assert done.stderr.count("\n") == 1
