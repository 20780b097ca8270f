"""Stored reports through the monitor's real edge: gunicorn, HTTP, a real mongod."""

import gzip
import itertools
import random
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from pymongo.database import Database
from support.monitor import Monitor
from support.waiting import wait_for

from taxi_domain.metrics import CATALOGUE
from taxi_domain.mongodb import DATABASE, REPORTS
from taxi_domain.reports import ReportPart, RunState
from taxi_local.mongod import Mongod, running_mongod
from taxi_monitor.http.report_readers import MAX_WAITING
from taxi_monitor.http.report_routes import CONTENT_SECURITY_POLICY, MAX_PLAIN_BYTES
from taxi_monitor.metrics.report_gauges import ReportCollector, ReportWatch
from taxi_store.connection import Document, connect
from taxi_store.reports.report_runs import StartedRun, begin_run, end_run
from taxi_store.reports.reports import ReportContents, ReportEntry, load_report, store_report

pytestmark = pytest.mark.component

DAY = timedelta(days=1)
START = datetime(2021, 3, 1, 5, tzinfo=UTC)
PAGE = b"<!doctype html><title>March</title>" + b"<p>drift</p>" * 100
CONTENTS = ReportContents(b'{"verdict": "drift"}', PAGE, {"v1": b"{}"})


@pytest.fixture(scope="module")
def server() -> Iterator[Mongod]:
    with running_mongod() as one:
        yield one


@pytest.fixture(scope="module")
def monitor(server: Mongod, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Monitor]:
    one = Monitor(tmp_path_factory.mktemp("monitor"), server.uri, TAXI_MODEL="m").start()
    yield one
    one.stop()


@pytest.fixture
def database(server: Mongod) -> Iterator[Database[Document]]:
    """Return the monitor's database without any report."""
    with connect(server.uri, app_name="test") as client:
        client[DATABASE][REPORTS].delete_many({})
        yield client[DATABASE]


def entry(day: int = 0, model: str = "m") -> ReportEntry:
    start = START + day * DAY
    return ReportEntry(
        report_id=f"{model}-day-{day}", model=model, version=None, start=start, end=start + DAY,
        time_zone="America/New_York", verdict="drift", rows=12_345, score=1.5, problems=2,
        seconds=9.25, created_at=start + DAY + timedelta(hours=1),
    )  # fmt: skip


def get(monitor: Monitor, path: str, **headers: str) -> httpx.Response:
    # Who reads all authorities first asks much later than others at the same time.
    return httpx.get(f"{monitor.url}{path}", timeout=30, headers=headers, verify=False)


def probe(monitor: Monitor, path: str) -> httpx.Response:
    return httpx.get(f"{monitor.metrics_url}{path}", timeout=30, verify=False)


def raw(monitor: Monitor, path: str, accept: str | None) -> tuple[httpx.Headers, bytes]:
    """Return headers and body as they came."""
    request = httpx.Request("GET", f"{monitor.url}{path}")
    request.headers.pop("Accept-Encoding", None)
    if accept is not None:
        request.headers["Accept-Encoding"] = accept
    with httpx.Client(timeout=30) as client:
        response = client.send(request, stream=True)
        body = b"".join(response.iter_raw())
    assert response.status_code == 200, body
    return response.headers, body


def samples(text: str) -> dict[str, float]:
    return {
        one.name: one.value
        for family in text_string_to_metric_families(text)
        for one in family.samples if one.name.startswith("taxi_report_")
    }  # fmt: skip


def exported(watch: ReportWatch) -> dict[str, float]:
    """Return what the collector exports, by the metric's name without its beginning."""
    found = [one for family in ReportCollector(watch).collect() for one in family.samples]
    assert all(one.labels == {"model": watch.model} for one in found)
    return {one.name.removeprefix("taxi_report_"): one.value for one in found}


