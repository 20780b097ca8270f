"""Clients that stall hold nobody up, and are sent away in the end."""

import contextlib
import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from fixtures_mongod import Mongod
from fixtures_predictor import PLAIN, Predictor, register, small_artifact

from taxi_domain.models import Alias

pytestmark = pytest.mark.component

HALF_A_HEADER = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Le"
HALF_A_BATCH = (
    b"POST /predict/batch HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    b'Content-Length: 7000\r\n\r\n[{"PULocationID": 130, '
)
HALF_A_BODY = (
    b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    b'Content-Length: 70\r\n\r\n{"PULocationID": 130, '
)
HALF_A_CHUNK = (
    b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    b'Transfer-Encoding: chunked\r\n\r\n46\r\n{"PULocationID": 130, '
)


@pytest.fixture
def predictor(mongod: Mongod, tmp_path: Path) -> Iterator[Predictor]:
    register(mongod.uri, Alias.CHAMPION, small_artifact())
    one = Predictor(tmp_path, mongod.uri, TAXI_PREDICT_KEEPALIVE_SECONDS="5").start()
    yield one
    one.stop()


@contextlib.contextmanager
def stalled(port: int, sent: bytes, count: int) -> Iterator[list[socket.socket]]:
    """Open connections that send something and then nothing more."""
    with contextlib.ExitStack() as stack:
        found = []
        for _ in range(count):
            one = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
            one.sendall(sent)
            found.append(one)
        yield found


def require_quick_answers(predictor: Predictor) -> None:
    """Require that nearly all new connections are answered at once.

    A machine that stalls for seconds delays one of these rides, which go one after the other;
    clients that hold others up delay many of them.
    """
    took = []
    for _ in range(40):
        begin = time.monotonic()
        answer = httpx.post(f"{predictor.url}/predict", json=PLAIN, timeout=15)
        took.append(time.monotonic() - begin)
        assert answer.status_code == 200
    assert sorted(took)[len(took) * 9 // 10] < 1, took


def test_others_are_answered_meanwhile(predictor: Predictor) -> None:
    with (
        stalled(predictor.port, HALF_A_HEADER, 200),
        stalled(predictor.port, HALF_A_BODY, 200),
        stalled(predictor.port, b"", 50),
    ):
        require_quick_answers(predictor)


def test_more_than_there_is_room_for_keep_nobody_out(mongod: Mongod, tmp_path: Path) -> None:
    register(mongod.uri, Alias.CHAMPION, small_artifact())
    predictor = Predictor(
        tmp_path, mongod.uri, TAXI_PREDICT_WORKERS="2", TAXI_PREDICT_CONNECTIONS="50"
    ).start()
    try:
        with (
            stalled(predictor.port, b"", 200),
            stalled(predictor.port, HALF_A_HEADER, 200),
            stalled(predictor.port, HALF_A_BODY, 200),
        ):
            require_quick_answers(predictor)
    finally:
        predictor.stop()


def received(one: socket.socket) -> bytes:
    """Return what comes until the connection is closed."""
    one.settimeout(30)
    found = b""
    with contextlib.suppress(ConnectionResetError):
        while data := one.recv(4096):
            found += data
    return found


def test_stalled_ones_are_closed_and_told_why(predictor: Predictor) -> None:
    with (
        stalled(predictor.port, HALF_A_HEADER, 1) as headers,
        stalled(predictor.port, HALF_A_BODY, 1) as bodies,
        stalled(predictor.port, HALF_A_BATCH, 1) as batches,
        stalled(predictor.port, HALF_A_CHUNK, 1) as chunks,
    ):
        begin = time.monotonic()
        assert received(*headers) == b""
        for one in (*bodies, *batches, *chunks):
            head, _, body = received(one).partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 408 ")
            assert b"Content-Type: application/problem+json\r\n" in head + b"\r\n"
            assert b"\r\nConnection: close\r\n" in head + b"\r\n"
            assert json.loads(body)["detail"] == "body: did not come in time; send it at once"
        assert time.monotonic() - begin < 29

    assert "Traceback" not in predictor.printed()
    assert 'code="500"' not in httpx.get(f"{predictor.url}/metrics").text
