"""A worker that dies is replaced and counted, by every server of ours."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from support.predictor import value
from support.servers import Server, both, started

from taxi_local.mongod import Mongod

pytestmark = pytest.mark.component


@pytest.fixture
def server(name: str, mongod: Mongod, tmp_path: Path) -> Iterator[Server]:
    one = started(name, tmp_path, mongod)
    yield one
    one.process.stop()


@both
def test_workers_that_die_are_counted(server: Server, name: str) -> None:
    def restarts() -> float:
        text = httpx.get(f"{server.process.metrics_url}/metrics", timeout=10).text
        return value(text, f"taxi_{name}_worker_restarts_total")

    assert restarts() == 0
    for number in (1, 2):
        os.kill(server.workers()[0], signal.SIGKILL)
        deadline = time.monotonic() + 90
        while True:
            try:
                if restarts() == number:
                    break
            except httpx.TransportError:
                pass  # it held the connection, or the only one is being replaced
            assert time.monotonic() < deadline, server.process.printed()
            time.sleep(0.2)