def test_without_reports_it_says_so(monitor: Monitor, database: Database[Document]) -> None:
    page = get(monitor, "/reports")

    assert page.status_code == 200
    assert "There is no report yet." in page.text
    assert "No run of a report is known." in page.text
    assert monitor.get("/v1/reports") == {
        "model": "m", "last_run": None, "last_scheduled_run": None, "reports": [],
        "problem": None,
    }  # fmt: skip


def test_the_page_of_verdicts_leads_to_the_reports(monitor: Monitor) -> None:
    assert '<a href="reports">' in get(monitor, "/").text


def test_reports_are_listed_newest_first_in_local_time(
    monitor: Monitor, database: Database[Document]
) -> None:
    # Clocks are put forward in the night to March 14.
    for day in (12, 13, 0):
        store_report(database, entry(day), CONTENTS)
    store_report(database, entry(20, "other"), CONTENTS)

    found = monitor.get("/v1/reports")["reports"]
    assert [one["id"] for one in found] == ["m-day-13", "m-day-12", "m-day-0"]
    assert found[1] == {
        "id": "m-day-12", "version": None, "from": "2021-03-13T05:00:00+00:00",
        "to": "2021-03-14T05:00:00+00:00", "time_zone": "America/New_York",
        "local_from": "2021-03-13T00:00:00-05:00", "local_to": "2021-03-14T00:00:00-05:00",
        "verdict": "drift", "score": 1.5, "rows": 12345, "problems": 2, "seconds": 9.25,
        "created_at": "2021-03-14T06:00:00+00:00", "has_html": True,
    }  # fmt: skip
    assert found[0]["local_to"] == "2021-03-15T01:00:00-04:00"
    assert [one["id"] for one in monitor.get("/v1/reports?limit=1")["reports"]] == ["m-day-13"]
    page = get(monitor, "/reports").text
    assert "2021-03-13 00:00 to 2021-03-14 00:00 (America/New_York)" in page
    assert page.index("m-day-13.json") < page.index("m-day-0.json")
    for text in ("12,345", "9.2 s", '<a href="reports/m-day-0">'):
        assert text in page


def test_the_last_run_is_told(monitor: Monitor, database: Database[Document]) -> None:
    begin_run(database, StartedRun("m", "r1", START))
    assert "Last run, of r1: running; began 2021-03-01T05:00:00+00:00." in (
        get(monitor, "/reports").text
    )

    end_run(
        database,
        StartedRun("m", "r1", START),
        RunState.FAILED,
        now=START + DAY,
        reason="MongoDB does not answer: <b>",
    )
    page = get(monitor, "/reports").text
    assert "failed: MongoDB does not answer: &lt;b&gt;; began" in page
    assert monitor.get("/v1/reports")["last_run"] == {
        "report": "r1", "state": "failed", "reason": "MongoDB does not answer: <b>",
        "started_at": "2021-03-01T05:00:00+00:00", "finished_at": "2021-03-02T05:00:00+00:00",
        "succeeded_at": None, "failed_at": "2021-03-02T05:00:00+00:00",
    }  # fmt: skip


def test_a_run_by_hand_hides_no_run_of_the_schedule(
    monitor: Monitor, database: Database[Document]
) -> None:
    end_run(
        database,
        StartedRun("m", "night", START, scheduled=True),
        RunState.FAILED,
        now=START,
        reason="no room",
    )
    assert get(monitor, "/reports").text.count("of night: failed: no room; began") == 1
    begin_run(database, StartedRun("m", "hand", START + DAY))

    page = get(monitor, "/reports").text
    assert "Last run, of hand: running; began" in page
    assert "Last run of the schedule, of night: failed: no room; began" in page
    found = monitor.get("/v1/reports")
    assert (found["last_run"]["report"], found["last_scheduled_run"]["report"]) == ("hand", "night")
    assert found["last_scheduled_run"]["reason"] == "no room"


