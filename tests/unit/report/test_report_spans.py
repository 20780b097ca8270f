"""Spans as people give them, also on the days when clocks are changed."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from taxi_domain.errors import FieldError
from taxi_domain.reports import report_id
from taxi_report.spans import last, span_between
from taxi_store.reports.reports import is_report_id

NEW_YORK = ZoneInfo("America/New_York")
NOW = datetime(2026, 11, 26, 5, 0, 42, 123456, tzinfo=UTC)


@pytest.mark.parametrize(
    ("start", "end", "hours"),
    [
        ("2021-11-07", "2021-11-08", 25),
        ("2021-03-14", "2021-03-15", 23),
        ("2021-03-14T00:00-05:00", "2021-03-14T05:00Z", 0),
        ("2021-06-01T08:30", "2021-06-01T09:30", 1),
    ],
)
def test_days_are_as_long_as_the_clock_makes_them(start: str, end: str, hours: int) -> None:
    if not hours:
        with pytest.raises(FieldError, match="to: is not after"):
            span_between(start, end, NEW_YORK, NOW)
        return
    span = span_between(start, end, NEW_YORK, NOW)

    assert span.end - span.start == timedelta(hours=hours)
    assert span.before.end == span.start
    assert span.before.end - span.before.start == span.end - span.start


def test_an_hour_that_comes_twice_is_the_first_of_both() -> None:
    span = span_between("2021-11-07T01:30", "2021-11-07T03:00", NEW_YORK, NOW)

    assert span.start == datetime(2021, 11, 7, 5, 30, tzinfo=UTC)
    assert span.local(span.start) == "2021-11-07T01:30:00-04:00"


def test_the_future_has_no_rows_yet() -> None:
    assert span_between("2026-11-26", "2027-01-01", NEW_YORK, NOW).end == NOW


def test_an_end_that_another_clock_gave_stays() -> None:
    soon = NOW.replace(microsecond=0) + timedelta(seconds=40)

    assert span_between("2026-11-25", soon.isoformat(), NEW_YORK, NOW).end == soon


def test_the_last_hours_end_at_a_whole_minute() -> None:
    span = last("24h", NEW_YORK, NOW)

    assert span.end == datetime(2026, 11, 26, 5, 0, tzinfo=UTC)
    assert span.end - span.start == timedelta(hours=24)


@pytest.mark.parametrize(
    "runs",
    [
        # Clocks are put back, put forward; the second Job starts a minute later in its hour.
        ("2021-11-06T05:15", "2021-11-07T05:16", "2021-11-08T06:15"),
        ("2021-03-13T06:15", "2021-03-14T06:15", "2021-03-15T05:17"),
    ],
)
def test_reports_of_consecutive_days_leave_no_gap(runs: tuple[str, ...]) -> None:
    spans = [last("1d", NEW_YORK, datetime.fromisoformat(f"{one}:30+00:00")) for one in runs]

    assert [one.start for one in spans[1:]] == [one.end for one in spans[:-1]]
    assert {one.local(one.end)[11:19] for one in spans} == {"00:00:00"}
    # Another attempt of the same day is the same report.
    again = datetime.fromisoformat(f"{runs[0]}:59+00:00") + timedelta(hours=3)
    assert last("1d", NEW_YORK, again) == spans[0]


def test_ids_of_different_spans_differ() -> None:
    starts = (NOW, NOW + timedelta(milliseconds=1), NOW.replace(microsecond=0))

    found = {report_id("m", one, NOW + timedelta(hours=1)) for one in starts}

    assert len(found) == 3
    assert all(is_report_id(one) for one in found)


@pytest.mark.parametrize("text", ["", "24", "h", "0h", "-1h", "1y", "24h7d", "999999h", "9999d"])
def test_what_is_no_length_is_refused(text: str) -> None:
    with pytest.raises(FieldError, match=r"last: .* give 24h"):
        last(text, NEW_YORK, NOW)


@pytest.mark.parametrize(
    ("start", "end", "message"),
    [
        ("yesterday", "2021-01-02", "from: 'yesterday' is no time"),
        ("2021-01-01", "2021-13-01", "to: '2021-13-01' is no time"),
        ("2021-01-02", "2021-01-01", "to: is not after"),
        ("2000-01-01", "2021-01-01", "from: is more than"),
    ],
)
def test_what_is_no_span_is_refused(start: str, end: str, message: str) -> None:
    with pytest.raises(FieldError, match=message):
        span_between(start, end, NEW_YORK, NOW)
