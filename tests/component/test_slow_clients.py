"""Clients that stall hold nobody up, and are sent away in the end."""

import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from fixtures_mongod import Mongod
from fixtures_monitor import HEADERS, TOKEN, Monitor
from fixtures_predictor import PLAIN, Predictor, register, small_artifact

from taxi_domain.models import Alias

pytestmark = pytest.mark.component

NOTHING = b""


@dataclass(frozen=True)
class Server:
    """A running server, its route for many items, and what others ask of it."""

    process: Predictor | Monitor
    path: str
    ask: Callable[[], list[httpx.Response]]

    @property
    def half_a_header(self) -> bytes:
        return b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Le" % self.path.encode()

    @property
    def half_a_body(self) -> bytes:
        return self._started(self.path, b"Content-Length: 7000\r\n", b'{"rides": [{"PULocationID')

    @property
    def half_a_chunk(self) -> bytes:
        return self._started(self.path, b"Transfer-Encoding: chunked\r\n", b'46\r\n{"labels": [')

    @property
    def half_a_ride(self) -> bytes:
        path = "/predict" if isinstance(self.process, Predictor) else "/v1/predictions"
        return self._started(path, b"Content-Length: 70\r\n", b'{"PULocationID": 130, ')

    def _started(self, path: str, framing: bytes, body: bytes) -> bytes:
        return (
            b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            b"Authorization: Bearer %s\r\n" % (path.encode(), TOKEN.encode())
            + framing + b"\r\n" + body
        )  # fmt: skip


def started(name: str, folder: Path, mongod: Mongod, connections: int = 1000) -> Server:
    """Start a server whose connections wait a short time."""
    if name == "predictor":
        register(mongod.uri, Alias.CHAMPION, small_artifact())
        predictor = Predictor(
            folder, mongod.uri, TAXI_PREDICT_KEEPALIVE_SECONDS="5",
            TAXI_PREDICT_CONNECTIONS=str(connections),
        ).start()  # fmt: skip
        return Server(
            predictor, "/predict/batch",
            lambda: [httpx.post(f"{predictor.url}/predict", json=PLAIN, timeout=15)],
        )  # fmt: skip
    monitor = Monitor(
        folder, mongod.uri, TAXI_MONITOR_KEEPALIVE_SECONDS="5",
        TAXI_MONITOR_CONNECTIONS=str(connections),
    ).start()  # fmt: skip
    return Server(
        monitor, "/v1/labels",
        lambda: [httpx.get(f"{monitor.url}{one}", timeout=15) for one in ("/healthz", "/metrics")],
    )  # fmt: skip


both = pytest.mark.parametrize("name", ["predictor", "monitor"])


@pytest.fixture
def server(name: str, mongod: Mongod, tmp_path: Path) -> Iterator[Server]:
    one = started(name, tmp_path, mongod)
    yield one
    one.process.stop()


@contextlib.contextmanager
def stalled(server: Server, sent: bytes, count: int) -> Iterator[list[socket.socket]]:
    """Open connections that send something and then nothing more."""
    with contextlib.ExitStack() as stack:
        found = []
        for _ in range(count):
            one = stack.enter_context(
                socket.create_connection(("127.0.0.1", server.process.port), timeout=30)
            )
            one.sendall(sent)
            found.append(one)
        yield found


def require_quick_answers(server: Server) -> None:
    """Require that nearly all new connections are answered at once.

    A machine that stalls for seconds delays one of these requests, which go one after the other;
    clients that hold others up delay many of them.
    """
    took = []
    for _ in range(40):
        begin = time.monotonic()
        answers = server.ask()
        took.append((time.monotonic() - begin) / len(answers))
        assert [one.status_code for one in answers] == [200] * len(answers)
    assert sorted(took)[len(took) * 9 // 10] < 1, took


@both
def test_others_are_answered_meanwhile(server: Server) -> None:
    with (
        stalled(server, server.half_a_header, 200),
        stalled(server, server.half_a_body, 100),
        stalled(server, server.half_a_ride, 100),
        stalled(server, NOTHING, 50),
    ):
        require_quick_answers(server)


@both
def test_more_than_there_is_room_for_keep_nobody_out(
    name: str, mongod: Mongod, tmp_path: Path
) -> None:
    server = started(name, tmp_path, mongod, connections=50)
    try:
        with (
            stalled(server, NOTHING, 200),
            stalled(server, server.half_a_header, 200),
            stalled(server, server.half_a_body, 100),
            stalled(server, server.half_a_ride, 100),
        ):
            require_quick_answers(server)
        assert "Traceback" not in server.process.printed()
    finally:
        server.process.stop()


def received(one: socket.socket) -> bytes:
    """Return what comes until the connection is closed."""
    one.settimeout(30)
    found = b""
    with contextlib.suppress(ConnectionResetError):
        while data := one.recv(4096):
            found += data
    return found


@both
def test_stalled_ones_are_closed_and_told_why(server: Server) -> None:
    with (
        stalled(server, server.half_a_header, 1) as headers,
        stalled(server, server.half_a_ride, 1) as rides,
        stalled(server, server.half_a_body, 1) as bodies,
        stalled(server, server.half_a_chunk, 1) as chunks,
    ):
        begin = time.monotonic()
        assert received(*headers) == b""
        for one in (*rides, *bodies, *chunks):
            head, _, body = received(one).partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 408 ")
            assert b"Content-Type: application/problem+json\r\n" in head + b"\r\n"
            assert b"\r\nConnection: close\r\n" in head + b"\r\n"
            assert json.loads(body)["detail"] == "body: did not come in time; send it at once"
        assert time.monotonic() - begin < 29

    assert "Traceback" not in server.process.printed()
    assert 'code="500"' not in httpx.get(f"{server.process.url}/metrics").text


def test_probes_and_metrics_do_not_wait_for_the_posts_that_wait_for_mongodb(
    mongod: Mongod, tmp_path: Path
) -> None:
    server = started("monitor", tmp_path, mongod)
    answers: list[httpx.Response] = []

    def post(number: int) -> None:
        body = {"labels": [{"ride_id": f"ride-{number}", "duration": 3}]}
        url = f"{server.process.url}/v1/labels"
        answers.append(httpx.post(url, json=body, headers=HEADERS, timeout=60))

    # More than there are threads for posts.
    posts = [threading.Thread(target=post, args=(number,)) for number in range(30)]
    try:
        mongod.hang()
        for one in posts:
            one.start()
        with stalled(server, server.half_a_header, 200), stalled(server, server.half_a_body, 200):
            require_quick_answers(server)
            assert any(one.is_alive() for one in posts), "the posts waited for nothing"
        for one in posts:
            one.join()
        assert {one.status_code for one in answers} == {503}
        assert all(one.headers["Retry-After"] for one in answers)
        mongod.go_on()
        post(0)
        assert answers[-1].status_code == 200
        assert "Traceback" not in server.process.printed()
    finally:
        server.process.stop()
