"""Numbers, shares, times and spans as people read them."""

import math
from datetime import UTC, datetime
from typing import Final

#: What stands where a value is not known; absent is not zero.
UNKNOWN: Final = "–"
_MINUTE: Final = 60.0
_HOUR: Final = 3600.0
_DAY: Final = 86_400.0
_SPANS: Final = ((_DAY, "d"), (_HOUR, "h"), (_MINUTE, "min"), (1.0, "s"))


def number(value: float | None, digits: int = 3) -> str:
    """Return a number with so many significant digits.

    >>> number(7.5231), number(12345.6), number(0.00012), number(None)
    ('7.52', '12,346', '0.00012', '–')
    """
    if value is None or not math.isfinite(value):
        return UNKNOWN
    if abs(value) >= 10**digits:
        return f"{value:,.0f}"
    return f"{value:.{digits}g}"


def signed(value: float | None, digits: int = 3) -> str:
    """Return a number with its sign.

    >>> signed(0.5), signed(-2.0)
    ('+0.5', '−2')
    """
    if value is None or not math.isfinite(value):
        return UNKNOWN
    sign = "−" if value < 0 else "+"
    return f"{sign}{number(abs(value), digits)}"


def share(value: float | None) -> str:
    """Return a share as a percentage.

    >>> share(0.1234), share(0.0004), share(0.0), share(1.0)
    ('12.3 %', '0.04 %', '0 %', '100 %')
    """
    if value is None or not math.isfinite(value):
        return UNKNOWN
    percent = 100 * value
    if percent == round(percent):
        return f"{percent:.0f} %"
    return f"{percent:.1f} %" if abs(percent) >= 0.1 else f"{percent:.2g} %"


def count(value: float | None) -> str:
    """Return a whole number.

    >>> count(12345)
    '12,345'
    """
    return UNKNOWN if value is None or not math.isfinite(value) else f"{value:,.0f}"


def short_count(value: float) -> str:
    """Return a large number in few signs.

    >>> short_count(950.0), short_count(2500.0), short_count(100_000.0), short_count(3e6)
    ('950', '2.5k', '100k', '3M')
    """
    for size, sign in ((1e9, "bn"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:.3g}{sign}"
    return f"{value:.0f}"


def span(seconds: float | None) -> str:
    """Return how long something takes, in its two largest units.

    >>> span(93784), span(3600), span(59.6), span(0.2)
    ('1 d 2 h', '1 h', '1 min', 'less than 1 s')
    """
    if seconds is None or not math.isfinite(seconds):
        return UNKNOWN
    rest = round(max(seconds, 0.0))
    if rest < 1:
        return "less than 1 s"
    parts: list[str] = []
    for size, sign in _SPANS:
        whole, rest = divmod(rest, round(size))
        if whole:
            parts.append(f"{whole:.0f} {sign}")
        if len(parts) == 2 or (parts and not whole):
            break
    return " ".join(parts)


def moment(seconds: float | None) -> str:
    """Return a time in UTC.

    >>> moment(0.0)
    '1970-01-01 00:00'
    """
    if seconds is None or not math.isfinite(seconds):
        return UNKNOWN
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M}"


def iso(seconds: float) -> str:
    """Return a time as `datetime` attributes and JSON have it.

    >>> iso(0.0)
    '1970-01-01T00:00:00+00:00'
    """
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
