"""Spans of time as people give them: local times, or the last hours or days."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from taxi_domain.errors import FieldError

_LAST: Final = re.compile(r"(\d{1,5})([mhdw])")
_UNITS: Final = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_ADVICE: Final = "give 24h, 7d, 2w, or 90m"
MAX_DAYS: Final = 3660


@dataclass(frozen=True, slots=True)
class Span:
    """Answer times from `start` (included) to `end` (not included), UTC, and the zone to show.

    Raises:
        FieldError: the end is not after the start, or more than `MAX_DAYS` after it.
    """

    start: datetime
    end: datetime
    zone: ZoneInfo

    def __post_init__(self) -> None:
        """Refuse what is no span."""
        if self.end <= self.start:
            raise FieldError("to", "is not after `from`", "give a later time")
        if self.end - self.start > timedelta(days=MAX_DAYS):
            raise FieldError(
                "from", f"is more than {MAX_DAYS} days before `to`", "give a later time"
            )

    @property
    def before(self) -> "Span":
        """The span of the same length that ends where this one begins."""
        return Span(self.start - (self.end - self.start), self.start, self.zone)

    def local(self, moment: datetime) -> str:
        """Return a moment as the zone shows it, with its offset."""
        return moment.astimezone(self.zone).isoformat(timespec="seconds")


def span_between(start: str, end: str, zone: ZoneInfo, now: datetime) -> Span:
    """Return the span between two local times; an end in the future becomes now.

    A local time that occurs twice, when clocks are put back, means the first of both; one with an
    offset means what it says.

    Raises:
        FieldError: a text is no time, or both make no span.

    >>> zone = ZoneInfo("America/New_York")
    >>> found = span_between("2021-11-07T01:30", "2021-11-07T02:30", zone, datetime.now(UTC))
    >>> found.end - found.start
    datetime.timedelta(seconds=7200)
    """
    return Span(_moment("from", start, zone), min(_moment("to", end, zone), now), zone)


def last(text: str, zone: ZoneInfo, now: datetime) -> Span:
    """Return the span that ends now and began so long ago: `24h`, `7d`.

    The end is cut to the minute, so that a report that is made again shortly after is the same.

    Raises:
        FieldError: the text is no length of time.
    """
    found = _LAST.fullmatch(text.strip())
    if not found or not int(found[1]):
        raise FieldError("last", f"{text!r} is no length of time", _ADVICE)
    length = timedelta(**{_UNITS[found[2]]: int(found[1])})
    end = now.replace(second=0, microsecond=0)
    return Span(end - min(length, timedelta(days=MAX_DAYS)), end, zone)


def _moment(field: str, text: str, zone: ZoneInfo) -> datetime:
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise FieldError(
            field, f"{text!r} is no time", "give it as 2021-03-01 or 2021-03-01T08:30"
        ) from error
    local = moment if moment.tzinfo else moment.replace(tzinfo=zone)
    # Whole milliseconds, as MongoDB has them.
    utc = local.astimezone(UTC)
    return utc.replace(microsecond=utc.microsecond // 1000 * 1000)
