"""An HTTP proxy before the API server that refuses calls and breaks watches as a test says."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx

_HOP_BY_HOP = {"connection", "transfer-encoding", "keep-alive", "content-length"}


class ApiProxy:
    """Passes calls on to an API server.

    Attributes:
        refuses: Status that every call is answered with; 0 passes them on.
        refused: Calls that were refused.
        watches: Watches that were asked for.

    Args:
        url: Of the API server.
    """

    def __init__(self, url: str) -> None:
        self.refuses = 0
        self.refused = 0
        self.watches = 0
        #: Paths whose next watch was told that its version is too old; None: none is.
        self._told: set[str] | None = None
        self._open: dict[socket.socket, bool] = {}
        self._lock = threading.Lock()
        self._behind = url
        proxy = self

        class Calls(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                proxy._pass(self)

            def do_POST(self) -> None:
                proxy._pass(self)

            def do_PATCH(self) -> None:
                proxy._pass(self)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Calls)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def expire_watches(self) -> None:
        """Cut every watch, and tell the next one of each path that its version is too old."""
        with self._lock:
            self._told = set()
        self.cut_watches()

    def silence_watches(self) -> None:
        """Let the watches that are open stay so, and say nothing any more."""
        with self._lock:
            self._open = dict.fromkeys(self._open, False)

    def close(self) -> None:
        """End it; open watches are cut."""
        self._server.shutdown()
        self.cut_watches()
        self._server.server_close()

    def cut_watches(self) -> None:
        """End every watch; a client asks again."""
        with self._lock:
            for one in self._open:
                with suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)

    def _pass(self, call: BaseHTTPRequestHandler) -> None:
        is_watch = "watch=true" in call.path
        body = call.rfile.read(int(call.headers.get("Content-Length") or 0))
        with suppress(OSError, httpx.HTTPError):  # one of both sides went away
            if self.refuses:
                self.refused += 1
                _send(call, self.refuses, _status(self.refuses))
            elif is_watch and self._is_expired(call.path):
                _send(call, 200, {"type": "ERROR", "object": _status(410)})
            else:
                self._forward(call, body, is_watch=is_watch)

    def _is_expired(self, path: str) -> bool:
        """Tell whether a watch begins with a version that is too old: each path's first one."""
        where = path.partition("?")[0]
        with self._lock:
            if self._told is None or where in self._told:
                return False
            self._told.add(where)
            return True

    def _forward(self, call: BaseHTTPRequestHandler, body: bytes, *, is_watch: bool) -> None:
        headers = {
            name: value
            for name, value in call.headers.items()
            if name.lower() not in {*_HOP_BY_HOP, "host", "accept-encoding"}
        }
        if is_watch:
            with self._lock:
                self.watches += 1
                self._open[call.connection] = True
        try:
            # A connection for each: httpcore's pool may close one that another thread uses.
            with httpx.stream(
                call.command, f"{self._behind}{call.path}", headers=headers, content=body,
                verify=False, timeout=httpx.Timeout(20, read=None),
            ) as answer:  # fmt: skip
                call.send_response_only(answer.status_code)
                for name, value in answer.headers.items():
                    if name.lower() not in _HOP_BY_HOP:
                        call.send_header(name, value)
                call.end_headers()
                for piece in answer.iter_raw():
                    if self._open.get(call.connection, True):
                        call.wfile.write(piece)
                        call.wfile.flush()
        finally:
            with self._lock:
                self._open.pop(call.connection, None)


def _status(code: int) -> dict[str, object]:
    reasons = {401: "Unauthorized", 410: "Expired", 429: "TooManyRequests"}
    return {
        "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code,
        "reason": reasons[code], "message": "as the test has it",
    }  # fmt: skip


def _send(call: BaseHTTPRequestHandler, code: int, document: dict[str, object]) -> None:
    body = json.dumps(document).encode() + b"\n"
    call.send_response(code)
    call.send_header("Content-Type", "application/json")
    call.send_header("Content-Length", str(len(body)))
    if code == 429:
        call.send_header("Retry-After", "1")
    call.end_headers()
    call.wfile.write(body)


@contextmanager
def api_proxy(url: str) -> Iterator[ApiProxy]:
    """Run a proxy before an API server."""
    one = ApiProxy(url)
    try:
        yield one
    finally:
        one.close()
