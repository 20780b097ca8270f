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


def day_of(moment: datetime, zone: ZoneInfo) -> date:
    """Return the day that a moment belongs to: each one is in exactly one.

    It is the local date, but where clocks go back or forward over midnight: a day begins once, and
    what then has the date of the day before is still of the day that began.
    """
    day = moment.astimezone(zone).date()
    while moment < begin_of(day, zone):
        day -= timedelta(days=1)
    while moment >= begin_of(day + timedelta(days=1), zone):
        day += timedelta(days=1)
    return day


def last_closed(now: datetime, closed_after: timedelta, zone: ZoneInfo) -> datetime:
    """Return the end of the last day that ended so long ago, UTC."""
    return begin_of((now - closed_after).astimezone(zone).date(), zone)
