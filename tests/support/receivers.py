"""HTTP servers in the place of a webhook's receiver: each answers as a test says."""

import functools
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from taxi_operator.notify.notice import ID_HEADER, SIGNATURE_HEADER

Handler = BaseHTTPRequestHandler
Answer = Callable[[Handler], object]


@dataclass(frozen=True)
class Received:
    """A request as it came."""

    identity: str
    signature: str
    body: bytes
    at: float

    @property
    def document(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)
        return found


def status(code: int, **headers: str) -> Answer:
    """Answer with a status and nothing else."""

    def answer(handler: Handler) -> None:
        handler.send_response(code)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return answer


def nothing(handler: Handler) -> None:
    """Take the request and never answer; ends when the client has enough."""
    with suppress(OSError):
        handler.connection.recv(1)


def endless(handler: Handler) -> None:
    """Answer 200 with a body that never ends."""
    handler.send_response(200)
    handler.end_headers()
    while True:
        handler.wfile.write(b"x" * 65536)


class Receiver:
    """Writes down what it gets.

    Attributes:
        answers: What the next requests get, one each; then 200.
        received: All requests, oldest first.

    Args:
        port: To listen on; 0 takes a free one.
    """

    def __init__(self, port: int = 0) -> None:
        self.answers: list[Answer] = []
        self.received: list[Received] = []
        receiver = self

        class Handles(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                one = Received(
                    self.headers[ID_HEADER], self.headers[SIGNATURE_HEADER], body, time.time()
                )
                answer = receiver.answers.pop(0) if receiver.answers else status(200)
                receiver.received.append(one)
                with suppress(ConnectionError):  # the client has enough
                    answer(self)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handles)
        self.port = self._server.server_port
        self.url = f"http://127.0.0.1:{self.port}/hook"
        serve = functools.partial(self._server.serve_forever, poll_interval=0.02)
        threading.Thread(target=serve, daemon=True).start()

    @property
    def events(self) -> list[tuple[str, int, str]]:
        """Return what came, in few words: policy, decision, and what is told of it."""
        documents = [one.document for one in self.received]
        return [(one["policy"], one["decision"]["number"], one["event"]) for one in documents]

    def close(self) -> None:
        """End the server."""
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def receiver(port: int = 0) -> Iterator[Receiver]:
    """Run a receiver."""
    one = Receiver(port)
    try:
        yield one
    finally:
        one.close()
