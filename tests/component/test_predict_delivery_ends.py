"""A delivery that dies or hangs, or whose monitor never ends its answer, leaves no row behind."""

import contextlib
import os
import socket
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from support.predictor import (
    PLAIN,
    Predictor,
    logged,
    register,
    small_artifact,
    wait_until_logged,
)

from taxi_domain.errors import NotAvailableError
from taxi_domain.models import Alias
from taxi_local.mongod import Mongod
from taxi_predict.delivery.sinks import Monitor

pytestmark = pytest.mark.component

ROWS = 500


@pytest.fixture
def predictor(mongod: Mongod, tmp_path: Path) -> Iterator[Predictor]:
    register(mongod.uri, Alias.CHAMPION, small_artifact())
    one = Predictor(tmp_path, mongod.uri).start()
    yield one
    one.stop()


def taken(predictor: Predictor) -> set[str]:
    """Send a batch and return its rows' ids."""
    answer = httpx.post(f"{predictor.url}/predict/batch", json=[PLAIN] * ROWS, timeout=60)
    return {one["ride_id"] for one in answer.json()}


def test_delivery_that_hangs_when_the_stop_begins_is_replaced(
    predictor: Predictor, mongod: Mongod
) -> None:
    row_ids = taken(predictor)
    await_count(predictor, ROWS)  # it runs: one that only starts is left to it
    predictor.hang_the_delivery()
    row_ids |= taken(predictor)
    assert predictor.terminate() == 0

    assert row_ids <= set(logged(mongod.uri))


def test_a_successor_that_is_slow_to_start_is_left_to_it(mongod: Mongod, tmp_path: Path) -> None:
    register(mongod.uri, Alias.CHAMPION, small_artifact())
    slow = tmp_path / "slow"
    slow.mkdir()
    (slow / "sitecustomize.py").write_text(
        "import sys, time\nif '--drain' in sys.orig_argv:\n    time.sleep(10)\n"
    )
    predictor = Predictor(tmp_path, mongod.uri, PYTHONPATH=":".join([str(slow), *sys.path]))
    try:
        predictor.start()
        predictor.hang_the_delivery()
        row_ids = taken(predictor)
        predictor.kill_the_delivery()
        assert predictor.terminate() == 0
    finally:
        predictor.stop()

    assert row_ids <= set(logged(mongod.uri))


def test_delivery_that_hangs_while_it_drains_is_replaced(
    predictor: Predictor, mongod: Mongod
) -> None:
    row_ids = taken(predictor)
    await_count(predictor, ROWS)
    mongod.hang()
    row_ids |= taken(predictor)
    with ThreadPoolExecutor(1) as pool:
        ending = pool.submit(predictor.terminate)
        time.sleep(3)  # the workers have ended
        predictor.hang_the_delivery()
        mongod.go_on()
        assert ending.result() == 0

    assert row_ids <= set(logged(mongod.uri))


def test_delivery_that_waits_for_mongod_is_left_to_it(predictor: Predictor, mongod: Mongod) -> None:
    mongod.hang()
    row_ids = taken(predictor)
    with ThreadPoolExecutor(1) as pool:
        ending = pool.submit(predictor.terminate)
        time.sleep(12)  # longer than the driver waits in one call
        mongod.go_on()
        assert ending.result() == 0

    assert row_ids <= set(logged(mongod.uri))
    assert "killed" not in predictor.printed()
    assert "replaced" not in predictor.printed()


def await_count(predictor: Predictor, rows: int) -> None:
    line = f'\ntaxi_predictor_logged_records_total{{destination="mongodb"}} {rows}.0\n'
    deadline = time.monotonic() + 90
    while line not in (page := httpx.get(f"{predictor.metrics_url}/metrics", timeout=30).text):
        assert time.monotonic() < deadline, page
        time.sleep(0.1)


def test_deliveries_that_die_leave_one_set_of_counters(
    predictor: Predictor, mongod: Mongod
) -> None:
    files = predictor.folder / "metrics"
    taken(predictor)
    await_count(predictor, ROWS)
    before = {one.name for one in files.iterdir()}
    for deaths in (1, 2):
        predictor.kill_the_delivery()
        taken(predictor)
        await_count(predictor, ROWS * (deaths + 1))

    assert {one.name for one in files.iterdir()} == before
    assert len(logged(mongod.uri)) == ROWS * 3


class Dribbler:
    """An endpoint that answers 200, a byte now and then, for much longer than anybody waits.

    Args:
        head: What comes of the answer at once.
        rest: What comes byte by byte.
    """

    def __init__(self, head: bytes, rest: bytes) -> None:
        self._head = head
        self._rest = rest
        self._ended = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> "Dribbler":
        """Begin to listen."""
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        """End all answers."""
        self._ended.set()
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._answer, args=(client,), daemon=True).start()

    def _answer(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError):
            client.recv(1 << 20)
            client.sendall(self._head)
            for byte in self._rest:
                if self._ended.wait(0.5):
                    return
                client.sendall(bytes([byte]))


HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 60\r\n\r\n"
DRIBBLES = {"headers": (b"", HEAD + b" " * 60), "body": (HEAD, b" " * 60)}


@pytest.mark.parametrize("part", sorted(DRIBBLES))
def test_an_answer_that_dribbles_is_given_up(part: str) -> None:
    with Dribbler(*DRIBBLES[part]) as endpoint, pytest.raises(NotAvailableError, match="monitor"):
        Monitor(endpoint.url, lambda: "token").write([b"record"])


def is_idle(thread: int) -> bool:
    with contextlib.suppress(ProcessLookupError):  # one that looked a name up has ended
        return os.sched_getscheduler(thread) == os.SCHED_IDLE
    return False


def test_names_are_looked_up_outside_of_the_idle_class(mongod: Mongod, tmp_path: Path) -> None:
    register(mongod.uri, Alias.CHAMPION, small_artifact())
    predictor = Predictor(
        tmp_path, mongod.uri, TAXI_MONITOR_URL="http://localhost:9", TAXI_MONITOR_TOKEN="token"
    ).start()
    try:
        taken(predictor)
        await_count(predictor, ROWS)
        deadline = time.monotonic() + 90
        while "monitor is not told" not in predictor.printed():
            assert time.monotonic() < deadline, predictor.printed()
            time.sleep(0.1)
        threads = Path(f"/proc/{predictor.delivery()}/task").iterdir()
        idle = [one for one in threads if is_idle(int(one.name))]
        assert len(idle) == 1, "the one that delivers in idle time"
    finally:
        predictor.stop()


def test_a_monitor_that_dribbles_holds_up_no_row(mongod: Mongod, tmp_path: Path) -> None:
    register(mongod.uri, Alias.CHAMPION, small_artifact())
    with Dribbler(HEAD, b" " * 60) as endpoint:
        predictor = Predictor(
            tmp_path, mongod.uri, TAXI_MONITOR_URL=endpoint.url, TAXI_MONITOR_TOKEN="token"
        ).start()
        try:
            row_ids = taken(predictor)
            wait_until_logged(mongod.uri, ROWS)
            row_ids |= taken(predictor)
            assert row_ids == set(wait_until_logged(mongod.uri, ROWS * 2, seconds=20))
        finally:
            predictor.stop()
