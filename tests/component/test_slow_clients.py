"""Clients that stall hold nobody up, and are sent away in the end."""

import contextlib
import json
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from support.monitor import HEADERS
from support.servers import NOTHING, Server, both, require_quick_answers, stalled, started

from taxi_local.mongod import Mongod

pytestmark = pytest.mark.component


@pytest.fixture
def server(name: str, mongod: Mongod, tmp_path: Path) -> Iterator[Server]:
    one = started(name, tmp_path, mongod)
    yield one
    one.process.stop()


@both
def test_others_are_answered_meanwhile(server: Server) -> None:
    with (
        stalled(server, server.half_a_header, 200),
        stalled(server, server.half_a_body, 100),
        stalled(server, server.half_a_row, 100),
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
            stalled(server, server.half_a_row, 100),
            stalled(server, NOTHING, 200, server.metrics_port),
        ):
            require_quick_answers(server)
        assert "Traceback" not in server.process.printed()
    finally:
        server.process.stop()


def received(one: socket.socket) -> bytes:
    """Return what comes until the connection is closed."""
    one.settimeout(90)
    found = b""
    with contextlib.suppress(ConnectionResetError):
        while data := one.recv(4096):
            found += data
    return found


@both
def test_neither_port_answers_what_the_other_is_for(server: Server) -> None:
    """Whoever may reach the API, by an Ingress or a Service of its own, gets no metrics of it."""
    url, metrics_url = server.process.url, server.process.metrics_url
    headers = {"Host": f"127.0.0.1:{server.metrics_port}"}
    for path in ("/metrics", "/healthz", "/readyz"):
        assert httpx.get(f"{url}{path}", headers=headers, timeout=15).status_code == 404
        assert httpx.get(f"{metrics_url}{path}", timeout=15).status_code == 200
    for method, path in (("GET", "/openapi.json"), ("POST", server.path)):
        answer = httpx.request(method, f"{metrics_url}{path}", timeout=15)
        assert answer.status_code == 404
        assert answer.headers["Content-Type"] == "application/problem+json"


@both
def test_stalled_ones_are_closed_and_told_why(server: Server) -> None:
    with (
        stalled(server, server.half_a_header, 1) as headers,
        stalled(server, server.half_a_row, 1) as rows,
        stalled(server, server.half_a_body, 1) as bodies,
        stalled(server, server.half_a_chunk, 1) as chunks,
    ):
        begin = time.monotonic()
        assert received(*headers) == b""
        for one in (*rows, *bodies, *chunks):
            head, _, body = received(one).partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 408 ")
            assert b"Content-Type: application/problem+json\r\n" in head + b"\r\n"
            assert b"\r\nConnection: close\r\n" in head + b"\r\n"
            assert json.loads(body)["detail"] == "body: did not come in time; send it at once"
        # 20 s by the servers' own time; a busy machine is late with it.
        assert time.monotonic() - begin < 60

    assert "Traceback" not in server.process.printed()
    assert 'code="500"' not in httpx.get(f"{server.process.metrics_url}/metrics", timeout=30).text


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
            server.ask()
            assert any(one.is_alive() for one in posts), "the posts waited for nothing"
            require_quick_answers(server)
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


@both
def test_a_request_that_has_arrived_is_answered_before_the_end(
    name: str, mongod: Mongod, tmp_path: Path
) -> None:
    """A process that gets no time while it ends finds the requests when it looks for idle ones."""
    server = started(name, tmp_path, mongod, workers=1)
    (worker,) = server.workers()
    request = b"GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n"
    try:
        with stalled(server, request, 20) as clients:
            for client in clients:
                while not client.recv(4096).endswith(b"}"):
                    pass
            os.kill(server.process.pid, signal.SIGTERM)
            # It looks for idle ones two seconds behind that.
            time.sleep(0.5)
            os.kill(worker, signal.SIGSTOP)
            time.sleep(0.2)
            for client in clients:
                client.sendall(request)
            time.sleep(3)
            os.kill(worker, signal.SIGCONT)
            for client in clients:
                assert b"HTTP/1.1 404 " in received(client)
    finally:
        server.process.stop()
