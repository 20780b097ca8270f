"""Reports in a real mongod: replaced as a whole, listed without their contents, pruned."""

import gzip
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from threading import Barrier

import pytest
from pymongo.database import Database
from pymongo.errors import OperationFailure

from taxi_domain.errors import FieldError
from taxi_domain.mongodb import REPORTS
from taxi_domain.reports import ReportPart, RunState
from taxi_local.mongod import Mongod, running_mongod
from taxi_store.admin.indexes import NEWEST_REPORT_FIRST, REPORT_FIELDS
from taxi_store.admin.users import Credential, Users
from taxi_store.connection import Document, StoreUnavailableError, connect
from taxi_store.log import prediction_log as log
from taxi_store.log.malformed import Unreadable
from taxi_store.log.partitions import plan
from taxi_store.reports.report_runs import MAX_REASON, StartedRun, begin_run, end_run, latest_run
from taxi_store.reports.reports import (
    ReportContents,
    ReportEntry,
    UnknownReportError,
    list_reports,
    load_report,
    load_snapshots,
    prune_reports,
    store_report,
)

pytestmark = pytest.mark.component

DAY = timedelta(days=1)
START = datetime(2021, 3, 1, tzinfo=UTC)
CONTENTS = ReportContents(b'{"verdict": "drift"}', b"<p>drift</p>", {"v1.json": b"{}"})


@pytest.fixture
def database(shared_mongod: Mongod) -> Iterator[Database[Document]]:
    with connect(shared_mongod.uri, app_name="test") as client:
        yield client[f"reports-{uuid.uuid4().hex[:8]}"]


def entry(day: int = 0, model: str = "m") -> ReportEntry:
    start = START + day * DAY
    end = start + DAY
    return ReportEntry(
        report_id=f"{model}-{start:%Y%m%dT%H%M%SZ}-{end:%Y%m%dT%H%M%SZ}", model=model,
        version=None, start=start, end=end, time_zone="America/New_York", verdict="drift",
        rows=100 + day, score=1.5, problems=0, seconds=2.5,
        created_at=end + timedelta(hours=1), has_html=True,
    )  # fmt: skip


def test_a_report_comes_back_as_it_was_stored(database: Database[Document]) -> None:
    assert store_report(database, entry(), CONTENTS) == []

    assert list_reports(database, "m", 10) == [entry()]
    for part, content in ((ReportPart.JSON, CONTENTS.json), (ReportPart.HTML, CONTENTS.html)):
        stored = load_report(database, entry().report_id, part)
        assert stored is not None
        assert gzip.decompress(stored) == content
    assert load_snapshots(database, entry().report_id) == CONTENTS.snapshots


def test_a_report_without_a_page_says_so(database: Database[Document]) -> None:
    store_report(database, entry(), ReportContents(b"{}"))

    assert load_report(database, entry().report_id, ReportPart.HTML) is None
    assert not list_reports(database, "m", 1)[0].has_html
    assert load_snapshots(database, entry().report_id) == {}


@pytest.mark.parametrize("report_id", ["unknown", "run/m", "", "a" * 1000])
def test_an_unknown_report_is_named(database: Database[Document], report_id: str) -> None:
    begin_run(database, StartedRun("m", "r", START))

    with pytest.raises(UnknownReportError, match="there is none; list"):
        load_report(database, report_id, ReportPart.JSON)


def test_a_rerun_replaces_all_of_the_report(database: Database[Document]) -> None:
    store_report(database, entry(), CONTENTS)
    store_report(database, replace(entry(), verdict="no drift"), ReportContents(b"[]"))

    (found,) = list_reports(database, "m", 10)
    assert (found.verdict, found.has_html) == ("no drift", False)
    assert load_snapshots(database, entry().report_id) == {}


def test_many_at_once_leave_exactly_one_whole_report(database: Database[Document]) -> None:
    workers, rounds = 8, 25
    barrier = Barrier(workers)

    def store(worker: int) -> None:
        for day in range(rounds):
            barrier.wait(30)
            text = f"{worker}".encode()
            one = replace(entry(day), rows=worker)
            store_report(database, one, ReportContents(text, text, {"s": text}))

    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(store, range(workers)))

    found = list_reports(database, "m", 500)
    assert len(found) == rounds == database[REPORTS].count_documents({})
    for one in found:
        parts = [load_report(database, one.report_id, part) for part in ReportPart]
        texts = {gzip.decompress(part or b"") for part in parts}
        texts |= set(load_snapshots(database, one.report_id).values())
        assert texts == {f"{one.rows}".encode()}


