"""Half-sent requests by the hundred, renewed as they are closed: `make soak-slow-clients`."""

import asyncio
import json
import platform
import threading
import time
from pathlib import Path

import pytest
from support.predictor import PLAIN, Predictor
from support.raw_requests import answers_to, status_of
from support.servers import Server, started

from taxi_local.mongod import Mongod

pytestmark = [pytest.mark.component, pytest.mark.soak, pytest.mark.timeout(600)]

SERVERS = ("predictor", "monitor")
#: Of each kind.
CLIENTS = 200
SECONDS = 90.0
MAX_P90_SECONDS = 1.0
#: Until all of them hold a connection, and until all are gone.
PATIENCE_SECONDS = 60.0
RESULT = Path(__file__).parents[2] / "benchmarks" / "results" / "soak_slow_clients.json"


class SlowClients:
    """Begin requests, go on with none of them, and begin anew when a connection is closed.

    Half headers and half bodies to the API, and half headers to the port of metrics and probes.
    """

    def __init__(self, server: Server) -> None:
        kinds = (
            (server.process.port, server.half_a_header), (server.process.port, server.half_a_body),
            (server.metrics_port, server.half_a_header),
        )  # fmt: skip
        self._clients = [one for one in kinds for _ in range(CLIENTS)]
        self._ended = False
        #: That hold a connection, and how often one was closed by the server.
        self.holding, self.closed = 0, 0
        self._thread = threading.Thread(target=lambda: asyncio.run(self._hold_all()), daemon=True)

    def __enter__(self) -> "SlowClients":
        """Begin, and wait until all of them hold a connection."""
        self._thread.start()
        deadline = time.monotonic() + PATIENCE_SECONDS
        while self.holding < len(self._clients):
            assert time.monotonic() < deadline, f"{self.holding} of {len(self._clients)} are there"
            time.sleep(0.05)
        return self

    def __exit__(self, *_: object) -> None:
        """Close all of them."""
        self._ended = True
        self._thread.join()

    async def _hold_all(self) -> None:
        tasks = [asyncio.create_task(self._hold(*one)) for one in self._clients]
        while not self._ended:
            await asyncio.sleep(0.1)
        for one in tasks:
            one.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _hold(self, port: int, begin: bytes) -> None:
        while True:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            self.holding += 1
            try:
                writer.write(begin)
                # What is said before the connection is closed, if anything.
                await reader.read()
            except ConnectionError:
                pass
            finally:
                self.holding -= 1
                writer.close()
            self.closed += 1


def get(path: str) -> bytes:
    """Return a request."""
    return f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode()


def asked(server: Server) -> dict[str, tuple[int, bytes]]:
    """Return what is asked all the time, each by a connection of its own: port and request."""
    if isinstance(server.process, Predictor):
        row = json.dumps(PLAIN).encode()
        api = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        api += b"Content-Length: %d\r\n\r\n%b" % (len(row), row)
    else:
        api = get("/openapi.json")
    return {
        "healthz": (server.metrics_port, get("/healthz")),
        "metrics": (server.metrics_port, get("/metrics")),
        "api": (server.process.port, api),
    }


def test_probes_and_metrics_are_answered_meanwhile(mongod: Mongod, tmp_path: Path) -> None:
    seen = {name: held_up(name, mongod, tmp_path / name) for name in SERVERS}
    save(
        {
            "seconds": SECONDS, "half_headers": CLIENTS, "half_bodies": CLIENTS,
            "half_headers_at_the_port_of_metrics": CLIENTS, **seen,
        }
    )  # fmt: skip
    for one in seen.values():
        assert one["workers_replaced"] == 0
        # They were there all the time: those that the server closed were renewed.
        assert one["closed_by_the_server"] >= 3 * CLIENTS
        assert one["connections_p50"] >= 0.9 * 3 * CLIENTS
        assert max(one["healthz_p90_ms"], one["metrics_p90_ms"]) < 1000 * MAX_P90_SECONDS


def held_up(name: str, mongod: Mongod, folder: Path) -> dict[str, float]:
    """Hold a server up; return what others see of it."""
    folder.mkdir()
    server = started(name, folder, mongod)
    try:
        workers, ways = server.workers(), asked(server)
        took: dict[str, list[float]] = {way: [] for way in ways}
        holding: list[int] = []
        with SlowClients(server) as clients:
            end = time.monotonic() + SECONDS
            while time.monotonic() < end:
                for way, (port, request) in ways.items():
                    begin = time.monotonic()
                    assert list(map(status_of, answers_to(port, request))) == [200], way
                    took[way].append(time.monotonic() - begin)
                holding.append(clients.holding)
                time.sleep(0.05)
            closed = clients.closed
        replaced = len(set(workers) - set(server.workers()))
        assert "Traceback" not in server.process.printed()
    finally:
        server.process.stop()
    figures: dict[str, float] = {
        "workers": len(workers), "workers_replaced": replaced, "closed_by_the_server": closed,
        "connections_p50": sorted(holding)[len(holding) // 2],
    }  # fmt: skip
    for way, seconds in took.items():
        ordered = [round(1000 * one, 1) for one in sorted(seconds)]
        figures[f"{way}_requests"] = len(ordered)
        figures[f"{way}_p50_ms"] = ordered[len(ordered) // 2]
        figures[f"{way}_p90_ms"] = ordered[len(ordered) * 9 // 10]
        figures[f"{way}_longest_ms"] = ordered[-1]
    return figures


def save(figures: dict[str, object]) -> None:
    """Write the result."""
    RESULT.write_text(
        json.dumps(
            {"figures": figures, "command": "make soak-slow-clients",
             "versions": {"python": platform.python_version()}},
            indent=1,
        ) + "\n"
    )  # fmt: skip
