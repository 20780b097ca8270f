"""What is wrong with a request is told by a status of the 4xx, by every server of ours."""

import re
import socket
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

import pytest
from support.monitor import TOKEN, Monitor
from support.predictor import Predictor, register, small_artifact

from taxi_domain.models import Alias
from taxi_local.mongod import running_mongod
from taxi_local.ports import free_port

pytestmark = pytest.mark.component

UNDERSTOOD = 422  # {} lacks what each route needs
CHUNKED = b"Transfer-Encoding: chunked\r\n"


@dataclass(frozen=True)
class Server:
    """A running server and the route that takes bodies."""

    process: Predictor | Monitor
    path: str
    limit: int


@pytest.fixture(scope="module", params=["predictor", "monitor"])
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """Start a predictor with a model, which knows the schema, or a monitor without a MongoDB."""
    folder = tmp_path_factory.mktemp("server")
    if request.param == "predictor":
        with running_mongod() as mongod:
            register(mongod.uri, Alias.CHAMPION, small_artifact())
            one = Server(Predictor(folder, mongod.uri).start(), "/predict", 2 * 1024 * 1024)
            yield one
            one.process.stop()
    else:
        nowhere = f"mongodb://127.0.0.1:{free_port()}"
        monitor = Monitor(folder, nowhere).start(until="/healthz")
        yield Server(monitor, "/v1/labels", 16 * 1024 * 1024)
        monitor.stop()


def answers(server: Server, data: bytes) -> list[bytes]:
    """Send bytes, say that these are all, and return the answers' heads and bodies."""
    with socket.create_connection(("127.0.0.1", server.process.port), timeout=30) as one:
        found = b""
        # A server that has refused reads on for a second; what it said can be read all the same.
        with suppress(ConnectionError):
            one.sendall(data)
            one.shutdown(socket.SHUT_WR)
        with suppress(ConnectionError):
            while piece := one.recv(65536):
                found += piece
    return re.split(rb"(?=HTTP/1\.1 \d{3} )", found)[1:]


def post(server: Server, headers: bytes, body: bytes, method: bytes = b"POST") -> bytes:
    kind = b"" if b"Content-Type:" in headers else b"Content-Type: application/json\r\n"
    rights = b"" if b"Authorization:" in headers else f"Authorization: Bearer {TOKEN}\r\n".encode()
    return (
        method + b" " + server.path.encode() + b" HTTP/1.1\r\nHost: x\r\n"
        + kind + rights + headers + b"\r\n" + body
    )  # fmt: skip


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


@pytest.mark.parametrize(
    ("headers", "body", "expected"),
    [
        pytest.param(CHUNKED, b"2\r\n{}\r\n0\r\n\r\n", UNDERSTOOD, id="chunked"),
        pytest.param(CHUNKED, b"2;a=b\r\n{}\r\n0\r\nX: y\r\n\r\n", UNDERSTOOD, id="trailer"),
        pytest.param(CHUNKED, b"zz\r\n{}\r\n0\r\n\r\n", 400, id="no size"),
        pytest.param(CHUNKED, b"1_0\r\n{}              \r\n0\r\n\r\n", 400, id="underscore"),
        pytest.param(CHUNKED, b"0x2\r\n{}\r\n0\r\n\r\n", 400, id="prefix"),
        pytest.param(CHUNKED, b"0x41\r\n{}\r\n0\r\n\r\n", 400, id="prefix of more"),
        pytest.param(CHUNKED, b"-1\r\n{}\r\n0\r\n\r\n", 400, id="negative"),
        pytest.param(CHUNKED, b"+2\r\n{}\r\n0\r\n\r\n", 400, id="plus"),
        pytest.param(CHUNKED, b"\r\n{}\r\n0\r\n\r\n", 400, id="empty size"),
        pytest.param(CHUNKED, b"2\r\n{}junk\r\n0\r\n\r\n", 400, id="junk after a chunk"),
        pytest.param(CHUNKED, b"2\r\n{}\r\n0\r\nno colon\r\n\r\n", 400, id="trailer, no colon"),
        pytest.param(CHUNKED, b"2\r\n{}\r\n0\r\nHost: y\r\n\r\n", 400, id="trailer, forbidden"),
        pytest.param(CHUNKED, b"2\r\n{}", 400, id="ends in the middle"),
        pytest.param(CHUNKED, b"2;" + b"a" * 20_000, 400, id="endless extension"),
        pytest.param(b"Content-Length: 2\r\n", b"{}", UNDERSTOOD, id="length"),
        pytest.param(b"Content-Length: 9\r\n", b"{}", UNDERSTOOD, id="length of more"),
        pytest.param(b"Content-Length: 9\r\n", b"{", 400, id="half a body"),
        pytest.param(b"Content-Length: 2, 2\r\n", b"{}", 400, id="two lengths"),
        pytest.param(
            b"Content-Length: 2\r\nContent-Length: 2\r\n", b"{}", 400, id="length twice"
        ),
        pytest.param(b"Content-Length: +2\r\n", b"{}", 400, id="length with plus"),
        pytest.param(b"Content-Length: -2\r\n", b"{}", 400, id="length below zero"),
        pytest.param(b"Content-Length: 0x2\r\n", b"{}", 400, id="length with prefix"),
        pytest.param(b"Content-Length: 1_0\r\n", b"{}", 400, id="length with underscore"),
        pytest.param(b"Content-Length: \xb2\r\n", b"{}", 400, id="length of no digits"),
        pytest.param(b"Content-Length: " + b"9" * 5000 + b"\r\n", b"{}", 400, id="long length"),
        pytest.param(
            b"Content-Length: 2\r\n" + CHUNKED, b"2\r\n{}\r\n0\r\n\r\n", 400, id="length and chunks"
        ),
        pytest.param(CHUNKED + CHUNKED, b"2\r\n{}\r\n0\r\n\r\n", 400, id="chunked twice"),
        pytest.param(
            b"Transfer-Encoding: gzip, chunked\r\n", b"2\r\n{}\r\n0\r\n\r\n", 501, id="gzip chunks"
        ),
        pytest.param(b"Transfer-Encoding: x\r\n", b"{}", 501, id="unknown transfer coding"),
        pytest.param(b"Content-Encoding: gzip\r\nContent-Length: 2\r\n", b"{}", 415, id="gzip"),
        pytest.param(
            b"Content-Encoding: IDENTITY\r\nContent-Length: 2\r\n", b"{}", UNDERSTOOD, id="identity"
        ),
        pytest.param(b"Content-Type: text/plain\r\nContent-Length: 2\r\n", b"{}", 415, id="text"),
        pytest.param(
            b"Content-Type: Application/JSON; charset=utf-8\r\nContent-Length: 2\r\n", b"{}",
            UNDERSTOOD, id="json with a parameter",
        ),
        pytest.param(b"Expect: a-miracle\r\nContent-Length: 2\r\n", b"{}", 417, id="expectation"),
        pytest.param(b"", b"", 400, id="nothing"),
    ],
)  # fmt: skip
def test_status_says_who_is_wrong(
    server: Server, headers: bytes, body: bytes, expected: int
) -> None:
    (answer,) = answers(server, post(server, headers, body))

    assert status(answer) == expected, answer
    if b"application/problem+json" in answer:
        assert b'"detail":"' in answer
    assert "Traceback" not in server.process.printed()


