"""Whatever is sent to the operator's ports, Prometheus and the kubelet are answered."""

import contextlib
import socket
from collections.abc import Callable, Iterator

import httpx
import pytest
from prometheus_client import CollectorRegistry

from taxi_operator import health_server, metrics_server
from taxi_operator.metrics import Metrics
from taxi_operator.small_server import MAX_CONNECTIONS, SmallServer

pytestmark = pytest.mark.component

MORE = 18


def metrics(read_seconds: float) -> SmallServer:
    registry = CollectorRegistry()
    Metrics(registry)
    return metrics_server.serve(registry, 0, read_seconds)


def probe(read_seconds: float) -> SmallServer:
    return health_server.serve(str, 0, read_seconds)


Serve = Callable[[float], SmallServer]
both = pytest.mark.parametrize(
    ("serve", "path"), [(metrics, "/metrics"), (probe, "/healthz")], ids=["metrics", "probe"]
)


@contextlib.contextmanager
def running(serve: Serve, read_seconds: float) -> Iterator[SmallServer]:
    server = serve(read_seconds)
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


@contextlib.contextmanager
def half_a_header(server: SmallServer, clients: int) -> Iterator[list[socket.socket]]:
    with contextlib.ExitStack() as stack:
        found = []
        for _ in range(clients):
            address = ("127.0.0.1", server.server_port)
            one = stack.enter_context(socket.create_connection(address, timeout=60))
            one.sendall(b"GET /nothing HTTP/1.1\r\nHos")
            found.append(one)
        yield found


def is_closed(client: socket.socket) -> bool:
    """Wait for what the server says, and tell whether that is its end."""
    with contextlib.suppress(ConnectionResetError):
        return client.recv(1) == b""
    return True


def answer(server: SmallServer, path: str) -> int:
    return httpx.get(f"http://127.0.0.1:{server.server_port}{path}", timeout=60).status_code


@both
def test_the_oldest_of_too_many_are_closed(serve: Serve, path: str) -> None:
    with running(serve, 600) as server, half_a_header(server, MAX_CONNECTIONS + MORE) as clients:
        assert answer(server, path) == 200
        assert all(map(is_closed, clients[: MORE + 1]))
        newest = clients[-1]
        newest.sendall(b"t: x\r\n\r\n")
        assert newest.recv(12).startswith(b"HTTP/1.")


@both
def test_half_a_header_keeps_no_thread(serve: Serve, path: str) -> None:
    with running(serve, 0.5) as server, half_a_header(server, MAX_CONNECTIONS) as clients:
        assert all(map(is_closed, clients))
        assert answer(server, path) == 200
