"""Large bodies that stall take bounded memory, and nothing from other requests."""

import contextlib
import re
import select
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from support.monitor import HEADERS, TOKEN
from support.predictor import PLAIN
from support.servers import Server, both, require_quick_answers, started

from taxi_local.mongod import Mongod

pytestmark = pytest.mark.component

MIB = 1024 * 1024
#: Sizes below each server's limit that add up to far more than it may take.
BODIES = {"predictor": (120, 2_000_000), "monitor": (24, 10_000_000)}
MAX_GROWTH = 120 * MIB


@pytest.fixture
def server(name: str, mongod: Mongod, tmp_path: Path) -> Iterator[Server]:
    one = started(name, tmp_path, mongod, workers=1)
    yield one
    one.process.stop()


@contextlib.contextmanager
def stalled_at_the_end(server: Server, count: int, size: int) -> Iterator[list[socket.socket]]:
    """Send bodies but for their last bytes."""
    head = (
        f"POST {server.path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {TOKEN}\r\nContent-Length: {size}\r\n\r\n"
    ).encode()
    with contextlib.ExitStack() as stack:
        found = []
        for _ in range(count):
            one = socket.create_connection(("127.0.0.1", server.process.port), timeout=60)
            found.append(stack.enter_context(one))
            # The server reads on for a second behind a refusal, and not longer.
            with contextlib.suppress(ConnectionError):
                one.sendall(head + b" " * (size - 10))
        yield found


def answer_of(one: socket.socket) -> bytes:
    with contextlib.suppress(ConnectionError):
        return one.recv(65536)
    return b""


def peak(pid: int) -> int:
    """Return the most memory that a process ever had, bytes."""
    text = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"^VmHWM:\s+(\d+) kB", text, re.MULTILINE)
    assert found is not None
    return int(found[1]) * 1024


def full(server: Server) -> httpx.Response:
    """Send as many items as are allowed at once."""
    if server.path == "/predict/batch":
        body: object = [PLAIN] * 1000
    else:
        body = {"labels": [{"ride_id": f"r{one}", "duration": 3} for one in range(10_000)]}
    url = f"{server.process.url}{server.path}"
    return httpx.post(url, json=body, headers=HEADERS, timeout=60)


@both
def test_stalled_ones_take_bounded_memory_and_nothing_from_others(
    server: Server, name: str
) -> None:
    assert full(server).status_code == 200
    workers = server.workers()
    (worker,) = workers
    before = peak(worker)
    count, size = BODIES[name]
    with stalled_at_the_end(server, count, size) as connections:
        require_quick_answers(server)
        told, _, _ = select.select(connections, [], [], 30)
        found = [answer_of(one) for one in told]
        assert peak(worker) - before < MAX_GROWTH

    # On a busy machine the first ones were late before the last ones were sent.
    refused = [one for one in found if one.startswith(b"HTTP/1.1 503 ")]
    assert refused, found
    assert b"\r\nRetry-After: " in refused[0]
    assert b"application/problem+json" in refused[0]
    deadline = time.monotonic() + 90
    while full(server).status_code == 503:
        assert time.monotonic() < deadline, "the room is not free again"
        time.sleep(0.2)
    assert full(server).status_code == 200
    assert server.workers() == workers
    assert "Traceback" not in server.process.printed()
