"""Freeze windows: single spans, weeks, zones, the nights of the clock change."""

from datetime import UTC, datetime
from typing import Any

import pytest

from taxi_domain.errors import FieldError
from taxi_operator.spec.freeze import frozen_until, windows_of

WEEKEND = {"days": ["Fri"], "from": "18:00", "to": "08:00", "timeZone": "Europe/Paris"}


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def end_of(window: dict[str, Any], now: str) -> str:
    end = frozen_until(windows_of([window], "spec.freezeWindows"), at(now))
    return "" if end is None else datetime.fromtimestamp(end, UTC).isoformat(timespec="minutes")


@pytest.mark.parametrize(
    ("now", "end"),
    [
        ("2026-01-09T16:59", ""),
        ("2026-01-09T17:00", "2026-01-10T07:00+00:00"),  # Friday, 18:00 in Paris
        ("2026-01-10T06:59", "2026-01-10T07:00+00:00"),
        ("2026-01-10T07:00", ""),
        ("2026-01-08T17:30", ""),
        ("2026-07-10T16:00", "2026-07-11T06:00+00:00"),  # summer
    ],
)
def test_window_of_every_week_goes_by_the_clocks_of_its_zone(now: str, end: str) -> None:
    assert end_of(WEEKEND, now) == end


def test_window_over_the_change_of_clocks_ends_at_the_local_time() -> None:
    window = {"days": ["Sat"], "from": "22:00", "to": "06:00", "timeZone": "Europe/Paris"}

    assert end_of(window, "2026-03-29T00:30") == "2026-03-29T04:00+00:00"
    assert end_of(window, "2026-10-25T03:00") == "2026-10-25T05:00+00:00"


def test_longest_of_the_windows_that_hold_a_time_counts() -> None:
    spans = [
        {"start": "2026-01-01T00:00:00Z", "end": "2026-01-02T00:00:00Z"},
        {"start": "2025-12-24T00:00:00+01:00", "end": "2026-01-06T00:00:00Z"},
    ]
    windows = windows_of(spans, "f")

    assert frozen_until(windows, at("2026-01-01T12:00")) == at("2026-01-06T00:00")
    assert frozen_until(windows, at("2026-01-06T00:00")) is None
    assert frozen_until((), at("2026-01-01T12:00")) is None


@pytest.mark.parametrize(
    ("window", "field"),
    [
        ({**WEEKEND, "days": ["Friday"]}, r"f\[0\].days"),
        ({**WEEKEND, "from": "24:00"}, r"f\[0\].from"),
        ({**WEEKEND, "timeZone": "Mars/Olympus"}, r"f\[0\].timeZone"),
        ({**WEEKEND, "timeZone": "../../etc/passwd"}, r"f\[0\].timeZone"),
        ({"start": "2026-01-01T00:00:00", "end": "2026-01-02T00:00:00Z"}, r"f\[0\].start"),
        ({"start": "2026-01-02T00:00:00Z", "end": "2026-01-01T00:00:00Z"}, r"f\[0\].end"),
    ],
)
def test_window_that_cannot_be_used_is_refused_with_its_field(
    window: dict[str, Any], field: str
) -> None:
    with pytest.raises(FieldError, match=field):
        windows_of([window], "f")