def test_reports_are_listed_by_the_end_of_their_span(database: Database[Document]) -> None:
    for day in (3, 1, 2):
        store_report(database, entry(day), CONTENTS)
    store_report(database, entry(9, "other"), CONTENTS)
    begin_run(database, StartedRun("m", "r", START))

    assert list_reports(database, "m", 2) == [entry(3), entry(2)]


@pytest.mark.parametrize("limit", [0, -1, 501])
def test_a_list_has_a_bound(database: Database[Document], limit: int) -> None:
    with pytest.raises(FieldError, match="limit"):
        list_reports(database, "m", limit)


def test_a_list_reads_no_documents(database: Database[Document]) -> None:
    for day in range(20):
        store_report(database, entry(day), CONTENTS)

    explained = database.command(
        {"explain": {
            "find": REPORTS, "filter": {"model": "m", "kind": "report"},
            "projection": dict.fromkeys(("_id", *REPORT_FIELDS), 1),
            "sort": dict(NEWEST_REPORT_FIRST), "limit": 10,
        }}
    )["executionStats"]  # fmt: skip
    assert explained["nReturned"] == 10
    assert (explained["totalKeysExamined"], explained["totalDocsExamined"]) == (10, 0)


def test_one_that_nobody_can_read_does_not_hide_the_others(database: Database[Document]) -> None:
    store_report(database, entry(1), CONTENTS)
    database[REPORTS].insert_one(
        {"_id": "x", "kind": "report", "model": "m", "to": START + 9 * DAY}
    )

    assert list_reports(database, "m", 10) == [entry(1)]


def test_what_was_made_long_ago_or_beyond_the_count_goes(database: Database[Document]) -> None:
    for day in range(10):
        store_report(database, entry(day), CONTENTS)
    store_report(database, entry(0, "other"), CONTENTS)
    begin_run(database, StartedRun("m", "r", START))
    now = entry(9).created_at

    def pruned(keep_count: int, keep_age: timedelta) -> list[str]:
        return prune_reports(database, "m", keep_count=keep_count, keep_age=keep_age, now=now)

    assert pruned(0, timedelta(0)) == pruned(10, 9 * DAY) == []
    assert pruned(0, 7 * DAY) == [entry(1).report_id, entry(0).report_id]
    assert pruned(5, 7 * DAY) == [entry(day).report_id for day in (4, 3, 2)]
    assert list_reports(database, "m", 10) == [entry(day) for day in (9, 8, 7, 6, 5)]
    assert list_reports(database, "other", 10) == [entry(0, "other")]
    assert latest_run(database, "m") is not None


def test_a_late_report_of_an_old_span_stays_by_its_own_age(database: Database[Document]) -> None:
    store_report(database, entry(8), CONTENTS)
    late = replace(entry(0), created_at=entry(9).created_at)
    store_report(database, late, CONTENTS)

    prune_reports(database, "m", keep_count=1, keep_age=5 * DAY, now=entry(9).created_at)

    assert list_reports(database, "m", 10) == [late]


def test_negative_limits_are_refused(database: Database[Document]) -> None:
    with pytest.raises(FieldError, match="keep_age"):
        prune_reports(database, "m", keep_count=1, keep_age=-DAY, now=START)


def test_a_run_is_told_from_its_begin_to_its_end(database: Database[Document]) -> None:
    assert latest_run(database, "m") is None

    begin_run(database, StartedRun("m", "r1", START))
    begun = latest_run(database, "m")
    end_run(database, StartedRun("m", "r1", START), RunState.DONE, now=START + DAY)
    done = latest_run(database, "m")

    assert begun is not None
    assert (begun.state, begun.report_id, begun.finished_at) == (RunState.RUNNING, "r1", None)
    assert begun.succeeded_at is None
    assert done is not None
    assert (done.state, done.started_at, done.finished_at) == (RunState.DONE, START, START + DAY)
    assert (done.succeeded_at, done.failed_at) == (START + DAY, None)


