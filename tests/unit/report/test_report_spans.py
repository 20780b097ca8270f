"""Spans as people give them, also on the days when clocks are changed."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from taxi_domain.errors import FieldError
from taxi_report.spans import last, span_between

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


def test_the_last_hours_end_at_a_whole_minute() -> None:
    span = last("24h", NEW_YORK, NOW)

    assert span.end == datetime(2026, 11, 26, 5, 0, tzinfo=UTC)
    assert span.end - span.start == timedelta(hours=24)


@pytest.mark.parametrize("text", ["", "24", "h", "0h", "-1h", "1y", "24h7d", "999999h"])
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
