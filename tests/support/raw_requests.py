"""Requests that no client would make, and what comes back."""

import re
import socket
from collections.abc import Iterator

#: What no browser or client sends; each is one connection.
HEADS = (
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"GET\r\n\r\n",
    b"GET  HTTP/1.1\r\nHost: x\r\n\r\n",
    b"\r\n\r\nGET",
    b"\0\0\0\0\r\n\r\n",
    b"GET / HTTP/9.9\r\nHost: x\r\n\r\n",
    b"GET / HTTP/1.1\nHost: x\n\n",
    b"GET http://[::1 HTTP/1.1\r\nHost: x\r\n\r\n",
)
METHODS = (b"DELETE", b"TRACE", b"CONNECT", b"PATCH", b"PROPFIND", b"G\xc3\x89T", b"x" * 40)
#: Behind the path of a door.
TAILS = (
    b"?" + b"a=%FF&" * 200, b"?last=%00&refresh=%ED%A0%80&limit=1e9&stream=" + b"s" * 3000,
    b"/..%2f..%2fetc%2fpasswd", b"%00", b"/%c0%af", b";a=b#c", b"?points=99999999&from=\xff\xfe",
)  # fmt: skip
HEADERS = (
    b"Host: \xff\xfe\r\n", b"Content-Length: -1\r\n", b"Content-Length: 1, 2\r\n",
    b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n", b"Transfer-Encoding: gzip\r\n",
    b"Accept-Encoding: gzip;q=x, \xff\r\n", b"Accept-Encoding: " + b"gzip," * 1500 + b"\r\n",
    b"Range: bytes=9-1,\r\nIf-None-Match: \"\r\n", b"Authorization: Basic \xe9\r\n",
    b"Authorization: Bearer " + b"x" * 6000 + b"\r\n", b"X: y\r\n z\r\n", b"X : y\r\n",
    b"X-Forwarded-Proto: ftp\r\nX-Forwarded-Host: evil\r\n",
    b"Upgrade: h2c\r\nConnection: Upgrade\r\n", b"Expect: nothing\r\n",
    b"".join(b"X-%d: %s\r\n" % (one, b"y" * 7000) for one in range(40)),
    b"".join(b"X-%d: y\r\n" % one for one in range(3000)), b"Cookie: " + b"\x80" * 300 + b"\r\n",
)  # fmt: skip


#: Names that doors look for behind a question mark, by the begin of their paths.
PARAMETERS = {
    b"/v1/verdicts": (b"role", b"side", b"version", b"from", b"to", b"points", b"stream"),
    b"/v1/reports": (b"limit",), b"/reports": (b"limit",), b"/versions/": (b"last", b"refresh"),
}  # fmt: skip
ARGUMENTS = (
    b"%00", b"", b"%ED%A0%80", b"\xff", b"-1", b"0", b"1e9", b"%D9%A1", b"9" * 5000, b"NaN",
    b"$where", b"a.b", b"champion", b"9999-12-31T23:59:59-14:00", b"0001-01-01T00:00:00%2B14:00",
    b"2021-02-30T25:61", b"%F0%9F%9A%95" * 300, b"[$gt]=1", b"x&" * 300,
)  # fmt: skip


def strange_requests(path: bytes, rights: bytes = b"") -> Iterator[bytes]:
    """Yield what may be wrong with a request to a door.

    Args:
        path: Of the door.
        rights: Header lines that open it.
    """
    for method in METHODS:
        yield b"%b %b HTTP/1.1\r\nHost: x\r\n%bContent-Length: 0\r\n\r\n" % (method, path, rights)
    for tail in TAILS:
        yield _get(path + tail, rights)
    for header in HEADERS:
        yield b"GET %b HTTP/1.1\r\n%b%b\r\n" % (path, rights, header)
    yield b"GET %b HTTP/1.0\r\n%b\r\n" % (path, rights)
    yield b"HEAD %b HTTP/1.1\r\n%b\r\n" % (path, rights)
    whole = b"GET %b HTTP/1.1\r\nHost: x\r\n%bContent-Length: 9000000\r\n\r\n" % (path, rights)
    yield whole + b"z" * 100_000


def strange_queries(path: bytes, rights: bytes = b"") -> Iterator[bytes]:
    """Yield requests that ask a door for what there is not, one parameter at a time."""
    for begin, names in PARAMETERS.items():
        # Those of other doors mean nothing here, and once is enough.
        arguments = ARGUMENTS if path.startswith(begin) else ARGUMENTS[:1]
        for name in names:
            for argument in arguments:
                yield _get(b"%b?%b=%b" % (path, name, argument), rights)


def _get(target: bytes, rights: bytes) -> bytes:
    return b"GET %b HTTP/1.1\r\nHost: x\r\n%b\r\n" % (target, rights)


def answers_to(port: int, request: bytes, seconds: float = 30) -> list[bytes]:
    """Send a request and no more; return what is answered, in one piece for each answer.

    Raises:
        TimeoutError: the server neither answers nor closes.
    """
    with socket.create_connection(("127.0.0.1", port), timeout=seconds) as one:
        found = b""
        try:
            one.sendall(request)
            one.shutdown(socket.SHUT_WR)
            while piece := one.recv(65536):
                found += piece
        except TimeoutError:
            raise
        except OSError:
            pass  # closed before it was all sent: that is an answer, too
    return re.split(rb"(?=HTTP/1\.[01] \d{3} )", found)[1:]


def status_of(answer: bytes) -> int:
    """Return an answer's status."""
    return int(answer.split(b" ", 2)[1])


def headers_of(answer: bytes) -> dict[str, str]:
    """Return an answer's headers, their names in small letters."""
    lines = answer.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")[1:]
    return {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
