"""The verdict of a whole report, and what is said when something of it is missing."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from zoneinfo import ZoneInfo

import pytest
from support.report_rides import collapse, collapse_document
from support.report_rows import columns_of, layout, reference, rows_of

from taxi_domain.errors import NotAvailableError
from taxi_domain.reports import DRIFT, NO_DRIFT, NO_REFERENCE, NO_ROWS
from taxi_report import steps
from taxi_report.collect.partition import Part, Task
from taxi_report.collect.run import Outcome
from taxi_report.document import Served, VersionFacts, document_of
from taxi_report.profile.version import profile_of
from taxi_report.render import page
from taxi_report.request import Request
from taxi_report.results import Collected, Compared
from taxi_report.settings import Settings
from taxi_report.spans import Span
from taxi_report.steps import rendered
from taxi_report.subject import Subject

START = datetime(2021, 1, 4, tzinfo=UTC)
SPAN = Span(START, START + timedelta(days=28), ZoneInfo("UTC"))
SERVED = Served(
    rows=6000, rows_before=100, refused=0, unlogged=0, unreadable={}, unprofiled={}
)  # fmt: skip
REFERENCE, REFERENCE_ROWS = reference()
LAYOUT = layout(REFERENCE)


def version(name: str, rows: int, stretch: float, *, before: bool = True) -> VersionFacts:
    """Return a version whose numbers are stretched."""
    current = profile_of(rows_of(columns_of(rows, 7, stretch=stretch)), LAYOUT)
    expected = profile_of(REFERENCE_ROWS, LAYOUT)
    named = replace(LAYOUT, version=name)
    return VersionFacts(named, REFERENCE, expected, current, expected if before else None)


def report(served: Served, versions: list[VersionFacts], *problems: str) -> dict[str, Any]:
    return document_of(Subject("m", SPAN, None), served, versions, problems)


def test_a_smaller_version_that_drifts_is_not_hidden_by_a_larger_one() -> None:
    champion, candidate = version("champion", 4000, 1.0), version("candidate", 2000, 3.0)

    found = report(SERVED, [champion, candidate])

    assert [one["verdict"] for one in found["versions"]] == [NO_DRIFT, DRIFT]
    assert found["verdict"] == DRIFT
    assert report(SERVED, [champion])["verdict"] == NO_DRIFT


def test_rows_without_a_reference_are_not_no_rows() -> None:
    served = replace(SERVED, unprofiled={"v": (6000, "its artifact is gone")})

    found = report(served, [], "6,000 rows of version v were counted only.")

    assert found["verdict"] == NO_REFERENCE
    assert found["words"][0].startswith("6,000 rows answered")


def test_no_row_is_claimed_only_where_all_was_read() -> None:
    none = replace(SERVED, rows=0)

    assert report(none, [])["verdict"] == NO_ROWS
    assert report(none, [])["words"] == ["No row was answered in this span."]
    assert "could be read" in report(none, [], "1 of 3 partitions ...")["words"][0]


def test_a_version_that_is_new_says_why_there_is_no_drift_from_the_span_before() -> None:
    new = report(SERVED, [version("v2", 4000, 1.0, before=False)])
    old = report(SERVED, [version("v2", 4000, 1.0)])

    sentence = "Version v2 answered nothing in the span before"
    assert [one for one in new["words"] if one.startswith(sentence)]
    assert not [one for one in old["words"] if one.startswith(sentence)]


def test_a_log_of_which_nothing_can_be_read_has_no_report(monkeypatch: pytest.MonkeyPatch) -> None:
    failed = Outcome(Part(0, {}, {}, {}), {0: "a bad disk", 1: "a bad disk"})
    monkeypatch.setattr(steps, "collect", lambda *_args, **_options: failed)
    settings = Settings(TAXI_MONGODB_URI="mongodb://none")
    subject = Subject(settings.model, SPAN, None)
    request = Request(subject, settings, cast("Any", None), with_html=False, now=SPAN.end)
    tasks = [cast("Task", None)] * 2

    with pytest.raises(NotAvailableError, match=r"none of 2 partitions .* a bad disk"):
        steps.profile_rows(request, Collected(tasks, []), cast("Any", None))


def test_a_page_that_cannot_be_made_costs_no_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "MAX_BYTES", 1000)
    document = collapse_document()
    start = datetime(2021, 3, 1, tzinfo=UTC)
    subject = Subject("m", Span(start, start + timedelta(days=1), ZoneInfo("UTC")), None)
    compared = Compared(document, [], [])

    first, again = (rendered(subject, compared, 100, with_html=True) for _ in range(2))

    assert first.contents.html is None
    said = json.loads(first.contents.json)["problems"]
    assert said[:-1] == document["problems"]
    assert said[-1].startswith("The page could not be made: ValueError: ")
    assert again.contents == first.contents


def test_an_rmse_that_is_no_number_keeps_no_page_from_being_made() -> None:
    document = collapse_document()
    (only,) = document["versions"]
    only = {**only, "performance": {**only["performance"], "rmse": None}}

    assert b"</html>" in page.page_of({**document, "versions": [only]}, {})
    assert collapse().facts.current.rows == only["rows"]
