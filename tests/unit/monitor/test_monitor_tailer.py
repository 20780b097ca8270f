"""The thread that follows the log outlives whatever a part of its cycle meets."""

import logging
import threading
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import pytest
from prometheus_client import CollectorRegistry
from pymongo import MongoClient
from support.monitor_windows import watched
from support.taxi_columns import INPUTS, taxi_reference

from taxi_domain.errors import TaxiError
from taxi_domain.models import Alias
from taxi_monitor.metrics.counters import Counters
from taxi_monitor.settings import Settings
from taxi_monitor.tailer.log_tailer import LogTailer
from taxi_monitor.windows.state import State
from taxi_profiles.reference import MOMENT, PREDICTION, TARGET


class Cycles:
    """A tailer of no log: what a cycle does is given."""

    def __init__(
        self, client: MongoClient[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        settings = Settings.model_validate({
            "TAXI_MONGODB_URI": "mongodb://127.0.0.1:1/taxi", "TAXI_MONITOR_TOKEN": "12345678",
            "TAXI_MONITOR_EVALUATION_SECONDS": 0.1,
        })  # fmt: skip
        self.state = State(100, 10)
        self.clock = 0.0
        self.tailer = LogTailer(
            client["taxi"], settings, self.state, Counters(CollectorRegistry()), self._tick
        )
        monkeypatch.setattr(self.tailer, "follow_aliases", lambda: None)

    def _tick(self) -> float:
        self.clock += 1
        return self.clock


@pytest.fixture
def cycles(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cycles]:
    with MongoClient[dict[str, Any]]("mongodb://127.0.0.1:1", connect=False) as client:
        yield Cycles(client, monkeypatch)


def test_a_defect_does_not_end_the_thread(cycles: Cycles, monkeypatch: pytest.MonkeyPatch) -> None:
    again = threading.Event()
    errors = [RuntimeError("dictionary changed size"), ValueError("a row")]

    def catch_up() -> None:
        if errors:
            raise errors.pop()
        again.set()

    monkeypatch.setattr(cycles.tailer, "catch_up", catch_up)
    cycles.tailer.start()
    try:
        assert again.wait(30)
        assert cycles.tailer.is_alive()
    finally:
        cycles.tailer.stop()
    assert not cycles.state.problem


def test_a_part_that_fails_holds_up_no_other_and_is_told_until_it_is_done(
    cycles: Cycles, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    errors: dict[str, Exception] = {
        "catch_up": TaxiError("MongoDB: no answer"), "look": KeyError("ts"),
    }  # fmt: skip
    looked: list[str] = []

    def part(name: str) -> None:
        if name in errors:
            raise errors[name]
        looked.append(name)

    tailer, begun_at = cycles.tailer, cycles.tailer.finished_at
    monkeypatch.setattr(tailer, "catch_up", partial(part, "catch_up"))
    tailer.each_cycle = (partial(part, "look"), partial(part, "another"))

    tailer.cycle()
    tailer.cycle()

    assert looked == ["another"] * 2
    assert cycles.state.problem == "MongoDB: no answer; a defect of the monitor (KeyError('ts'))"
    assert tailer.finished_at > begun_at
    followed, defect = caplog.records  # each once
    assert followed.exc_info is None
    assert defect.exc_info is not None
    assert defect.exc_info[0] is KeyError

    del errors["catch_up"]
    tailer.cycle()
    assert cycles.state.problem == "a defect of the monitor (KeyError('ts'))"
    del errors["look"]
    tailer.cycle()
    assert not cycles.state.problem


def test_a_filled_window_is_evaluated_before_the_log_is_read(
    cycles: Cycles, monkeypatch: pytest.MonkeyPatch
) -> None:
    tailer, state = cycles.tailer, cycles.state
    known: list[bool] = []

    def follow() -> None:
        columns = dict.fromkeys((*INPUTS, PREDICTION, TARGET, MOMENT), np.arange(1.0, 201.0))
        state.watch(Alias.CHAMPION, watched(taxi_reference(columns), 100))

    monkeypatch.setattr(tailer, "follow_aliases", follow)
    monkeypatch.setattr(tailer, "catch_up", lambda: known.append(bool(state.evaluations())))
    tailer.cycle()
    assert known == [True]