def test_a_run_of_a_newer_release_hides_no_report(
    monitor: Monitor, database: Database[Document]
) -> None:
    store_report(database, entry(), CONTENTS)
    begin_run(database, StartedRun("m", "r", START))
    database[REPORTS].update_one({"_id": "run/m"}, {"$set": {"state": "paused"}})

    found = monitor.get("/v1/reports")
    assert [one["id"] for one in found["reports"]] == ["m-day-0"]
    assert "a newer release may have written it" in found["problem"]


@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Kathmandu"])
@pytest.mark.parametrize("year", [1, 9999])
def test_a_span_at_the_end_of_time_hides_no_report(
    monitor: Monitor, database: Database[Document], year: int, zone: str
) -> None:
    start = (
        datetime(year, 1, 1, tzinfo=UTC) if year == 1 else datetime(year, 12, 31, 23, tzinfo=UTC)
    )
    end = start + timedelta(minutes=59)
    store_report(database, entry(0), CONTENTS)
    store_report(database, replace(entry(1), start=start, end=end, time_zone=zone), CONTENTS)

    page = get(monitor, "/reports")
    assert page.status_code == 200
    assert ("m-day-0" in page.text, "m-day-1" in page.text) == (True, True)
    found = monitor.get("/v1/reports")["reports"]
    assert {one["id"] for one in found} == {"m-day-0", "m-day-1"}
    (told,) = (one["local_from"] for one in found if one["id"] == "m-day-1")
    assert datetime.fromisoformat(told) == start


@pytest.mark.parametrize("limit", ["0", "501", "-1", "ten", "", "1e3", "٣", "9" * 400])
@pytest.mark.parametrize("path", ["/reports", "/v1/reports"])
def test_a_limit_out_of_range_is_named(monitor: Monitor, path: str, limit: str) -> None:
    response = httpx.get(f"{monitor.url}{path}", params={"limit": limit}, timeout=10)

    assert response.status_code == 422
    assert response.headers["Content-Type"] == "application/problem+json"
    assert response.json()["field"] == "limit"
    assert "give 1 to 500" in response.json()["detail"]


@pytest.mark.parametrize("accept", ["gzip", "deflate, GZIP;q=0.5", "*", "br, *;q=0.1"])
def test_a_report_leaves_as_it_is_stored(
    monitor: Monitor, database: Database[Document], accept: str
) -> None:
    store_report(database, entry(), CONTENTS)

    for path, part in (("/reports/m-day-0", ReportPart.HTML),
                       ("/reports/m-day-0.json", ReportPart.JSON)):  # fmt: skip
        headers, body = raw(monitor, path, accept)
        assert headers["Content-Encoding"] == "gzip"
        assert headers["Vary"] == "Accept-Encoding"
        assert body == load_report(database, "m-day-0", part)


@pytest.mark.parametrize("accept", [None, "", "identity", "br", "gzip;q=0", "gzip;q=0, *"])
def test_who_takes_no_gzip_gets_it_unpacked(
    monitor: Monitor, database: Database[Document], accept: str | None
) -> None:
    store_report(database, entry(), CONTENTS)

    for path, content in (("/reports/m-day-0", PAGE), ("/reports/m-day-0.json", CONTENTS.json)):
        headers, body = raw(monitor, path, accept)
        assert "Content-Encoding" not in headers
        assert body == content


def test_a_report_is_kept_from_the_network_and_from_other_pages(
    monitor: Monitor, database: Database[Document]
) -> None:
    store_report(database, entry(), CONTENTS)

    kinds = {"/reports/m-day-0": "text/html; charset=utf-8",
             "/reports/m-day-0.json": "application/json"}  # fmt: skip
    for path, kind in kinds.items():
        headers = get(monitor, path).headers
        assert headers["Content-Security-Policy"] == CONTENT_SECURITY_POLICY
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Content-Type"] == kind
    assert "default-src 'none'" in CONTENT_SECURITY_POLICY
    assert "http" not in CONTENT_SECURITY_POLICY


