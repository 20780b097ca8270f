"""Every door of every server: its token, its headers, and whatever may be sent to it."""

import os
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client import CollectorRegistry
from support.monitor import HEADERS, TOKEN
from support.raw_requests import (
    HEADS,
    answers_to,
    headers_of,
    status_of,
    strange_queries,
    strange_requests,
)
from support.servers import Server, both, children, started
from support.strange_posts import strange_posts
from support.waiting import wait_for

from taxi_domain.models import MODEL_NAME, Alias
from taxi_local.mongod import Mongod
from taxi_operator import health_server, metrics_server
from taxi_operator.metrics import Metrics
from taxi_operator.small_server import SmallServer
from taxi_store.connection import connect
from taxi_store.registry.registry import Registry
from taxi_store.reports.reports import ReportContents, ReportEntry, store_report

pytestmark = pytest.mark.component

KEPT = {"x-content-type-options": "nosniff", "referrer-policy": "no-referrer"}
MAX_GROWTH_KIB = 64 * 1024
NO_RIGHTS = b""
RIGHTS = f"Authorization: Bearer {TOKEN}\r\n".encode()
#: What stands in place of a name in an address: something that there is.
THERE = {
    "role": "champion", "path:name": "trip_distance", "alert": "TaxiMonitorEvaluationStale",
    "report_id": "strange",
}  # fmt: skip


#: What a post's answer has when something of it was taken, now or before.
TAKEN = re.compile(rb'"(?:taken|accepted|repeated|corrected|unchanged|duration)":[1-9]')

#: Whether it is at the port of metrics and probes, method, path and token.
Door = tuple[bool, str, str, str]
#: A door, and with which rights one knocks.
Way = tuple[Door, bytes]


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


def path_of(rule: str) -> bytes:
    """Return an address of a door behind which there is something."""
    return re.sub(r"<([^>]+)>", lambda found: THERE[found[1]], rule).encode()


def filled(mongod: Mongod) -> str:
    """Store a report, and return the version of the model that is served or watched."""
    at = datetime(2026, 1, 1, tzinfo=UTC)
    report = ReportEntry(
        report_id=THERE["report_id"], model=MODEL_NAME, version=None, start=at, end=at,
        time_zone="America/New_York", verdict="drift", rows=9, score=1.5, problems=0, seconds=1,
        created_at=at,
    )  # fmt: skip
    with connect(mongod.uri, app_name="test") as client:
        store_report(client["taxi"], report, ReportContents(b"{}", b"<!doctype html>"))
        champion = Registry(client["taxi"]).alias(MODEL_NAME, Alias.CHAMPION)
    assert champion is not None
    return champion.version


def anonymous_kib(pid: int) -> int:
    """Return the memory of a process that no other has."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
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
        asked = b"%b %b HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n" % (
            method.encode(), path_of(rule),
        )  # fmt: skip
        (without,), (given,) = (
            answers_to(port, b"%b%b\r\n" % (asked, rights)) for rights in (NO_RIGHTS, RIGHTS)
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
def test_the_document_says_which_doors_ask_for_a_token(
    server: Server, name: str, doors: dict[str, list[Door]]
) -> None:
    url = f"{server.process.url}/openapi.json"
    document = httpx.get(url, headers=HEADERS, timeout=30).json()
    tokens = {
        (method.lower(), re.sub("<([^>]+)>", r"{\1}", rule)): token
        for _, method, rule, token in doors[name]
    }
    described = [
        (tokens[method, path], operation)
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    ]
    assert described
    for token, operation in described:
        assert token in document["components"]["securitySchemes"], operation
        assert {token: []} in operation["security"], operation
        assert "401" in operation["responses"], operation


def all_requests(
    server: Server, doors: list[Door], version: str
) -> Iterator[tuple[Way | None, int, bytes]]:
    """Yield what is sent, to which port, and through which door with which rights.

    Posts come first, so that what is read shows what they left.
    """
    ports = (server.process.port, server.metrics_port)
    for port in ports:
        yield from ((None, port, one) for one in (*HEADS, *strange_requests(b"/nothing")))
    for door in sorted(doors, key=lambda one: one[1], reverse=True):
        probes, method, rule, _ = door
        path = path_of(rule)
        for rights in (RIGHTS, NO_RIGHTS):
            requests = [*strange_requests(path, rights)]
            if method == "POST":
                # What is in a body that nobody reads tells nothing: some of them are enough.
                requests += [*strange_posts(path, rights, version)][:: 1 if rights else 5]
            elif rights and not probes:
                requests += strange_queries(path, rights)
            yield from (((door, rights), ports[probes], one) for one in requests)


def settled(port: int, request: bytes) -> list[bytes]:
    """Return the answers to a request that is sent again where it is told to come later."""
    answers: list[bytes] = []

    def is_settled() -> bool:
        answers[:] = answers_to(port, request)
        return all(status_of(one) != 503 for one in answers)

    wait_for(f"another answer than 503 to {request[:300]!r}", is_settled)
    # What asks the client to go on is none.
    return [one for one in answers if status_of(one) != 100]


@both
def test_whatever_is_sent_is_answered_or_refused(
    server: Server, name: str, doors: dict[str, list[Door]], mongod: Mongod
) -> None:
    version = filled(mongod)
    sent = list(all_requests(server, doors[name], version))
    # Some to each door: what memory it takes to begin with tells nothing.
    for _, port, request in sent[::7]:
        answers_to(port, request)
    (worker,) = server.workers()
    before, processes = anonymous_kib(worker), children(server.process.pid)
    passed: set[Way] = set()
    for way, port, request in sent:
        for answer in settled(port, request):
            code = status_of(answer)
            assert code < 500 or code == 501, (request[:300], answer[:500])
            assert KEPT.items() <= headers_of(answer).items(), (request[:300], answer)
            assert b"gunicorn" not in answer.lower()
            if way is not None and code == 200 and (way[0][1] == "GET" or TAKEN.search(answer)):
                passed.add(way)
    # Each door was behind the one that asks for the token, and what was good was taken.
    assert passed == {
        (door, rights) for door in doors[name] for rights in (RIGHTS, NO_RIGHTS)
        if rights or not door[3]
    }  # fmt: skip
    assert children(server.process.pid) == processes
    assert anonymous_kib(worker) - before < MAX_GROWTH_KIB
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
        requests = (*strange_requests(path), *strange_requests(b"/"), *strange_posts(path))
        before = anonymous_kib(os.getpid())
        for request in (*HEADS, *requests):
            for answer in answers_to(server.server_port, request):
                assert status_of(answer) < 500 or status_of(answer) in {501, 505}, answer
                assert b"Python" not in answer.partition(b"\r\n\r\n")[0]
        assert anonymous_kib(os.getpid()) - before < MAX_GROWTH_KIB
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
