"""No ride that was answered 200 is lost or doubled, whatever is killed when."""

import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from fixtures_mongod import Mongod, free_port
from fixtures_predictor import (
    PLAIN,
    Load,
    Predictor,
    logged,
    register,
    small_artifact,
    wait_until_logged,
)

from taxi_domain.models import Alias
from taxi_store.connection import connect

pytestmark = pytest.mark.component


@pytest.fixture
def predictor(mongod: Mongod, tmp_path: Path) -> Iterator[Predictor]:
    register(mongod.uri, Alias.CHAMPION, small_artifact())
    one = Predictor(tmp_path, mongod.uri).start()
    yield one
    one.stop()


def assert_all_once(mongod: Mongod, load: Load) -> None:
    found = wait_until_logged(mongod.uri, len(load.answered))
    assert len(load.answered) > 50
    missing = set(load.answered) - set(found)
    assert not missing, f"{len(missing)} of {len(load.answered)} are missing"
    assert len(found) == len(set(found))


def test_mongod_killed_under_load(predictor: Predictor, mongod: Mongod) -> None:
    with Load(predictor.url) as load:
        time.sleep(1)
        mongod.kill()
        time.sleep(3)
        before = len(load.answered)
        time.sleep(1)
        assert len(load.answered) > before, "answers go on without MongoDB"
        mongod.start()
        time.sleep(1)

    assert_all_once(mongod, load)
    assert load.slowest < 5


def test_mongod_hangs_under_load(predictor: Predictor, mongod: Mongod) -> None:
    with Load(predictor.url) as load:
        time.sleep(1)
        mongod.hang()
        time.sleep(4)
        mongod.go_on()
        time.sleep(1)

    assert_all_once(mongod, load)
    assert load.slowest < 5


def test_worker_killed_under_load(predictor: Predictor, mongod: Mongod) -> None:
    with Load(predictor.url) as load:
        time.sleep(1)
        predictor.kill_a_worker()
        time.sleep(3)

    assert_all_once(mongod, load)


def test_container_killed_under_load_with_mongod_away(predictor: Predictor, mongod: Mongod) -> None:
    with Load(predictor.url) as load:
        time.sleep(1)
        mongod.kill()
        time.sleep(1)
        predictor.kill()
        predictor.start()  # from its own disk: MongoDB is still away
        time.sleep(1)
        mongod.start()

    assert_all_once(mongod, load)


def test_stopped_container_delivers_before_it_ends(predictor: Predictor, mongod: Mongod) -> None:
    with Load(predictor.url) as load:
        time.sleep(1)
    assert predictor.terminate() == 0

    assert set(load.answered) <= set(logged(mongod.uri))


def test_torn_record_at_the_end_is_left_out(predictor: Predictor, mongod: Mongod) -> None:
    mongod.kill()
    ride_ids = [
        httpx.post(f"{predictor.url}/predict", json=PLAIN).json()["ride_id"] for _ in range(5)
    ]
    predictor.kill()
    segments = sorted((predictor.folder / "data" / "spool").glob("*.spool"))
    for segment in segments:
        with segment.open("ab") as file:
            file.write(b"\x00\x00\x01\x00torn")
    mongod.start()
    predictor.start()

    assert set(wait_until_logged(mongod.uri, 5)) == set(ride_ids)


def test_full_spool_refuses_or_answers_unlogged(mongod: Mongod, tmp_path: Path) -> None:
    register(mongod.uri, Alias.CHAMPION, small_artifact())
    for choice, status in (("refuse", 503), ("unlogged", 200)):
        folder = tmp_path / choice
        folder.mkdir()
        predictor = Predictor(
            folder, mongod.uri, TAXI_PREDICT_SPOOL_MAX_BYTES="65536",
            TAXI_PREDICT_SPOOL_FULL=choice, TAXI_PREDICT_WORKERS="1",
        ).start()  # fmt: skip
        try:
            mongod.hang()
            batch = [PLAIN] * 200
            answers = [httpx.post(f"{predictor.url}/predict/batch", json=batch) for _ in range(6)]
            mongod.go_on()
            assert answers[-1].status_code == status
            text = httpx.get(f"{predictor.url}/metrics").text
            if choice == "refuse":
                assert answers[-1].headers["Retry-After"]
                assert 'taxi_predictor_refused_rides_total{reason="spool_full"}' in text
            else:
                assert 'taxi_predictor_unlogged_rides_total{reason="spool_full"}' in text
        finally:
            predictor.stop()


def test_dead_monitor_changes_nothing(mongod: Mongod, tmp_path: Path) -> None:
    register(mongod.uri, Alias.CHAMPION, small_artifact())
    address = f"http://127.0.0.1:{free_port()}"
    predictor = Predictor(tmp_path, mongod.uri, TAXI_MONITOR_URL=address).start()
    try:
        with Load(predictor.url) as load:
            time.sleep(1.5)
        assert_all_once(mongod, load)
    finally:
        predictor.stop()


def test_fallback_scores_each_ride_with_the_champion_too(mongod: Mongod, tmp_path: Path) -> None:
    champion = register(mongod.uri, Alias.CHAMPION, small_artifact(4.0))
    fallback = register(mongod.uri, Alias.FALLBACK, small_artifact(5.0))
    predictor = Predictor(
        tmp_path, mongod.uri, TAXI_PREDICT_ALIAS="fallback", TAXI_PREDICT_SHADOW_ALIAS="champion"
    ).start()
    try:
        answer = httpx.post(f"{predictor.url}/predict", json=PLAIN).json()
        wait_until_logged(mongod.uri, 1)
    finally:
        predictor.stop()

    with connect(mongod.uri, app_name="test") as client:
        record = client["taxi"]["predictions"].find_one({"_id": answer["ride_id"]})
    assert record is not None
    assert (answer["model_version"], record["model_role"]) == (fallback, "fallback")
    assert record["shadow"] == [
        {"model_version": champion, "prediction": pytest.approx(3.66 * 4, abs=1e-4)}
    ]
