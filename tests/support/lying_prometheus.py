"""An HTTP server in Prometheus' place that answers whatever a test says."""

import functools
import json
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

Handler = BaseHTTPRequestHandler
#: The time that it says it is.
NOW = 1_800_000_000.0


class _Server(ThreadingHTTPServer):
    request_queue_size = 100


class LyingPrometheus:
    """Answers `time()` with the truth, and everything else as it is told.

    Attributes:
        answer: Writes the answer to a query; gets the request and its parameters.
        paths: Of all requests, oldest first.
        headers: Of all requests, by small names, oldest first.

    Args:
        tls: Its certificate, for HTTPS.
    """

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.answer: Callable[[Handler, dict[str, str]], None] = result("vector", [])
        self.paths: list[str] = []
        self.headers: list[dict[str, str]] = []
        liar = self

        class Answers(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                liar.paths.append(self.path)
                liar.headers.append({name.lower(): text for name, text in self.headers.items()})
                query = parse_qs(urlsplit(self.path).query)
                parameters = {name: values[0] for name, values in query.items()}
                self.close_connection = True
                with suppress(ConnectionError):  # the client has enough
                    if parameters.get("query") == "time()":
                        result("scalar", [NOW, str(NOW)])(self, parameters)
                    else:
                        liar.answer(self, parameters)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = _Server(("127.0.0.1", 0), Answers)
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self.address = f"127.0.0.1:{self._server.server_port}"
        self.url = f"http{'s' if tls else ''}://{self.address}"
        serve = functools.partial(self._server.serve_forever, poll_interval=0.02)
        threading.Thread(target=serve, daemon=True).start()

    def close(self) -> None:
        """End the server."""
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def lying_prometheus(tls: ssl.SSLContext | None = None) -> Iterator[LyingPrometheus]:
    """Run a server that lies."""
    one = LyingPrometheus(tls)
    try:
        yield one
    finally:
        one.close()


def send(
    body: bytes, status: int = 200, headers: Mapping[str, str] | None = None
) -> Callable[[Handler, dict[str, str]], None]:
    """Return what answers with these bytes."""

    def answer(handler: Handler, _: dict[str, str]) -> None:
        handler.send_response(status)
        plain = {
            "Content-Length": str(len(body)),
            "Content-Type": "application/json",
            "Connection": "close",
        }
        for name, value in {**plain, **(headers or {})}.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def result(kind: str, found: Any) -> Callable[[Handler, dict[str, str]], None]:
    """Return what answers with a result of a type."""
    data = {"resultType": kind, "result": found}
    return send(json.dumps({"status": "success", "data": data}).encode())
