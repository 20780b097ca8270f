"""No row that was answered 200 is lost or doubled, whatever is killed when."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import httpx
import pytest
from support.fault_proxy import SlowProxy
from support.predictor import (
    PLAIN,
    Load,
    Predictor,
    logged,
    register,
    small_artifact,
    wait_until_logged,
)
from support.waiting import wait_for

from taxi_domain.models import Alias
from taxi_local.mongod import Mongod, running_mongod
from taxi_local.ports import free_port
from taxi_predict.spool.segments import SegmentReader, frame
from taxi_store.connection import connect

pytestmark = pytest.mark.component


@pytest.fixture
def predictor(mongod: Mongod, tmp_path: Path) -> Iterator[Predictor]:
    register(mongod.uri, Alias.CHAMPION, small_artifact())
    one = Predictor(tmp_path, mongod.uri).start()
    yield one
    one.stop()


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[Path]:
    """Mount a small file system; only root can."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small disk needs root")
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"a small disk cannot be mounted here: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(ballast: Path) -> None:
    """Write until the disk is full."""
    with ballast.open("wb") as file:
        try:
            while True:
                os.write(file.fileno(), b"\0" * 65536)
        except OSError:
            pass


def assert_all_once(mongod: Mongod, load: Load) -> None:
    found = wait_until_logged(mongod.uri, len(load.answered))
    missing = set(load.answered) - set(found)
    assert not missing, f"{len(missing)} of {len(load.answered)} are missing"
    # A row's id is its key in the log, so none can be there twice.


def test_mongod_killed_under_load(predictor: Predictor, mongod: Mongod) -> None:
    with Load(predictor.url) as load:
        load.wait_for(60, seconds=1)
        mongod.kill()
        time.sleep(3)
        load.wait_for(5)  # answers go on without MongoDB
        mongod.start()
        time.sleep(1)

    assert_all_once(mongod, load)


def test_mongod_hangs_under_load(predictor: Predictor, mongod: Mongod) -> None:
    with Load(predictor.url) as load:
        load.wait_for(60, seconds=1)
        mongod.hang()
        time.sleep(3)
        load.wait_for(5)  # more than those that were under way: answers go on without MongoDB
        mongod.go_on()
        time.sleep(1)

    assert_all_once(mongod, load)


def test_worker_killed_under_load(predictor: Predictor, mongod: Mongod) -> None:
    with Load(predictor.url) as load:
        load.wait_for(60, seconds=1)
        predictor.kill_a_worker()
        time.sleep(3)

    assert_all_once(mongod, load)


def test_container_killed_under_load_with_mongod_away(predictor: Predictor, mongod: Mongod) -> None:
    with Load(predictor.url) as load:
        load.wait_for(60, seconds=1)
        mongod.kill()
        time.sleep(1)
        predictor.kill()
        predictor.start()  # from its own disk: MongoDB is still away
        time.sleep(1)
        mongod.start()

    assert_all_once(mongod, load)


def test_stopped_container_delivers_before_it_ends(predictor: Predictor, mongod: Mongod) -> None:
    with Load(predictor.url) as load:
        load.wait_for(60, seconds=1)
    assert predictor.terminate() == 0

    assert set(load.answered) <= set(logged(mongod.uri))


def test_stopped_under_load_loses_nothing(predictor: Predictor, mongod: Mongod) -> None:
    with Load(predictor.url) as load:
        load.wait_for(60, seconds=1)
        assert predictor.terminate() == 0
        predictor.start()
        time.sleep(1)

    assert_all_once(mongod, load)


def test_starved_delivery_goes_on(mongod: Mongod, tmp_path: Path) -> None:
    """Somebody else wants the whole core, and the pod has no privilege."""
    register(mongod.uri, Alias.CHAMPION, small_artifact())
    core = str(min(os.sched_getaffinity(0)))
    predictor = Predictor(tmp_path, mongod.uri, TAXI_PREDICT_WORKERS="1")
    predictor.prefix = ("setpriv", "--bounding-set=-all", "--inh-caps=-all", "taskset", "-c", core)
    predictor.start()
    spinning = [sys.executable, "-c", "while True: pass"]
    with subprocess.Popen(["taskset", "-c", core, *spinning]) as spinner:
        try:
            taken = [one["ride_id"] for _ in range(20) for one in post_batch(predictor, 500).json()]
            assert len(wait_until_logged(mongod.uri, len(taken), seconds=120)) == len(taken)
        finally:
            spinner.kill()
            predictor.stop()


