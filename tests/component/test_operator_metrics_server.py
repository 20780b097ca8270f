"""Whatever is sent to the operator's metrics, Prometheus is answered."""

import contextlib
import socket
from collections.abc import Iterator

import httpx
import pytest
from prometheus_client import CollectorRegistry

from taxi_operator.metrics import Metrics
from taxi_operator.metrics_server import MAX_CONNECTIONS, MetricsServer, serve

pytestmark = pytest.mark.component

MORE = 18


@contextlib.contextmanager
def running(read_seconds: float) -> Iterator[MetricsServer]:
    registry = CollectorRegistry()
    Metrics(registry)
    server = serve(registry, 0, read_seconds)
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


@contextlib.contextmanager
def half_a_header(server: MetricsServer, clients: int) -> Iterator[list[socket.socket]]:
    with contextlib.ExitStack() as stack:
        found = []
        for _ in range(clients):
            address = ("127.0.0.1", server.server_port)
            one = stack.enter_context(socket.create_connection(address, timeout=60))
            one.sendall(b"GET /metrics HTTP/1.1\r\nHos")
            found.append(one)
        yield found


def is_closed(client: socket.socket) -> bool:
    """Wait for what the server says, and tell whether that is its end."""
    with contextlib.suppress(ConnectionResetError):
        return client.recv(1) == b""
    return True


def answer(server: MetricsServer) -> int:
    return httpx.get(f"http://127.0.0.1:{server.server_port}/metrics", timeout=60).status_code


def test_the_oldest_of_too_many_are_closed() -> None:
    with running(600) as server, half_a_header(server, MAX_CONNECTIONS + MORE) as clients:
        assert answer(server) == 200
        assert all(map(is_closed, clients[: MORE + 1]))
        newest = clients[-1]
        newest.sendall(b"t: x\r\n\r\n")
        assert newest.recv(12).startswith(b"HTTP/1.")


def test_half_a_header_keeps_no_thread() -> None:
    with running(0.5) as server, half_a_header(server, MAX_CONNECTIONS) as clients:
        assert all(map(is_closed, clients))
        assert answer(server) == 200
