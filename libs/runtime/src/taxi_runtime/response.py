"""How answers leave: whole ones in one piece, and all with headers that keep them to themselves."""

from http import HTTPStatus
from typing import Any, Final

import msgspec
from gunicorn import util
from gunicorn.http import wsgi

from taxi_runtime.answer_headers import added_to
from taxi_runtime.problems import CONTENT_TYPE, Problem

_SERVER: Final = "Server: "


class WholeResponse(wsgi.Response):  # type: ignore[misc]  # gunicorn ships no types
    """Sends headers and body together when the body is whole.

    gunicorn sends them one after the other: two system calls for each answer, and clients that are
    woken up twice.
    """

    headers_sent: bool

    def default_headers(self) -> list[str]:
        """Return the lines that come before those of the application."""
        found: list[str] = super().default_headers()
        lines = [line for line in found if not line.startswith(_SERVER)]
        return lines + [f"{name}: {value}\r\n" for name, value in added_to(self.headers)]

    def write(self, arg: bytes) -> None:
        """Send a piece of the body, and the headers before the first one."""
        if self.headers_sent or self._omits_body or self.response_length != len(arg):
            super().write(arg)
            return
        headers = [f"{name}: {value}\r\n" for name, value in self.headers]
        head = "".join([*self.default_headers(), *headers, "\r\n"])
        util.write(self.sock, head.encode("latin-1") + arg)
        self.headers_sent = True
        self.sent = len(arg)


def send_whole() -> None:
    """Let gunicorn answer this way; in a worker, before its first request."""
    wsgi.Response = WholeResponse
    util.write_error = write_problem


def write_problem(sock: Any, status: int, reason: str, message: str) -> None:
    """Answer what is no request, as everything else is refused.

    Args:
        sock: Of the client.
        status: HTTP status.
        reason: Its phrase.
        message: What is wrong, as gunicorn says it.
    """
    own = status >= HTTPStatus.INTERNAL_SERVER_ERROR and status != HTTPStatus.NOT_IMPLEMENTED
    detail = "server: failed; see its log" if own else f"request: {message or reason}; mend it"
    body = msgspec.json.encode(Problem("about:blank", reason, status, detail))
    headers = [
        ("Connection", "close"), ("Content-Type", CONTENT_TYPE), ("Content-Length", len(body)),
        *added_to([]),
    ]  # fmt: skip
    lines = [
        f"HTTP/1.1 {status} {reason}",
        *(f"{name}: {value}" for name, value in headers),
        "\r\n",
    ]
    util.write_nonblock(sock, "\r\n".join(lines).encode("latin-1") + body)
