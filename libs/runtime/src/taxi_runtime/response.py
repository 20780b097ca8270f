"""Answers of one piece leave in one piece."""

from gunicorn import util
from gunicorn.http import wsgi


class WholeResponse(wsgi.Response):  # type: ignore[misc]  # gunicorn ships no types
    """Sends headers and body together when the body is whole.

    gunicorn sends them one after the other: two system calls for each answer, and clients that are
    woken up twice.
    """

    headers_sent: bool

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
