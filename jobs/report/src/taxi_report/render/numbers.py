"""Numbers, times and shares as people read them."""

import math
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

ABSENT: Final = "–"
_UNITS: Final = ((86_400.0, "d"), (3600.0, "h"), (60.0, "min"), (1.0, "s"))


def count(value: float | None) -> str:
    """Show a whole number.

    >>> count(1234567), count(None)
    ('1,234,567', '–')
    """
    return ABSENT if value is None else f"{int(value):,}"


def number(value: float | None, digits: int = 3) -> str:
    """Show a measure with so many significant digits, whole numbers whole.

    >>> number(3.65952), number(12345.6), number(0.000012345), number(-0.5), number(0)
    ('3.66', '12,346', '1.23e-05', '-0.5', '0')
    """
    if value is None:
        return ABSENT
    if value and not 1e-4 <= abs(value) < 1e9:
        return f"{value:.{digits - 1}e}"
    before_point = math.floor(math.log10(abs(value))) + 1 if value else 1
    text = f"{value:,.{max(digits - before_point, 0)}f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text == "-0" else text


def value(found: float | str | None) -> str:
    """Show a value of a row: a category by its name, a number with four digits.

    >>> value("EWR"), value(3.65952)
    ('EWR', '3.66')
    """
    return found if isinstance(found, str) else number(found, 4)


def signed(value: float | None) -> str:
    """Show a measure with its sign.

    >>> signed(3.0337), signed(-0.25), signed(0.0)
    ('+3.03', '-0.25', '0')
    """
    return f"+{number(value)}" if value is not None and value > 0 else number(value)


def percent(value: float | None) -> str:
    """Show a share.

    >>> percent(0.1234), percent(0.00012), percent(0.0), percent(0.9999), percent(1.0)
    ('12.3 %', '0.012 %', '0 %', '99.99 %', '100 %')
    """
    if value is None:
        return ABSENT
    share = 100 * value
    if share and min(abs(share), abs(100 - share)) < 0.1 and share != 100:
        digits = 2 if abs(share) > 1 else None
        return f"{share:.2f} %" if digits else f"{share:.2g} %"
    text = f"{share:.1f}"
    return f"{text.removesuffix('.0')} %"


def times(value: float | None) -> str:
    """Show a ratio.

    >>> times(1.3961), times(12.0)
    ('1.40 ×', '12.0 ×')
    """
    if value is None:
        return ABSENT
    return f"{value:.2f} ×" if abs(value) < 10 else f"{value:,.1f} ×"


def seconds(value: float | None) -> str:
    """Show a duration in its largest unit.

    >>> seconds(0.0021), seconds(1.5), seconds(718.4), seconds(5400.0), seconds(200_000.0)
    ('2.1 ms', '1.5 s', '12 min', '1.5 h', '2.31 d')
    """
    if value is None:
        return ABSENT
    if value < 1:
        return f"{number(value * 1000, 2)} ms"
    size, unit = next(one for one in _UNITS if value >= one[0])
    return f"{number(value / size, 2 if value / size < 100 and unit != 'd' else 3)} {unit}"


def moment(text: str | None, zone: ZoneInfo) -> str:
    """Show an ISO time as local time.

    >>> moment("2020-03-22T04:00:00+00:00", ZoneInfo("America/New_York"))
    '22 Mar 2020 00:00'
    """
    if text is None:
        return ABSENT
    when = local(text, zone)
    return f"{when:%-d %b %Y %H:%M:%S}" if when.second else f"{when:%-d %b %Y %H:%M}"


def local(text: str, zone: ZoneInfo) -> datetime:
    """Return an ISO time in a zone."""
    return datetime.fromisoformat(text).astimezone(zone)


def offset(text: str, zone: ZoneInfo) -> str:
    """Show a zone's distance from UTC at a time.

    >>> offset("2020-03-22T04:00:00+00:00", ZoneInfo("America/New_York"))
    'UTC-04:00'
    """
    digits = f"{local(text, zone):%z}"
    return f"UTC{digits[:3]}:{digits[3:5]}"


def slug(text: str) -> str:
    """Return an HTML id; different texts may give the same.

    >>> slug("event hour"), slug("v-2020.3")
    ('event-hour', 'v-2020-3')
    """
    return "".join(one if one.isalnum() and one.isascii() else "-" for one in text).strip("-")
