"""Answers as clients receive them: whole ones in one piece, all with headers of ours."""

import json
import socket
from types import SimpleNamespace

import pytest
from gunicorn.config import Config
from gunicorn.http.wsgi import Response

from taxi_runtime.response import WholeResponse, write_problem

OURS = (
    b"X-Content-Type-Options: nosniff", b"Referrer-Policy: no-referrer", b"Cache-Control: no-store",
    b"Content-Security-Policy: default-src 'none'; frame-ancestors 'none'",
)  # fmt: skip
BODY = b'{"a":1}'
TYPE = ("Content-Type", "application/json")
LENGTH = ("Content-Length", str(len(BODY)))


def answered(
    kind: type[Response], headers: list[tuple[str, str]], pieces: list[bytes], method: str = "POST"
) -> list[bytes]:
    """Return what each send of an answer brings, without its date and what only ours have."""
    ours, client = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, client:
        request = SimpleNamespace(method=method, version=(1, 1), should_close=lambda: False)
        response = kind(request, ours, Config())
        response.start_response("200 OK", headers)
        for piece in pieces:
            response.write(piece)
        response.close()
        ours.shutdown(socket.SHUT_WR)
        received = []
        while packet := client.recv(65536):
            lines = packet.split(b"\r\n")
            if kind is WholeResponse and lines[0].startswith(b"HTTP/"):
                assert set(OURS) <= set(lines)
            left = (one for one in lines if not one.startswith((b"Date:", b"Server:", *OURS)))
            received.append(b"\r\n".join(left))
        return received


def test_a_whole_answer_is_sent_at_once() -> None:
    (packet,) = answered(WholeResponse, [TYPE, LENGTH], [BODY])
    head, body = answered(Response, [TYPE, LENGTH], [BODY])
    assert packet == head + body


@pytest.mark.parametrize(
    ("headers", "pieces", "method"),
    [
        ([TYPE], [BODY], "POST"),
        ([TYPE, LENGTH], [BODY[:3], BODY[3:]], "POST"),
        ([TYPE, LENGTH], [BODY + b"more than was announced"], "POST"),
        ([TYPE, LENGTH], [BODY], "HEAD"),
        ([TYPE, LENGTH], [], "POST"),
    ],
    ids=["chunked", "in pieces", "too long", "without a body", "nothing"],
)
def test_other_answers_are_sent_as_gunicorn_does(
    headers: list[tuple[str, str]], pieces: list[bytes], method: str
) -> None:
    sent = answered(WholeResponse, headers, pieces, method)
    assert sent == answered(Response, headers, pieces, method)


def test_the_date_is_that_of_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    def dates(now: float) -> set[bytes]:
        monkeypatch.setattr("time.time", lambda: now)
        ours, client = socket.socketpair()
        with ours, client:
            for _ in range(2):
                request = SimpleNamespace(method="GET", version=(1, 1), should_close=lambda: False)
                response = WholeResponse(request, ours, Config())
                response.start_response("200 OK", [TYPE, LENGTH])
                response.write(BODY)
            found = client.recv(65536).split(b"\r\n")
        return {line for line in found if line.startswith(b"Date:")}

    assert dates(0.9) == {b"Date: Thu, 01 Jan 1970 00:00:00 GMT"}
    assert dates(1.0) == {b"Date: Thu, 01 Jan 1970 00:00:01 GMT"}


@pytest.mark.parametrize("closes", [False, True])
def test_clients_are_told_whether_the_connection_stays(closes: bool) -> None:
    sent = []
    for kind in (WholeResponse, Response):
        ours, client = socket.socketpair()
        with ours, client:
            request = SimpleNamespace(method="GET", version=(1, 0), should_close=lambda: closes)
            response = kind(request, ours, Config())
            response.start_response("200 OK", [TYPE, LENGTH])
            response.write(BODY)
            sent.append(client.recv(65536).split(b"\r\n"))
    ours_of, of_gunicorn = (
        [line for line in one if line.startswith((b"HTTP", b"Connection"))] for one in sent
    )
    assert ours_of == of_gunicorn


def test_text_is_refused() -> None:
    with pytest.raises(TypeError):
        answered(WholeResponse, [TYPE, LENGTH], ["seven.."])  # type: ignore[list-item]


def test_what_a_route_says_wins_and_nothing_says_what_serves_it() -> None:
    given = [("cache-control", "public"), ("Content-Security-Policy", "default-src 'self'")]
    ours, client = socket.socketpair()
    with ours, client:
        request = SimpleNamespace(method="GET", version=(1, 1), should_close=lambda: False)
        response = WholeResponse(request, ours, Config())
        response.start_response("200 OK", [TYPE, LENGTH, *given])
        response.write(BODY)
        head = client.recv(65536).lower()

    assert head.count(b"cache-control:") == head.count(b"content-security-policy:") == 1
    assert b"nosniff" in head
    assert b"gunicorn" not in head


@pytest.mark.parametrize(
    ("status", "detail"),
    [(400, "request: Invalid Method 'GÉT'; mend it"), (500, "server: failed; see its log")],
)
def test_what_is_no_request_is_refused_as_a_problem(status: int, detail: str) -> None:
    ours, client = socket.socketpair()
    with ours, client:
        write_problem(ours, status, "Reason", "Invalid Method 'GÉT'")
        head, _, body = client.recv(65536).partition(b"\r\n\r\n")

    assert head.startswith(b"HTTP/1.1 %d Reason" % status)
    assert set(OURS) < set(head.split(b"\r\n"))
    assert json.loads(body)["detail"] == detail
