"""Predictor and monitor, for tests that hold every HTTP server of ours to the same."""

import contextlib
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from support.artifacts import artifact_for
from support.monitor import HEADERS, TOKEN, Monitor
from support.predictor import PLAIN, TAXI, Predictor, register, small_artifact
from support.waiting import wait_for
from taxi_domain.models import Alias
from taxi_local.mongod import Mongod

both = pytest.mark.parametrize("name", ["predictor", "monitor"])
NOTHING = b""


@dataclass(frozen=True)
class Server:
    """A running server, its route for many items, and what others ask of its two ports."""

    process: Predictor | Monitor
    path: str
    ask: Callable[[], list[httpx.Response]]

    @property
    def metrics_port(self) -> int:
        """Return the port of metrics and probes."""
        return int(self.process.metrics_url.rpartition(":")[2])

    def probe(self) -> list[httpx.Response]:
        """Ask what the kubelet and Prometheus ask."""
        base = self.process.metrics_url
        return [httpx.get(f"{base}{one}", timeout=15) for one in ("/healthz", "/metrics")]

    @property
    def half_a_header(self) -> bytes:
        """Return the beginning of a request."""
        return b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Le" % self.path.encode()

    @property
    def half_a_body(self) -> bytes:
        """Return the beginning of a request."""
        return self._started(self.path, b"Content-Length: 7000\r\n", b'{"rows": [{"PULocationID')

    @property
    def half_a_chunk(self) -> bytes:
        """Return the beginning of a request."""
        return self._started(self.path, b"Transfer-Encoding: chunked\r\n", b'46\r\n{"labels": [')

    @property
    def half_a_row(self) -> bytes:
        """Return the beginning of a request."""
        path = "/predict" if isinstance(self.process, Predictor) else "/v1/predictions"
        return self._started(path, b"Content-Length: 70\r\n", b'{"PULocationID": 130, ')

    def workers(self) -> list[int]:
        """Return the pids of its workers, the delivery left out."""
        return [one for one in children(self.process.pid) if b"deliver" not in command_of(one)]

    def _started(self, path: str, framing: bytes, body: bytes) -> bytes:
        return (
            b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            b"Authorization: Bearer %s\r\n" % (path.encode(), TOKEN.encode())
            + framing + b"\r\n" + body
        )  # fmt: skip


def started(
    name: str,
    folder: Path,
    mongod: Mongod,
    connections: int = 1000,
    workers: int = 2,
    **variables: str,
) -> Server:
    """Start a server whose connections wait a short time."""
    if name == "predictor":
        register(mongod.uri, Alias.CHAMPION, small_artifact())
        predictor = Predictor(
            folder, mongod.uri, TAXI_PREDICT_KEEPALIVE_SECONDS="5",
            TAXI_PREDICT_CONNECTIONS=str(connections), TAXI_PREDICT_WORKERS=str(workers),
            **variables,
        ).start()  # fmt: skip
        return Server(
            predictor, "/predict/batch",
            lambda: [httpx.post(f"{predictor.url}/predict", json=PLAIN, timeout=15)],
        )  # fmt: skip
    register(mongod.uri, Alias.CHAMPION, artifact_for(TAXI))
    monitor = Monitor(
        folder, mongod.uri, TAXI_MONITOR_KEEPALIVE_SECONDS="5",
        TAXI_MONITOR_CONNECTIONS=str(connections), **variables,
    ).start()  # fmt: skip
    # Labels are read by the schema of its model.
    wait_for("the model", lambda: "champion" in _read(monitor))
    return Server(
        monitor, "/v1/labels",
        lambda: [httpx.get(f"{monitor.url}/openapi.json", timeout=15)],
    )  # fmt: skip


def _read(monitor: Monitor) -> str:
    return httpx.get(f"{monitor.url}/v1/drift", headers=HEADERS, timeout=15).text


def children(pid: int) -> list[int]:
    """Return the pids of a process' children."""
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def command_of(pid: int) -> bytes:
    """Return a process' command."""
    return Path(f"/proc/{pid}/cmdline").read_bytes()


@contextlib.contextmanager
def stalled(
    server: Server, sent: bytes, count: int, port: int | None = None
) -> Iterator[list[socket.socket]]:
    """Open connections that send something and then nothing more; to the API unless given."""
    with contextlib.ExitStack() as stack:
        found = []
        for _ in range(count):
            one = stack.enter_context(
                socket.create_connection(("127.0.0.1", port or server.process.port), timeout=30)
            )
            one.sendall(sent)
            found.append(one)
        yield found


def require_quick_answers(server: Server) -> None:
    """Require that nearly all new connections are answered at once, and by the same workers.

    A machine that stalls for seconds delays one of these requests, which go one after the other;
    clients that hold others up delay many of them.
    """
    workers = server.workers()
    took: dict[str, list[float]] = {"api": [], "probes": []}
    for _ in range(40):
        for name, ask in (("api", server.ask), ("probes", server.probe)):
            begin = time.monotonic()
            answers = ask()
            took[name].append((time.monotonic() - begin) / len(answers))
            assert [one.status_code for one in answers] == [200] * len(answers)
    for one in took.values():
        assert sorted(one)[len(one) * 9 // 10] < 3, took
    assert server.workers() == workers, server.process.printed()[-2000:]
