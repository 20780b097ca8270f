"""Local days: when they begin, and when they are closed."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo


@dataclass(frozen=True, slots=True)
class Days:
    """Which days are exported.

    Attributes:
        start: Begin of the first day, UTC.
        end: End of the last day, UTC.
        zone: In which days begin.
        again: Whether days that are complete are written again.
    """

    start: datetime
    end: datetime
    zone: ZoneInfo
    again: bool = False


def begin_of(day: date, zone: ZoneInfo) -> datetime:
    """Return when a local day begins, UTC: at the first midnight where there are two."""
    return datetime.combine(day, time(), zone).astimezone(UTC)


def last_closed(now: datetime, closed_after: timedelta, zone: ZoneInfo) -> datetime:
    """Return the end of the last day that ended so long ago, UTC."""
    return begin_of((now - closed_after).astimezone(zone).date(), zone)
