"""What the kubelet is answered."""

from collections.abc import Iterator

import httpx
import pytest

from taxi_operator.health_server import serve
from taxi_operator.small_server import SmallServer


@pytest.fixture
def server(failure: str) -> Iterator[SmallServer]:
    one = serve(lambda: failure, 0)
    yield one
    one.shutdown()
    one.server_close()


@pytest.mark.parametrize(
    ("failure", "status", "text"),
    [("", 200, "ok\n"), ("the scheduler stands still", 503, "the scheduler stands still\n")],
)
def test_who_is_not_well_says_why(server: SmallServer, status: int, text: str) -> None:
    answer = httpx.get(f"http://127.0.0.1:{server.server_port}/healthz", timeout=30)

    assert (answer.status_code, answer.text) == (status, text)
    assert answer.headers["Cache-Control"] == "no-store"
