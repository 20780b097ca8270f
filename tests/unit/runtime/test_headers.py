"""What headers of a request may say."""

from gunicorn.config import Config
from gunicorn.http.unreader import IterUnreader

from taxi_runtime.headers import BoundedRequest


def test_nobody_speaks_for_a_proxy_of_this_machine() -> None:
    head = (
        b"GET /readyz HTTP/1.1\r\nHost: taxi\r\nX-Forwarded-Proto: https\r\n"
        b"SCRIPT_NAME: /elsewhere\r\nX-Request-Id: 7\r\n\r\n"
    )

    request = BoundedRequest(Config(), IterUnreader(iter([head])), ("127.0.0.1", 40000), 1)

    assert request.scheme == "http"
    assert request.headers == [
        ("HOST", "taxi"), ("X-FORWARDED-PROTO", "https"), ("X-REQUEST-ID", "7"),
    ]  # fmt: skip
