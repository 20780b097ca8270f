"""Turns of the delivery: the idle class works, the other helps when it is behind, a stop drains."""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from threading import Event

import pytest

from taxi_predict.delivery.loop import DeliveryLoop

HEARTBEAT_FILE = "delivery.heartbeat"


class Heap:
    """Work that gets less with each batch; only one thread may be in it."""

    def __init__(self, records: int, failures: int = 0) -> None:
        self.records = records
        self.failures = failures
        self.pause = 0.0
        self.doers: set[str] = set()
        self.measured = 0
        self._inside = threading.Lock()

    def batch(self, most: int) -> int:
        assert self._inside.acquire(blocking=False), "two threads at once"
        try:
            if self.failures:
                self.failures -= 1
                self.pause = 0.01
                return 0
            self.pause = 0.0
            moved = min(most, self.records)
            self.records -= moved
            if moved:
                self.doers.add(threading.current_thread().name)
            return moved
        finally:
            self._inside.release()

    def measure(self) -> None:
        assert self._inside.acquire(blocking=False), "two threads at once"
        self.measured += 1
        self._inside.release()

    def refresh(self) -> None:
        """Nothing to load."""

    def waiting_bytes(self) -> int:
        return self.records


def running(loop: DeliveryLoop, drain_seconds: float = 20.0) -> threading.Thread:
    thread = threading.Thread(target=loop.run, args=(drain_seconds,), name="main", daemon=True)
    thread.start()
    return thread


def eventually(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 90
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_the_idle_thread_does_the_work_while_it_keeps_up(tmp_path: Path) -> None:
    heap = Heap(1234)
    loop = DeliveryLoop(heap, tmp_path / HEARTBEAT_FILE)
    thread = running(loop)
    eventually(lambda: heap.records == 0 and heap.measured > 0)
    loop.stop()
    thread.join(20)

    assert not thread.is_alive()
    assert heap.doers == {"idle"}
    assert (tmp_path / HEARTBEAT_FILE).exists()


def test_batches_grow_with_what_is_behind(tmp_path: Path) -> None:
    now = [0.0]
    loop = DeliveryLoop(Heap(0), tmp_path / HEARTBEAT_FILE, clock=lambda: now[0])
    found = []
    for now[0] in (0.0, 9.0, 11.0, 21.0):
        found.append(loop.normal_limit())

    assert found == [0, 0, 200, 2000]


def test_the_other_thread_helps_when_the_idle_one_is_behind(tmp_path: Path) -> None:
    heap = Heap(5000)
    now = [0.0]
    loop = DeliveryLoop(heap, tmp_path / HEARTBEAT_FILE, clock=lambda: now[0])
    now[0] = 100.0
    thread = running(loop)
    eventually(lambda: heap.records == 0)
    loop.stop()
    thread.join(20)

    assert heap.doers == {"normal"}


def test_a_stop_drains_also_after_failures(tmp_path: Path) -> None:
    heap = Heap(5000, failures=3)
    loop = DeliveryLoop(heap, tmp_path / HEARTBEAT_FILE)
    loop.stop()
    thread = running(loop)
    thread.join(20)

    assert not thread.is_alive()
    assert heap.records == 0


def slow_batch(heap: Heap, monkeypatch: pytest.MonkeyPatch) -> tuple[Event, Event]:
    """Let the next batches wait; return what tells of the first, and what ends them."""
    began, goes_on = Event(), Event()
    batch = heap.batch

    def wait(most: int) -> int:
        began.set()
        goes_on.wait(20)
        return batch(most)

    monkeypatch.setattr(heap, "batch", wait)
    return began, goes_on


def test_a_slow_call_while_it_drains_delays_no_sign_of_life(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heap, heartbeat = Heap(10), tmp_path / HEARTBEAT_FILE
    began, goes_on = slow_batch(heap, monkeypatch)
    loop = DeliveryLoop(heap, heartbeat)
    loop.stop()
    thread = running(loop)
    assert began.wait(20)
    heartbeat.unlink(missing_ok=True)
    eventually(heartbeat.exists)
    goes_on.set()
    thread.join(20)

    assert not thread.is_alive()
    assert heap.records == 0


def test_a_batch_that_does_not_end_gives_no_signs_of_life(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("taxi_predict.delivery.loop._STUCK_SECONDS", -1.0)
    heap, heartbeat = Heap(10), tmp_path / HEARTBEAT_FILE
    began, goes_on = slow_batch(heap, monkeypatch)
    loop = DeliveryLoop(heap, heartbeat)
    thread = running(loop)
    assert began.wait(20)
    eventually(lambda: not signs(heartbeat))
    goes_on.set()
    eventually(heartbeat.exists)
    loop.stop()
    thread.join(20)

    assert heap.records == 0


def signs(heartbeat: Path) -> bool:
    """Tell whether there is a sign of life after this; some may still be under way."""
    heartbeat.unlink(missing_ok=True)
    time.sleep(0.5)
    return heartbeat.exists()


def test_a_drain_ends_in_time(tmp_path: Path) -> None:
    heap = Heap(10, failures=1_000_000)
    loop = DeliveryLoop(heap, tmp_path / HEARTBEAT_FILE)
    loop.stop()
    thread = running(loop, drain_seconds=0.3)
    thread.join(20)

    assert not thread.is_alive()
    assert heap.records == 10


def test_a_long_load_holds_up_neither_delivery_nor_signs_of_life(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("taxi_predict.delivery.loop._FIRST_SECONDS", 0.2)
    heap = Heap(1234)
    loaded = threading.Event()
    monkeypatch.setattr(heap, "refresh", loaded.wait)
    heartbeat = tmp_path / HEARTBEAT_FILE
    loop = DeliveryLoop(heap, heartbeat)
    thread = running(loop)
    try:
        eventually(lambda: heap.records == 0 and heartbeat.exists())
        heartbeat.unlink()
        eventually(heartbeat.exists)
    finally:
        loaded.set()
        loop.stop()
    thread.join(20)

    assert not thread.is_alive()
