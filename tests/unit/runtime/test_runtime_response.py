"""Answers as clients receive them: whole ones in one piece, all others as gunicorn sends them."""

import socket
from types import SimpleNamespace

import pytest
from gunicorn.config import Config
from gunicorn.http.wsgi import Response

from taxi_runtime.response import WholeResponse

BODY = b'{"a":1}'
TYPE = ("Content-Type", "application/json")
LENGTH = ("Content-Length", str(len(BODY)))


def answered(
    kind: type[Response], headers: list[tuple[str, str]], pieces: list[bytes], method: str = "POST"
) -> list[bytes]:
    """Return what each send of an answer brings, its date cut out."""
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
            received.append(b"\r\n".join(line for line in lines if line[:5] != b"Date:"))
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


def test_text_is_refused() -> None:
    with pytest.raises(TypeError):
        answered(WholeResponse, [TYPE, LENGTH], ["seven.."])  # type: ignore[list-item]
