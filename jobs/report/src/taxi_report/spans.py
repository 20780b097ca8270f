"""Spans of time as people give them: local times, the last hours, or whole days."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from taxi_domain.errors import FieldError

_LAST: Final = re.compile(r"(\d{1,5})([mhdw])")
_UNITS: Final = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_WHOLE_DAYS: Final = "dw"
#: How far the end of a span may be ahead of this machine's clock.
AHEAD: Final = timedelta(minutes=2)
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

    An end that is at most `AHEAD` in the future stays: another machine's clock may be ahead of this
    one's, and the span is to be the one that was asked for.

    A local time that occurs twice, when clocks are put back, means the first of both; one with an
    offset means what it says.

    Raises:
        FieldError: a text is no time, or both make no span.

    >>> zone = ZoneInfo("America/New_York")
    >>> found = span_between("2021-11-07T01:30", "2021-11-07T02:30", zone, datetime.now(UTC))
    >>> found.end - found.start
    datetime.timedelta(seconds=7200)
    """
    wanted = moment_of("to", end, zone)
    return Span(moment_of("from", start, zone), wanted if wanted <= now + AHEAD else now, zone)


def last(text: str, zone: ZoneInfo, now: datetime) -> Span:
    """Return the last minutes or hours until now (`90m`, `24h`), or whole days (`1d`, `2w`).

    Now is cut to the minute. Whole days end at the last midnight of the zone, so that reports of
    consecutive days leave no gap and do not overlap, also where clocks change, whenever on
    the day each is made.

    Raises:
        FieldError: the text is no length of time.

    >>> zone = ZoneInfo("America/New_York")
    >>> found = last("1d", zone, datetime(2021, 11, 8, 6, 17, tzinfo=UTC))
    >>> found.local(found.start), found.local(found.end)
    ('2021-11-07T00:00:00-04:00', '2021-11-08T00:00:00-05:00')
    """
    length = length_of("last", text)
    if text.strip()[-1] in _WHOLE_DAYS:
        # Arithmetic of local times: a day is as long as the zone makes it.
        end = datetime.combine(now.astimezone(zone).date(), datetime.min.time(), zone)
    else:
        end = now.replace(second=0, microsecond=0)
    return Span((end - length).astimezone(UTC), end.astimezone(UTC), zone)


def length_of(field: str, text: str) -> timedelta:
    """Return a length of time that a person gives (`90m`, `24h`, `7d`, `2w`).

    Raises:
        FieldError: the text is none, by the name of the field.
    """
    found = _LAST.fullmatch(text.strip())
    if not found or not int(found[1]):
        raise FieldError(field, f"{text!r} is no length of time", _ADVICE)
    length = timedelta(**{_UNITS[found[2]]: int(found[1])})
    if length >= timedelta(days=MAX_DAYS):
        raise FieldError(field, f"{text!r} is not less than {MAX_DAYS} days", _ADVICE)
    return length


def moment_of(field: str, text: str, zone: ZoneInfo) -> datetime:
    """Return a local time that a person gives, or one with an offset, in UTC.

    Raises:
        FieldError: the text is no time, by the name of the field.
    """
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