def test_a_report_without_a_page_leads_to_its_json(
    monitor: Monitor, database: Database[Document]
) -> None:
    store_report(database, entry(), ReportContents(b'{"a": 1}'))

    response = get(monitor, "/reports/m-day-0")
    assert response.status_code == 200
    assert "This report has no page" in response.text
    assert '<a href="m-day-0.json">' in response.text
    assert get(monitor, "/reports/m-day-0.json").json() == {"a": 1}
    assert "(no page)" in get(monitor, "/reports").text


@pytest.mark.parametrize(
    "report_id", ["unknown", "unknown.json", "run%2Fm", "%24where", "a%20b", "x" * 301, "ü.json"]
)
def test_what_is_no_report_is_not_found(
    monitor: Monitor, database: Database[Document], report_id: str
) -> None:
    begin_run(database, StartedRun("m", "r", START))

    response = get(monitor, f"/reports/{report_id}")
    assert response.status_code == 404
    assert response.headers["Content-Type"] == "application/problem+json"


def test_a_damaged_report_is_told_with_its_remedy(
    monitor: Monitor, database: Database[Document]
) -> None:
    store_report(database, entry(), CONTENTS)
    for field, broken in (("html", gzip.compress(PAGE)[:-20]), ("json", b"no gzip")):
        database[REPORTS].update_one({"_id": "m-day-0"}, {"$set": {field: broken}})

    for path in ("/reports/m-day-0", "/reports/m-day-0.json"):
        response = get(monitor, path, **{"Accept-Encoding": "identity"})
        assert response.status_code == 500
        assert response.json()["detail"] == "report m-day-0: is damaged; make it again"


def test_a_report_too_large_to_be_unpacked_here_needs_gzip(
    monitor: Monitor, database: Database[Document]
) -> None:
    large = b"0" * (MAX_PLAIN_BYTES + 1)
    store_report(database, entry(), ReportContents(large))

    refused = get(monitor, "/reports/m-day-0.json", **{"Accept-Encoding": "identity"})
    assert refused.status_code == 406
    assert "accept gzip" in refused.json()["detail"]
    assert get(monitor, "/reports/m-day-0.json").content == large


def test_clients_that_take_nothing_hold_a_bounded_number_of_reports(
    monitor: Monitor, database: Database[Document]
) -> None:
    store_report(database, entry(), ReportContents(random.Random(1).randbytes(15_000_000)))
    store_report(database, entry(1), CONTENTS)

    def stalled() -> socket.socket:
        one = socket.create_connection(("127.0.0.1", monitor.port), timeout=60)
        one.sendall(
            b"GET /reports/m-day-0.json HTTP/1.1\r\nHost: m\r\nAccept-Encoding: gzip\r\n\r\n"
        )
        return one

    sockets = [stalled() for _ in range(4)]
    try:
        for one in sockets:
            assert one.recv(12) == b"HTTP/1.1 200"
        refused = get(monitor, "/reports/m-day-0.json")
        assert refused.status_code == 503
        assert refused.headers["Retry-After"] == "5"
        assert "too many are being sent" in refused.json()["detail"]
        assert get(monitor, "/reports/m-day-1").content == PAGE  # there is room for a small one
        assert probe(monitor, "/healthz").status_code == 200
    finally:
        for one in sockets:
            one.close()

    def served() -> bool:
        return get(monitor, "/reports/m-day-0.json").status_code == 200

    wait_for("room for a large report", served)


def test_while_mongodb_is_away_it_says_so(mongod: Mongod, tmp_path: Path) -> None:
    with connect(mongod.uri, app_name="test") as client:
        store_report(client[DATABASE], entry(), CONTENTS)
    monitor = Monitor(tmp_path, mongod.uri, TAXI_MODEL="m").start()
    try:
        wait_for("metrics of the report", lambda: samples(probe(monitor, "/metrics").text))
        known = samples(probe(monitor, "/metrics").text)
        mongod.kill()

        for path in ("/reports", "/v1/reports", "/reports/m-day-0", "/reports/m-day-0.json"):
            response = get(monitor, path)
            assert response.status_code == 503, path
            assert response.headers["Content-Type"] == "application/problem+json"
            assert "does not answer" in response.json()["detail"]
            assert response.headers["Retry-After"] == "5"
        # What it knew of the past stays true.
        assert samples(probe(monitor, "/metrics").text) == known
        mongod.start()
        wait_for("the report", lambda: get(monitor, "/reports/m-day-0").status_code == 200)
    finally:
        monitor.stop()


