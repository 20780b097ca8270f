"""Ticks at round values and round times."""

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from taxi_monitor.page.words import number

_DAY: Final = 86_400
#: Seconds between two ticks of time.
_STEPS: Final = (
    1, 5, 15, 60, 300, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200,
    _DAY, 2 * _DAY, 7 * _DAY, 14 * _DAY, 30 * _DAY, 90 * _DAY, 365 * _DAY, 3650 * _DAY,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Tick:
    """A place on an axis and its text.

    Attributes:
        at: Percentage of the axis from its beginning (left, or top).
        text: What stands there.
        anchor: Which end of the text is there: `start`, `middle` or `end`.
    """

    at: float
    text: str
    anchor: str = "middle"


@dataclass(frozen=True, slots=True)
class Axis:
    """A range of values, `low` below `high`."""

    low: float
    high: float

    def place(self, value: float) -> float:
        """Return where a value is, as a percentage from the low end, cut at both ends.

        >>> Axis(0.0, 4.0).place(1.0), Axis(0.0, 4.0).place(9.0)
        (25.0, 100.0)
        """
        part = (value - self.low) / (self.high - self.low)
        return round(100 * min(max(part, 0.0), 1.0), 2)

    def height(self, value: float) -> float:
        """Return where a value is, as a percentage from the top."""
        return round(100 - self.place(value), 2)


def axis_of(values: list[float], *, least: float = 0.0) -> Axis:
    """Return an axis that holds finite values, and is never empty.

    Args:
        values: In any order.
        least: Its smallest length.
    """
    low, high = min(values, default=0.0), max(values, default=0.0)
    wanted = max(least, abs(high) * 1e-3) or 1.0
    if high - low < wanted:
        low, high = low - wanted / 2, low + wanted / 2
    margin = (high - low) * 0.06
    return Axis(low - margin, high + margin)


def round_ticks(axis: Axis, most: int = 5) -> list[Tick]:
    """Return ticks of a vertical axis at round values.

    >>> [tick.text for tick in round_ticks(Axis(0.0, 1.0))]
    ['0', '0.2', '0.4', '0.6', '0.8', '1']
    """
    length = axis.high - axis.low
    size = 10.0 ** math.floor(math.log10(length / most))
    step = next(size * one for one in (1, 2, 2.5, 5, 10, 20) if length / (size * one) <= most)
    first = math.ceil(axis.low / step - 1e-9)
    last = math.floor(axis.high / step + 1e-9)
    return [Tick(axis.height(n * step), number(n * step, 4)) for n in range(first, last + 1)]


def time_ticks(axis: Axis, most: int = 5) -> list[Tick]:
    """Return ticks of an axis of seconds since the epoch at round times of UTC."""
    step = next((one for one in _STEPS if (axis.high - axis.low) / one <= most), _STEPS[-1])
    first = math.ceil(axis.low / step)
    ticks: list[Tick] = []
    for place in range(first, math.floor(axis.high / step) + 1):
        at = axis.place(place * step)
        # Texts near an end would leave the chart.
        anchor = "start" if at < 6 else "end" if at > 94 else "middle"
        ticks.append(Tick(at, _time_text(place * step, step, first=not ticks), anchor))
    return ticks


def _time_text(seconds: int, step: int, *, first: bool) -> str:
    at = datetime.fromtimestamp(seconds, UTC)
    if step >= _DAY:
        return (
            f"{at.day} {at:%b %Y}" if first or at.timetuple().tm_yday == 1 else f"{at.day} {at:%b}"
        )
    clock = f"{at:%H:%M:%S}" if step < 60 else f"{at:%H:%M}"
    return f"{at.day} {at:%b} {clock}" if first or seconds % _DAY == 0 else clock
