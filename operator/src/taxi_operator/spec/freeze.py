"""Times in which nothing is promoted. Pure."""

import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from taxi_domain.errors import FieldError

Spec = Mapping[str, Any]

DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MAX_WINDOWS: Final = 16
_CLOCK: Final = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")
_ZONE: Final = re.compile(r"[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+){0,2}")


@dataclass(frozen=True, slots=True)
class Span:
    """One span of time, seconds since the epoch."""

    start: float
    end: float

    def end_at(self, now: float) -> float | None:
        """Return when it ends, None when a time is not within it."""
        return self.end if self.start <= now < self.end else None


@dataclass(frozen=True, slots=True)
class Weekly:
    """A span of every week, by the clocks of a zone.

    Attributes:
        days: Days on which it begins; 0 is Monday.
        start: When it begins.
        end: When it ends: on the next day unless that is later than the begin.
        zone: Whose clocks are meant.
    """

    days: frozenset[int]
    start: time
    end: time
    zone: ZoneInfo

    def end_at(self, now: float) -> float | None:
        """Return when it ends, None when a time is not within it."""
        today = datetime.fromtimestamp(now, self.zone).date()
        for day in (today - timedelta(days=1), today):
            if day.weekday() in self.days:
                start, end = self._of(day)
                if start <= now < end:
                    return end
        return None

    def _of(self, day: date) -> tuple[float, float]:
        last = day if self.end > self.start else day + timedelta(days=1)
        start = datetime.combine(day, self.start, self.zone)
        return start.timestamp(), datetime.combine(last, self.end, self.zone).timestamp()


FreezeWindow = Span | Weekly


def frozen_until(windows: Iterable[FreezeWindow], now: float) -> float | None:
    """Return when the windows that hold a time end, None when there is none."""
    return max((end for one in windows if (end := one.end_at(now)) is not None), default=None)


def windows_of(found: Sequence[Spec], field: str) -> tuple[FreezeWindow, ...]:
    """Read windows.

    Raises:
        FieldError: names what cannot be used.
    """
    if len(found) > MAX_WINDOWS:
        raise FieldError(field, f"has {len(found)}", f"give at most {MAX_WINDOWS}")
    return tuple(_window(one, f"{field}[{number}]") for number, one in enumerate(found))


def _window(one: Spec, field: str) -> FreezeWindow:
    if "days" in one:
        return Weekly(
            frozenset(_day(day, f"{field}.days") for day in one["days"]),
            _clock(one["from"], f"{field}.from"),
            _clock(one["to"], f"{field}.to"),
            _zone(one.get("timeZone", "UTC"), f"{field}.timeZone"),
        )
    span = Span(moment(one["start"], f"{field}.start"), moment(one["end"], f"{field}.end"))
    if span.end <= span.start:
        raise FieldError(f"{field}.end", "is not after start", "give a later time")
    return span


def _day(text: str, field: str) -> int:
    if text not in DAYS:
        raise FieldError(field, f"{text!r:.40} is no day", f"give {', '.join(DAYS)}")
    return DAYS.index(text)


def _clock(text: str, field: str) -> time:
    if not _CLOCK.fullmatch(text):
        raise FieldError(field, f"{text!r:.40} is no time of day", "give 00:00 to 23:59")
    return time.fromisoformat(text)


def _zone(text: str, field: str) -> ZoneInfo:
    # A name is a path below the folder of zones.
    if _ZONE.fullmatch(text):
        with suppress(ZoneInfoNotFoundError, ValueError, OSError):
            return ZoneInfo(text)
    raise FieldError(field, f"{text!r:.60} is no time zone", "give one as Europe/Paris, or UTC")


def moment(text: str, field: str) -> float:
    """Read an RFC 3339 time; return seconds since the epoch.

    Raises:
        FieldError: it is none.
    """
    with suppress(TypeError, ValueError, OverflowError):
        found = datetime.fromisoformat(text)
        if found.tzinfo is not None:
            return found.timestamp()
    raise FieldError(
        field, f"{text!r:.40} is no time with a zone", "give one as 2026-01-31T18:00:00Z"
    )
