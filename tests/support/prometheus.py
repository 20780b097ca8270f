"""A real Prometheus that scrapes what a test says."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from support.control_plane import Server, program
from taxi_local.ports import free_port

METRIC = "taxi_test_signal"


class Exporter:
    """Serves the values that were said, as text for Prometheus."""

    def __init__(self) -> None:
        self._said: dict[tuple[str, str], tuple[float, ...]] = {}
        #: Signals whose samples carry their time: Prometheus does not mark their end.
        self.dated: set[tuple[str, str]] = set()
        exporter = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                with suppress(ConnectionError):  # Prometheus is killed, or gives up a slow scrape
                    self.send_response(200)
                    self.send_header("Content-Type", "text/plain; version=0.0.4")
                    self.end_headers()
                    self.wfile.write(exporter.page().encode())

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def say(self, namespace: str, signal: str, *values: float) -> None:
        """Export these values, each as a series of its own; none: no series."""
        self._said[namespace, signal] = values

    def page(self) -> str:
        """Return the text."""
        now = f" {time.time() * 1000:.0f}"
        return "".join(
            f'{METRIC}{{ns="{namespace}",signal="{signal}",series="{number}"}} {value}'
            f"{now if (namespace, signal) in self.dated else ''}\n"
            for (namespace, signal), values in list(self._said.items())
            for number, value in enumerate(values)
        )

    def close(self) -> None:
        """End the server."""
        self._server.shutdown()
        self._server.server_close()


def selector(namespace: str, signal: str) -> str:
    """Return the query for what an exporter says now."""
    return f'{METRIC}{{ns="{namespace}",signal="{signal}"}}'


def query(namespace: str, signal: str) -> str:
    """Return the query for what an exporter says; a scrape that comes late is no hole."""
    return f"last_over_time({selector(namespace, signal)}[10s])"


@contextmanager
def running_prometheus(folder: Path, exporter: Exporter) -> Iterator[Server]:
    """Run a Prometheus that scrapes an exporter every second."""
    config = folder / "prometheus.yml"
    config.write_text(
        json.dumps(
            {
                "global": {"scrape_interval": "1s", "scrape_timeout": "1s"},
                "scrape_configs": [
                    {"job_name": "test", "static_configs": [{"targets": [exporter.address]}]}
                ],
            }
        )
    )
    url = f"http://127.0.0.1:{free_port()}"
    server = Server(
        folder / "prometheus.log", url, program("prometheus"), f"--config.file={config}",
        f"--storage.tsdb.path={folder / 'data'}", f"--web.listen-address={url[7:]}",
    )  # fmt: skip
    server.start("/-/ready")
    try:
        yield server
    finally:
        server.kill()
