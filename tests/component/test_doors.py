"""Every door of every server: its token, its headers, and whatever may be sent to it."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from support.monitor import TOKEN
from support.raw_requests import HEADS, answers_to, headers_of, status_of, strange_requests
from support.servers import Server, both, started

from taxi_local.mongod import Mongod
from taxi_operator import health_server, metrics_server
from taxi_operator.metrics import Metrics
from taxi_operator.small_server import SmallServer

pytestmark = pytest.mark.component

KEPT = {"x-content-type-options": "nosniff", "referrer-policy": "no-referrer"}
MAX_GROWTH_KIB = 64 * 1024


#: Whether it is at the port of metrics and probes, method, path and token.
Door = tuple[bool, str, str, str]


@pytest.fixture(scope="module")
def doors() -> dict[str, list[Door]]:
    """Return the doors by part, as the page of doors has them."""
    page = (Path(__file__).parents[2] / "docs" / "doors.md").read_text()
    found: dict[str, list[Door]] = {}
    part, probes = "", False
    for line in page.splitlines():
        if line.startswith("## "):
            part = line[3:].split()[0].lower().rstrip(",:")
            probes = line.endswith(": metrics and probes")
        row = re.match(r"\| (GET|POST) \| `([^`]+)` \| [^|]* \| ([^|]*) \|", line)
        if row:
            found.setdefault(part, []).append((probes, row[1], row[2], row[3].strip(" `")))
    return found


@pytest.fixture
def server(name: str, mongod: Mongod, tmp_path: Path) -> Iterator[Server]:
    variables: dict[str, Any] = {"TAXI_MONITOR_READING_CLOSED": "true"}
    if name == "predictor":
        callers = tmp_path / "callers"
        callers.mkdir()
        (callers / "shop").write_text(TOKEN)
        variables = {"TAXI_PREDICT_CALLERS": str(callers)}
    one = started(name, tmp_path, mongod, 1000, 1, **variables)
    yield one
    one.process.stop()


def anonymous_kib(server: Server) -> int:
    (worker,) = server.workers()
    text = Path(f"/proc/{worker}/smaps_rollup").read_text()
    found = re.search(r"^Anonymous:\s+(\d+) kB", text, re.MULTILINE)
    assert found is not None
    return int(found[1])


@both
def test_doors_ask_for_their_token_and_keep_what_they_answer_to_themselves(
    server: Server, name: str, doors: dict[str, list[Door]]
) -> None:
    assert {probes for probes, *_ in doors[name]} == {True, False}
    for probes, method, rule, token in doors[name]:
        port = server.metrics_port if probes else server.process.port
        path = re.sub(r"<[^>]+>", "champion", rule)
        asked = f"{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n"
        rights = f"Authorization: Bearer {TOKEN}\r\n"
        (without,), (given,) = (
            answers_to(port, f"{asked}{more}\r\n".encode()) for more in ("", rights)
        )
        assert (status_of(without) == 401) == bool(token), (rule, without)
        assert status_of(given) not in {401, 403} | set(range(500, 600)) - {503}, (rule, given)
        for answer in (without, given):
            headers = headers_of(answer)
            assert KEPT.items() <= headers.items(), rule
            assert "server" not in headers
            assert "default-src 'none'" in headers["content-security-policy"], rule
            cached = "immutable" in headers["cache-control"]
            assert cached == (rule == "/page.css"), rule
            assert cached or headers["cache-control"] == "no-store", rule


@both
def test_whatever_is_sent_is_answered_or_refused(
    server: Server, name: str, doors: dict[str, list[Door]]
) -> None:
    ports = (server.process.port, server.metrics_port)
    paths = [
        (ports[probes], re.sub(r"<[^>]+>", "champion", rule)) for probes, _, rule, _ in doors[name]
    ]
    requests = [(port, one) for port in ports for one in (*HEADS, *strange_requests(b"/nothing"))]
    requests += [(port, one) for port, path in paths for one in strange_requests(path.encode())]
    for port, request in requests[:200]:
        answers_to(port, request)
    before, workers = anonymous_kib(server), server.workers()
    for port, request in requests:
        for answer in answers_to(port, request):
            code = status_of(answer)
            assert code < 500 or code in {501, 503}, (request[:200], answer[:500])
            assert KEPT.items() <= headers_of(answer).items(), (request[:200], answer)
            assert b"gunicorn" not in answer.lower()
    assert anonymous_kib(server) - before < MAX_GROWTH_KIB
    assert server.workers() == workers
    assert "Traceback" not in server.process.printed()


def operators_metrics() -> SmallServer:
    registry = CollectorRegistry()
    Metrics(registry)
    return metrics_server.serve(registry, 0)


@pytest.mark.parametrize(
    ("serve", "path"),
    [(operators_metrics, b"/metrics"), (lambda: health_server.serve(str, 0), b"/healthz")],
    ids=["metrics", "probe"],
)
def test_the_operators_servers_stand_all_of_it(
    serve: Callable[[], SmallServer], path: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    server = serve()
    try:
        for request in (*HEADS, *strange_requests(path), *strange_requests(b"/")):
            for answer in answers_to(server.server_port, request):
                assert status_of(answer) < 500 or status_of(answer) in {501, 505}, answer
                assert b"Python" not in answer.partition(b"\r\n\r\n")[0]
        asked = b"GET %b HTTP/1.1\r\nHost: x\r\n\r\n" % path
        (answer,) = answers_to(server.server_port, asked)
        assert status_of(answer) == 200
        assert KEPT.items() <= headers_of(answer).items()
        assert headers_of(answer)["server"] == "taxi-operator"
        (answer,) = answers_to(server.server_port, b"GET /x HTTP/1.1\r\nHost: x\r\n\r\n")
        assert status_of(answer) == 404
    finally:
        server.shutdown()
        server.server_close()
    assert "Traceback" not in capfd.readouterr().err