def test_torn_record_at_the_end_is_left_out(predictor: Predictor, mongod: Mongod) -> None:
    mongod.kill()
    row_ids = [
        httpx.post(f"{predictor.url}/predict", json=PLAIN, timeout=30).json()["ride_id"]
        for _ in range(5)
    ]
    predictor.kill()
    segments = sorted((predictor.folder / "data" / "spool").glob("*.spool"))
    for segment in segments:
        # As a worker leaves it that is killed while it copies.
        end = SegmentReader(segment).read(1000).end
        with segment.open("r+b") as file:
            file.seek(end)
            file.write(frame(b"a record of which only a part was copied")[:-5])
    mongod.start()
    predictor.start()

    assert set(wait_until_logged(mongod.uri, 5)) == set(row_ids)


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
            answers = [
                httpx.post(f"{predictor.url}/predict/batch", json=batch, timeout=30)
                for _ in range(6)
            ]
            mongod.go_on()
            assert answers[-1].status_code == status
            if choice == "refuse":
                assert answers[-1].headers["Retry-After"]
                exported(predictor, 'taxi_predictor_refused_rows_total{reason="spool_full"}')
            else:
                exported(predictor, 'taxi_predictor_unlogged_rows_total{reason="spool_full"}')
        finally:
            predictor.stop()


def test_delivery_killed_under_load(predictor: Predictor, mongod: Mongod) -> None:
    with Load(predictor.url) as load:
        load.wait_for(60, seconds=1)
        predictor.kill_the_delivery()
        time.sleep(4)

    assert_all_once(mongod, load)


def test_stopped_while_the_delivery_is_dead_loses_nothing(
    predictor: Predictor, mongod: Mongod
) -> None:
    with Load(predictor.url) as load:
        load.wait_for(60, seconds=1)
        predictor.kill_the_delivery()
        assert predictor.terminate() == 0

    assert set(load.answered) <= set(logged(mongod.uri))


def test_delivery_killed_while_it_drains_is_replaced(predictor: Predictor, mongod: Mongod) -> None:
    mongod.hang()
    row_ids = [one["ride_id"] for one in post_batch(predictor, 500).json()]
    with ThreadPoolExecutor(1) as pool:
        ending = pool.submit(predictor.terminate)
        time.sleep(3)  # the workers have ended
        predictor.kill_the_delivery()
        mongod.go_on()
        assert ending.result() == 0

    assert set(row_ids) <= set(logged(mongod.uri))


def test_slow_mongod_slows_no_answer(mongod: Mongod, tmp_path: Path) -> None:
    register(mongod.uri, Alias.CHAMPION, small_artifact())
    delay = 1.0  # of each message
    with SlowProxy(mongod.port, delay_seconds=delay / 10) as proxy:
        uri = f"mongodb://127.0.0.1:{proxy.port}/taxi?directConnection=true"
        predictor = Predictor(tmp_path, uri).start()
        try:
            proxy.delay_seconds = delay
            with Load(predictor.url) as load:
                load.wait_for(60, seconds=3)
            proxy.delay_seconds = 0.0
            assert_all_once(mongod, load)
        finally:
            predictor.stop()
    assert median(load.seconds) < delay, "no answer waits for MongoDB"


def test_wrong_password_keeps_the_rows_for_the_right_one(tmp_path: Path) -> None:
    with running_mongod("--auth") as mongod:
        with connect(mongod.uri, app_name="test") as client:
            client["admin"].command("createUser", "root", pwd="right", roles=["root"])
        right = mongod.uri.replace("//", "//root:right@") + "?authSource=admin"
        register(right, Alias.CHAMPION, small_artifact())
        Predictor(tmp_path, right).start().stop()  # leaves the model on its disk
        predictor = Predictor(tmp_path, right.replace("right", "wrong")).start()
        with Load(predictor.url) as load:
            load.wait_for(60, seconds=2)
        # The delivery may start later than the workers.
        exported(predictor, 'taxi_predictor_log_writes_total{destination="mongodb",result="error"}')
        predictor.stop()
        assert not logged(right)

        predictor = Predictor(tmp_path, right).start()
        found = wait_until_logged(right, len(load.answered))
        predictor.stop()
    assert sorted(found) == sorted(load.answered)


