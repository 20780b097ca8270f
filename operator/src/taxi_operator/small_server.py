"""Answers one page from threads of its own, whatever connects."""

import contextlib
import logging
import socket
import sys
import threading
from collections.abc import Callable, Iterable
from http.client import LineTooLong
from socketserver import ThreadingMixIn
from typing import Any, Final
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from taxi_runtime.answer_headers import kept_to_itself

READ_SECONDS: Final = 5.0
#: Open connections, each with a thread; one more closes the oldest.
MAX_CONNECTIONS: Final = 32
MAX_HEADER_BYTES: Final = 32 * 1024
_NAME: Final = "taxi-operator"

Application = Callable[[dict[str, Any], Any], Iterable[bytes]]

logger = logging.getLogger(__name__)


class SmallServer(ThreadingMixIn, WSGIServer):
    """A thread for each connection, and a bounded number of them."""

    daemon_threads = True
    #: Whoever connects very often does not keep others from being taken.
    request_queue_size = 128

    def __init__(self, port: int, handler: type[WSGIRequestHandler]) -> None:
        self._lock = threading.Lock()
        self._open: dict[socket.socket, None] = {}
        super().__init__(("0.0.0.0", port), handler)  # noqa: S104 - a container

    def process_request(self, request: Any, client_address: Any) -> None:
        """Begin to answer a connection; the oldest ends where there are too many."""
        with self._lock:
            self._open[request] = None
            excess = list(self._open)[: max(len(self._open) - MAX_CONNECTIONS, 0)]
        for one in excess:
            # Its thread reads the end, and closes it; it may have done so already.
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """End a connection."""
        with self._lock:
            self._open.pop(request, None)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log what is no fault of a client's: whoever connects and leaves could fill the log."""
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            logger.error("a request failed", exc_info=error, extra={"port": self.server_port})


class _Handler(WSGIRequestHandler):
    server_version = _NAME
    sys_version = ""

    def parse_request(self) -> bool:
        """Read the headers, within a limit."""
        self.rfile: Any = _Headers(self.rfile)
        return super().parse_request()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's
        """Say nothing of requests."""


class _Headers:
    """Lines of a request, few bytes of them together: the parser takes megabytes.

    Args:
        file: Of the connection.
    """

    def __init__(self, file: Any) -> None:
        self._file = file
        self._left = MAX_HEADER_BYTES

    def readline(self, size: int = -1) -> bytes:
        """Return a line.

        Raises:
            LineTooLong: of the standard library, which answers 431.
        """
        line: bytes = self._file.readline(size)
        self._left -= len(line)
        if self._left < 0:
            raise LineTooLong("header")
        return line

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def serve(path: str, app: Application, port: int, read_seconds: float) -> SmallServer:
    """Answer `GET path`.

    Args:
        path: Of the one page that there is.
        app: Gives it.
        port: To listen on; 0 takes a free one.
        read_seconds: How long a client may send nothing; its thread ends then.

    Raises:
        OSError: the port cannot be listened on.
    """
    handler = type("Impatient", (_Handler,), {"timeout": read_seconds})
    server = SmallServer(port, handler)
    server.set_app(kept_to_itself(_only(path, app), _NAME))
    threading.Thread(target=server.serve_forever, name=path.strip("/"), daemon=True).start()
    return server


def _only(path: str, app: Application) -> Application:
    """Return an application that has this one page."""

    def answer(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if environ["PATH_INFO"] == path:
            return app(environ, start_response)
        start_response("404 Not Found", [("Content-Type", "text/plain")])
        return [f"there is {path}\n".encode()]

    return answer
