"""Whatever is sent to the operator's metrics, Prometheus is answered."""

import contextlib
import socket
import threading
import time

import httpx
import pytest
from prometheus_client import CollectorRegistry

from taxi_operator.metrics import Metrics
from taxi_operator.metrics_server import MAX_CONNECTIONS, serve

pytestmark = pytest.mark.component


def test_half_a_header_keeps_no_thread() -> None:
    registry = CollectorRegistry()
    Metrics(registry)
    before = threading.active_count()
    server = serve(registry, 0, read_seconds=0.5)
    port = server.server_port
    with contextlib.ExitStack() as stack:
        for _ in range(50):
            one = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=10))
            one.sendall(b"GET /metrics HTTP/1.1\r\nHos")
        assert threading.active_count() <= before + 1 + MAX_CONNECTIONS
        assert httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=10).status_code == 200
        deadline = time.monotonic() + 20
        while threading.active_count() > before + 1:
            assert time.monotonic() < deadline, threading.active_count()
            time.sleep(0.1)
    server.shutdown()
    server.server_close()
