"""How answers leave: whole ones in one piece, and all with headers that keep them to themselves.

What a route says of a header wins; no answer says what serves it.
"""

from http import HTTPStatus
from typing import Any, Final

import msgspec
from gunicorn import util
from gunicorn.http import wsgi

from taxi_runtime.problems import CONTENT_TYPE, Problem

#: Content is what its type says, and an address in here is told to nobody.
_ALWAYS: Final = "X-Content-Type-Options: nosniff\r\nReferrer-Policy: no-referrer\r\n"
#: Data is not kept by caches. What is no page loads and runs nothing, and stands in no frame.
_UNLESS_GIVEN: Final = {
    "cache-control": "Cache-Control: no-store\r\n",
    "content-security-policy": (
        "Content-Security-Policy: default-src 'none'; frame-ancestors 'none'\r\n"
    ),
}
_ALL: Final = _ALWAYS + "".join(_UNLESS_GIVEN.values())
_SERVER: Final = "Server: "


class WholeResponse(wsgi.Response):  # type: ignore[misc]  # gunicorn ships no types
    """Sends headers and body together when the body is whole.

    gunicorn sends them one after the other: two system calls for each answer, and clients that are
    woken up twice.
    """

    headers_sent: bool

    def default_headers(self) -> list[str]:
        """Return the lines that come before those of the application."""
        lines: list[str] = [
            line for line in super().default_headers() if not line.startswith(_SERVER)
        ]
        lines.append(_kept_to_itself(self.headers))
        return lines

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
    found = HTTPStatus(status)
    own = found >= HTTPStatus.INTERNAL_SERVER_ERROR and found != HTTPStatus.NOT_IMPLEMENTED
    detail = "server: failed; see its log" if own else f"request: {message or reason}; mend it"
    body = msgspec.json.encode(Problem("about:blank", reason, status, detail))
    head = (
        f"HTTP/1.1 {status} {reason}\r\nConnection: close\r\nContent-Type: {CONTENT_TYPE}\r\n"
        f"Content-Length: {len(body)}\r\n{_ALL}\r\n"
    )
    util.write_nonblock(sock, head.encode("latin-1") + body)


def _kept_to_itself(headers: list[tuple[str, str]]) -> str:
    """Return the lines that an application's headers leave to us."""
    given = [name.lower() for name, _ in headers]
    if not any(name in given for name in _UNLESS_GIVEN):
        return _ALL  # nearly always
    return _ALWAYS + "".join(line for name, line in _UNLESS_GIVEN.items() if name not in given)
