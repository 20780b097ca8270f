"""How answers leave: whole ones in one piece, and all with headers that keep them to themselves."""

import time
from http import HTTPStatus
from typing import Any, Final

import msgspec
from gunicorn import util
from gunicorn.http import wsgi

from taxi_runtime.answer_headers import ALL, added_to
from taxi_runtime.problems import CONTENT_TYPE, Problem

_ALL_LINES: Final = "".join(f"{name}: {value}\r\n" for name, value in ALL)


class WholeResponse(wsgi.Response):  # type: ignore[misc]  # gunicorn ships no types
    """Sends headers and body together when the body is whole.

    gunicorn sends them one after the other: two system calls for each answer, and clients that are
    woken up twice.
    """

    headers_sent: bool

    def default_headers(self) -> list[str]:
        """Return the lines that come before those of the application: gunicorn's, and ours.

        Made anew here: gunicorn writes the date of each answer out again, and who serves it.
        """
        major, minor = self.req.version
        lines = [f"HTTP/{major}.{minor} {self.status}\r\n", _date_line(), self._connection_line()]
        if self.chunked:
            lines.append("Transfer-Encoding: chunked\r\n")
        added = added_to(self.headers)
        if added is ALL:
            lines.append(_ALL_LINES)  # nearly always
        else:
            lines += [f"{name}: {value}\r\n" for name, value in added]
        return lines

    def _connection_line(self) -> str:
        if self.upgrade:
            return "Connection: upgrade\r\n"
        return "Connection: close\r\n" if self.should_close() else "Connection: keep-alive\r\n"

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


class _DateLine:
    """The line of the date, which is the same for all answers of a second."""

    def __init__(self) -> None:
        self._second = -1
        self._line = ""

    def __call__(self) -> str:
        now = int(time.time())
        if now != self._second:
            self._line = f"Date: {util.http_date(now)}\r\n"
            self._second = now
        return self._line


_date_line: Final = _DateLine()


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