def exported(predictor: Predictor, series: str) -> None:
    """Wait until a pod exports a series: counts arrive in strides."""
    url = f"{predictor.metrics_url}/metrics"
    wait_for(series, lambda: series in httpx.get(url, timeout=30).text)


def post_batch(predictor: Predictor, rows: int) -> httpx.Response:
    return httpx.post(f"{predictor.url}/predict/batch", json=[PLAIN] * rows, timeout=60)


def test_mongod_without_room_loses_nothing(tmp_path: Path) -> None:
    with small_disk(tmp_path / "db", megabytes=400) as disk, running_mongod(folder=disk) as mongod:
        register(mongod.uri, Alias.CHAMPION, small_artifact())
        (tmp_path / "predictor").mkdir()
        predictor = Predictor(tmp_path / "predictor", mongod.uri).start()
        try:
            with Load(predictor.url) as load:
                load.wait_for(60, seconds=1)
                ballast = disk / "ballast"
                fill(ballast)
                time.sleep(3)
                ballast.unlink()
                if not mongod.is_alive():  # it ends itself when its journal cannot grow
                    mongod.start()
            assert_all_once(mongod, load)
        finally:
            predictor.stop()


def test_full_disk_refuses_and_goes_on_when_there_is_room(mongod: Mongod, tmp_path: Path) -> None:
    register(mongod.uri, Alias.CHAMPION, small_artifact())
    with small_disk(tmp_path / "pod", megabytes=12) as disk:
        predictor = Predictor(
            disk, mongod.uri, TAXI_PREDICT_WORKERS="1",
            PROMETHEUS_MULTIPROC_DIR=str(tmp_path / "metrics"),
        ).start()  # fmt: skip
        try:
            mongod.hang()
            # These take a segment, so the disk is full in the middle of what is taken.
            answers = [post_batch(predictor, 1000)]
            ballast = disk / "ballast"
            fill(ballast)
            answers += [post_batch(predictor, 1000) for _ in range(60)]
            assert answers[0].status_code == 200
            assert answers[-1].status_code == 503
            assert answers[-1].headers["Retry-After"]
            ballast.unlink()
            mongod.go_on()
            taken = [one["ride_id"] for a in answers if a.status_code == 200 for one in a.json()]
            found = wait_until_logged(mongod.uri, len(taken))
            assert sorted(found) == sorted(taken)
            time.sleep(float(answers[-1].headers["Retry-After"]))
            assert post_batch(predictor, 1000).status_code == 200
        finally:
            predictor.stop()


def monitor_at(address: str) -> dict[str, str]:
    # httpx sends nothing at all with an empty token.
    return {"TAXI_MONITOR_URL": address, "TAXI_MONITOR_TOKEN": "token"}


def test_hanging_monitor_changes_nothing(mongod: Mongod, tmp_path: Path) -> None:
    register(mongod.uri, Alias.CHAMPION, small_artifact())
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes connections, never answers
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        predictor = Predictor(tmp_path, mongod.uri, **monitor_at(address)).start()
        try:
            with Load(predictor.url) as load:
                load.wait_for(60, seconds=2)
            assert_all_once(mongod, load)
            assert median(load.seconds) < 1, "no answer waits for the monitor's time-out"
        finally:
            predictor.stop()


def test_dead_monitor_changes_nothing(mongod: Mongod, tmp_path: Path) -> None:
    register(mongod.uri, Alias.CHAMPION, small_artifact())
    address = f"http://127.0.0.1:{free_port()}"
    predictor = Predictor(tmp_path, mongod.uri, **monitor_at(address)).start()
    try:
        with Load(predictor.url) as load:
            load.wait_for(60, seconds=1.5)
        assert_all_once(mongod, load)
    finally:
        predictor.stop()


def test_fallback_scores_each_row_with_the_champion_too(mongod: Mongod, tmp_path: Path) -> None:
    champion = register(mongod.uri, Alias.CHAMPION, small_artifact(4.0))
    fallback = register(mongod.uri, Alias.FALLBACK, small_artifact(5.0))
    predictor = Predictor(
        tmp_path, mongod.uri, TAXI_PREDICT_ALIAS="fallback", TAXI_PREDICT_SHADOW_ALIAS="champion"
    ).start()
    try:
        answer = httpx.post(f"{predictor.url}/predict", json=PLAIN, timeout=30).json()
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
