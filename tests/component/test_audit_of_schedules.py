"""What goes by rules that people set is in the audit: fewer days of the log, old reports."""

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import pytest
from pymongo.database import Database

from taxi_domain.mongodb import LABELS, PREDICTIONS, REPORTS, ROWS
from taxi_local.mongod import Mongod
from taxi_report.request import Request
from taxi_report.results import Rendered
from taxi_report.spans import Span
from taxi_report.steps import store_report
from taxi_report.subject import Subject
from taxi_store.admin.audit import Action, AuditEntry, Stage, ensure_audit, entries
from taxi_store.admin.indexes import ensure_indexes
from taxi_store.admin.retention import Retention
from taxi_store.connection import Document, connect
from taxi_store.reports.reports import ReportContents, list_reports

pytestmark = pytest.mark.component

DAY = timedelta(days=1)
START = datetime(2021, 3, 1, tzinfo=UTC)
KEEP = 2


@pytest.fixture
def database(shared_mongod: Mongod) -> Iterator[Database[Document]]:
    with connect(shared_mongod.uri, app_name="test") as client:
        yield client[f"audit-{uuid.uuid4().hex[:8]}"]


def done(database: Database[Document], action: Action) -> list[AuditEntry]:
    """Return the entries of what was done, oldest first."""
    found = [one for one in entries(database, 100) if one.stage is Stage.DONE]
    assert {one.action for one in found} <= {action}
    return found[::-1]


def test_a_changed_retention_is_noted_once_with_what_it_was(database: Database[Document]) -> None:
    begun = [Retention(90, 90)] * 2
    changed = [Retention(30, 90), Retention(30, 90), Retention(0, 0), Retention(0, 0)]
    for one in [*begun, *changed]:
        ensure_indexes(database, retention=one)

    first, second = done(database, Action.CHANGE_RETENTION)
    assert first.before == {PREDICTIONS: 90, ROWS: 90}
    assert first.after == {PREDICTIONS: 30, ROWS: 30}
    assert second.before == {PREDICTIONS: 30, ROWS: 30, LABELS: 90}
    assert second.after == {PREDICTIONS: 0, ROWS: 0, LABELS: 0}
    assert {(one.by, one.reason) for one in (first, second)} == {("release", "mongodb.retention")}


def test_a_log_that_was_kept_for_ever_and_is_no_more_is_noted(
    database: Database[Document],
) -> None:
    ensure_indexes(database)
    ensure_indexes(database, retention=Retention(0, 0))
    ensure_indexes(database, retention=Retention(90, 0))

    (only,) = done(database, Action.CHANGE_RETENTION)
    assert (only.before, only.after) == ({PREDICTIONS: 0, ROWS: 0}, {PREDICTIONS: 90, ROWS: 90})


def make_report(database: Database[Document], day: int) -> None:
    span = Span(START + day * DAY, START + (day + 1) * DAY, ZoneInfo("UTC"))
    settings = SimpleNamespace(keep_reports=KEEP, keep_days=0)
    request = Request(
        Subject("m", span, None), settings, database, with_html=False, now=span.end  # type: ignore[arg-type]
    )  # fmt: skip
    document = {"versions": [], "verdict": "ok", "served": {"rows": 1}, "problems": []}
    store_report(request, Rendered(document, ReportContents(b"{}", None, {})))


def test_reports_that_go_for_a_new_one_are_noted(database: Database[Document]) -> None:
    ensure_audit(database)
    for day in range(KEEP + 2):
        make_report(database, day)

    assert len(list_reports(database, "m", 100)) == KEEP
    found = done(database, Action.PRUNE)
    assert [one.counts for one in found] == [{REPORTS: 1}] * 2
    assert found[0].what == {"model": "m", "keep": KEEP, "days": 0}


def test_a_report_is_stored_where_its_user_may_not_note(
    database: Database[Document], caplog: pytest.LogCaptureFixture
) -> None:
    for day in range(KEEP + 1):
        make_report(database, day)

    assert len(list_reports(database, "m", 100)) == KEEP
    assert "audit: is not written" in caplog.text