def test_open_reports_hold_up_no_probe_while_mongodb_hangs(mongod: Mongod, tmp_path: Path) -> None:
    with connect(mongod.uri, app_name="test") as client:
        store_report(client[DATABASE], entry(), CONTENTS)
    monitor = Monitor(tmp_path, mongod.uri, TAXI_MODEL="m").start()
    pages = ThreadPoolExecutor(24)
    try:
        wait_for("the report", lambda: get(monitor, "/reports/m-day-0").status_code == 200)
        mongod.hang()
        open_pages = [
            pages.submit(get, monitor, path)
            for path in ("/reports", "/v1/reports", "/reports/m-day-0", "/reports/m-day-0.json") * 6
        ]
        time.sleep(0.5)
        for ask, path in ((probe, "/metrics"), (get, "/v1/drift"), (probe, "/healthz")):
            assert ask(monitor, path).status_code == 200
            assert not all(page.done() for page in open_pages), f"{path} waited, too"
        answers = [one.result() for one in open_pages]
        assert {one.status_code for one in answers} == {503}
        assert {one.headers["Retry-After"] for one in answers} == {"5"}
        refused = [one for one in answers if "too many are asked for" in one.json()["detail"]]
        assert len(refused) == 24 - MAX_WAITING

        mongod.go_on()
        wait_for("the report", lambda: get(monitor, "/reports/m-day-0").status_code == 200)
    finally:
        mongod.go_on()
        pages.shutdown()
        monitor.stop()


def test_metrics_follow_the_store(monitor: Monitor, database: Database[Document]) -> None:
    end_run(database, StartedRun("m", "r", START), RunState.FAILED, now=START + 9 * DAY, reason="x")
    for state, day in ((RunState.DONE, 7), (RunState.FAILED, 8)):
        end_run(database, StartedRun("m", "r", START, scheduled=True), state, now=START + day * DAY)
    store_report(database, entry(), CONTENTS)

    expected = {
        "taxi_report_last_success_timestamp_seconds": (START + 7 * DAY).timestamp(),
        "taxi_report_last_failure_timestamp_seconds": (START + 9 * DAY).timestamp(),
        "taxi_report_last_scheduled_success_timestamp_seconds": (START + 7 * DAY).timestamp(),
        "taxi_report_last_scheduled_failure_timestamp_seconds": (START + 8 * DAY).timestamp(),
        "taxi_report_duration_seconds": 9.25,
        "taxi_report_rows": 12_345,
        "taxi_report_score_ratio": 1.5,
        "taxi_report_drift": 1,
    }
    # It may have looked between two of what was written, and knows older ones of before.
    wait_for("all of it", lambda: samples(probe(monitor, "/metrics").text) == expected)
    assert set(expected) == {one.name for one in CATALOGUE if one.name.startswith("taxi_report_")}


@pytest.mark.parametrize(
    ("verdict", "score", "expected"),
    [
        ("drift", 1.5, {"drift": 1.0, "score_ratio": 1.5}),
        ("no drift", 0.5, {"drift": 0.0, "score_ratio": 0.5}),
        ("no rows", None, {}),
    ],
)
def test_what_is_not_known_is_not_exported(
    database: Database[Document], verdict: str, score: float | None, expected: dict[str, float]
) -> None:
    watch = ReportWatch(database, "m")
    watch.refresh()
    assert exported(watch) == {}

    store_report(database, replace(entry(), verdict=verdict, score=score), CONTENTS)
    watch = ReportWatch(database, "m")
    watch.refresh()
    times = {"last_success_timestamp_seconds": entry().created_at.timestamp()}
    assert exported(watch) == {"duration_seconds": 9.25, "rows": 12_345.0, **times, **expected}