def test_too_large_is_told_whatever_the_length_says(server: Server) -> None:
    data = b" " * (server.limit + 1)
    chunks = b"%x\r\n%s\r\n0\r\n\r\n" % (len(data), data)
    length = b"Content-Length: %d\r\n" % len(data)

    for request in (post(server, CHUNKED, chunks), post(server, length, data)):
        (answer,) = answers(server, request)
        assert status(answer) == 413, answer


def test_headers_without_an_end_are_refused(server: Server) -> None:
    fields = [b"X-%d: %s\r\n" % (number, b"y" * 8000) for number in range(5)]
    for headers in (b"".join(fields), b"X-Long: " + b"y" * 9000 + b"\r\n"):
        (answer,) = answers(server, post(server, headers, b""))
        assert status(answer) == 431
    (answer,) = answers(server, post(server, b"".join(fields[:3]), b""))
    assert status(answer) == 400


def test_refused_body_is_no_next_request(server: Server) -> None:
    hidden = b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n"
    for request in (
        post(server, CHUNKED, b"zz\r\n" + hidden),
        post(server, b"Content-Encoding: gzip\r\nContent-Length: %d\r\n" % len(hidden), hidden),
        post(server, b"Content-Length: 1\r\n" + CHUNKED, b"0\r\n\r\n" + hidden),
    ):
        assert len(answers(server, request)) == 1


def test_next_request_is_answered_after_an_unread_body(server: Server) -> None:
    unread = post(server, b"Content-Type: text/plain\r\nContent-Length: 100000\r\n", b" " * 100_000)

    first, second = answers(server, unread + b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n")

    assert (status(first), status(second)) == (415, 200)


def test_client_that_asks_before_it_sends_may_send(server: Server) -> None:
    headers = b"Expect: 100-continue\r\nContent-Length: 2\r\n"

    before, answer = answers(server, post(server, headers, b"{}"))

    assert (status(before), status(answer)) == (100, UNDERSTOOD)


@pytest.mark.parametrize("method", [b"GET", b"HEAD", b"PUT", b"DELETE"])
def test_other_methods_are_told_the_right_one(server: Server, method: bytes) -> None:
    (answer,) = answers(server, post(server, b"", b"", method))

    assert status(answer) == 405
    assert b"\r\nAllow: OPTIONS, POST\r\n" in answer or b"\r\nAllow: POST, OPTIONS\r\n" in answer


def test_options_are_told(server: Server) -> None:
    (answer,) = answers(server, post(server, b"", b"", b"OPTIONS"))

    assert status(answer) == 200
    assert b"POST" in answer


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "Bearer  "])
def test_scheme_of_the_token_has_no_case(server: Server, scheme: str) -> None:
    headers = f"Authorization: {scheme} {TOKEN}\r\nContent-Length: 2\r\n".encode()

    (answer,) = answers(server, post(server, headers, b"{}"))

    assert status(answer) == UNDERSTOOD


def test_who_has_no_token_is_told_what_to_send(server: Server) -> None:
    if isinstance(server.process, Predictor):
        pytest.skip("its routes are open")
    for given in (b"Basic YTpi", b"Bearer", b"Bearer x", TOKEN.encode()):
        headers = b"Authorization: " + given + b"\r\nContent-Length: 2\r\n"
        (answer,) = answers(server, post(server, headers, b"{}"))
        assert status(answer) == 401
        assert b"\r\nWWW-Authenticate: Bearer\r\n" in answer