def test_the_next_run_does_not_hide_that_the_last_one_failed(
    database: Database[Document],
) -> None:
    end_run(database, StartedRun("m", "r1", START), RunState.DONE, now=START)
    end_run(
        database,
        StartedRun("m", "r2", START),
        RunState.FAILED,
        now=START + DAY,
        reason="MongoDB does not answer: " + "x" * 1000,
    )
    failed = latest_run(database, "m")
    begin_run(database, StartedRun("m", "r3", START + 2 * DAY))
    begun = latest_run(database, "m")

    assert failed is not None
    assert failed.reason.startswith("MongoDB does not answer: xxx")
    assert len(failed.reason) == MAX_REASON
    assert begun is not None
    assert (begun.state, begun.reason, begun.failed_at) == (RunState.RUNNING, "", START + DAY)
    assert begun.succeeded_at == START


def test_a_run_beside_the_schedule_does_not_hide_what_became_of_the_schedule_s(
    database: Database[Document],
) -> None:
    assert latest_run(database, "m", scheduled=True) is None
    begin_run(database, StartedRun("m", "night", START, scheduled=True))
    end_run(
        database,
        StartedRun("m", "night", START, scheduled=True),
        RunState.FAILED,
        now=START + DAY,
        reason="no room",
    )
    both = [latest_run(database, "m", scheduled=kind) for kind in (False, True)]
    begin_run(database, StartedRun("m", "hand", START + 2 * DAY))
    end_run(database, StartedRun("m", "hand", START + 2 * DAY), RunState.DONE, now=START + 3 * DAY)

    last, night = (latest_run(database, "m", scheduled=kind) for kind in (False, True))
    assert both == [night, night]
    assert last is not None
    assert night is not None
    assert (night.report_id, night.state, night.reason) == ("night", RunState.FAILED, "no room")
    assert (night.succeeded_at, night.failed_at) == (None, START + DAY)
    assert (last.report_id, last.state) == ("hand", RunState.DONE)
    assert (last.succeeded_at, last.failed_at) == (START + 3 * DAY, START + DAY)


def test_runs_of_two_processes_share_one_document(database: Database[Document]) -> None:
    barrier = Barrier(8)

    def run(number: int) -> None:
        barrier.wait(30)
        now = START + number * DAY
        end_run(database, StartedRun("m", f"r{number}", START), RunState.DONE, now=now)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(run, range(8)))

    found = latest_run(database, "m")
    assert found is not None
    assert found.succeeded_at == START + 7 * DAY
    assert database[REPORTS].count_documents({}) == 1


def test_a_mongodb_that_is_away_is_told(mongod: Mongod) -> None:
    with connect(mongod.uri, app_name="test", timeout_seconds=0.5) as client:
        mongod.kill()
        for call in (
            lambda: store_report(client["taxi"], entry(), CONTENTS),
            lambda: list_reports(client["taxi"], "m", 1),
            lambda: begin_run(client["taxi"], StartedRun("m", "r", START)),
            lambda: latest_run(client["taxi"], "m"),
        ):
            with pytest.raises(StoreUnavailableError, match="does not answer"):
                call()


def test_the_user_report_may_do_just_this() -> None:
    wanted = {name: Credential(name, f"of {name}") for name in ("root", "monitor", "report")}
    with running_mongod("--auth") as server:
        Users(f"127.0.0.1:{server.port}").apply(wanted)

        def uri(name: str) -> str:
            return f"mongodb://{name}:of {name}@127.0.0.1:{server.port}/taxi?authSource=taxi"

        with connect(uri("report"), app_name="test") as client:
            database = client["taxi"]
            begin_run(database, StartedRun("m", "r", START))
            store_report(database, entry(), CONTENTS)
            end_run(database, StartedRun("m", "r", START), RunState.DONE, now=START)
            assert plan(database, "m", START, START + DAY) == []
            assert log.labels_of(database, ["a"], Unreadable(lambda *_: None)) == {}
            assert database["artifacts.files"].find_one() is None
            assert database["aliases"].find_one() is None
            later = entry().created_at + 2 * DAY
            removed = prune_reports(database, "m", keep_count=0, keep_age=DAY, now=later)
            assert removed == [entry().report_id]
            for forbidden in (
                lambda: database["predictions"].insert_one({}),
                lambda: database["labels"].delete_many({}),
                lambda: database["models"].update_one({}, {"$set": {"state": "accepted"}}),
                lambda: database["aliases"].insert_one({}),
                lambda: database["runs"].find_one(),
            ):
                with pytest.raises(OperationFailure, match="not authorized"):
                    forbidden()
        with connect(uri("monitor"), app_name="test") as client:
            assert list_reports(client["taxi"], "m", 1) == []
            with pytest.raises(StoreUnavailableError, match="not authorized"):
                begin_run(client["taxi"], StartedRun("m", "r", START))