def test_the_end_of_the_last_good_run_counts_and_pruned_reports_do_not_take_it_back(
    database: Database[Document],
) -> None:
    store_report(database, entry(), CONTENTS)
    ended = entry().created_at + timedelta(seconds=3)
    end_run(database, StartedRun("m", "r", START), RunState.DONE, now=ended)
    begin_run(database, StartedRun("m", "r2", START + 9 * DAY))
    database[REPORTS].delete_many({"kind": "report"})

    watch = ReportWatch(database, "m")
    watch.refresh()
    assert exported(watch) == {"last_success_timestamp_seconds": ended.timestamp()}


@pytest.mark.parametrize(
    "broken",
    [
        {"rows": float("inf")}, {"rows": float("nan")}, {"seconds": "x"}, {"score": 10**18},
        {"from": datetime(1, 1, 1, tzinfo=UTC)}, {"verdict": {"$a": 1}}, {"problems": float("inf")},
        {"created_at": None}, {"report": float("inf")},
    ],
)  # fmt: skip
def test_a_document_that_nobody_wrote_ends_no_thread(
    database: Database[Document], broken: dict[str, Any]
) -> None:
    clock = itertools.count(0.0, 20.0)
    watch = ReportWatch(database, "m", clock=lambda: next(clock))
    store_report(database, entry(), CONTENTS)
    begin_run(database, StartedRun("m", "r", START))
    watch.refresh()
    assert exported(watch)["rows"] == 12_345
    database[REPORTS].update_many({}, {"$set": broken})
    watch.refresh()

    store_report(database, entry(), CONTENTS)
    begin_run(database, StartedRun("m", "r", START))
    watch.refresh()
    assert exported(watch)["rows"] == 12_345


def test_a_defect_in_one_document_is_logged_and_what_was_known_stays(
    database: Database[Document], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    clock = itertools.count(0.0, 20.0)
    watch = ReportWatch(database, "m", clock=lambda: next(clock))
    store_report(database, entry(), CONTENTS)
    watch.refresh()

    def defect(*_: object) -> None:
        raise RuntimeError("a defect")

    monkeypatch.setattr("taxi_monitor.metrics.report_gauges.list_reports", defect)
    for _ in range(3):
        watch.refresh()

    assert exported(watch)["rows"] == 12_345
    assert ["a defect" in str(vars(one)["reason"]) for one in caplog.records] == [True]


def test_mongodb_is_asked_every_15_seconds_at_most(database: Database[Document]) -> None:
    now = 100.0
    watch = ReportWatch(database, "m", clock=lambda: now)
    watch.refresh()
    store_report(database, entry(), CONTENTS)

    now = 114.9
    watch.refresh()
    assert exported(watch) == {}
    now = 115.1
    watch.refresh()
    assert exported(watch)["rows"] == 12_345


def test_each_problem_is_logged_once_and_nothing_is_forgotten(
    mongod: Mongod, caplog: pytest.LogCaptureFixture
) -> None:
    clock = itertools.count(0.0, 20.0)
    with (
        connect(mongod.uri, app_name="test") as patient,
        connect(mongod.uri, app_name="test", timeout_seconds=1) as client,
    ):
        store_report(patient[DATABASE], entry(), CONTENTS)
        watch = ReportWatch(client[DATABASE], "m", clock=lambda: next(clock))
        watch.refresh()
        mongod.kill()
        for _ in range(5):
            watch.refresh()

    assert exported(watch)["rows"] == 12_345
    # A connection that breaks is another problem than one that is refused.
    reasons = [vars(one)["reason"] for one in caplog.records]
    assert 1 <= len(reasons) == len(set(reasons)) <= 2
