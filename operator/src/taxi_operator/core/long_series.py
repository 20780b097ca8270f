"""Long series of one query, and windows of them as a range query would have answered. Pure.

A policy of three signals asks about a million times for a range in 30 days. None of them is copied
here: a window is two places in a long series, and whether a condition held in all of it is known
from how many samples before each place did not satisfy it.
"""

import math
from array import array
from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate
from typing import Final

from taxi_operator.core.series import Span
from taxi_operator.spec.signals import Condition

#: Times are milliseconds; floating point makes less than this of them, seconds.
_EARLY: Final = 0.0005

Sample = tuple[float, float]


class LongSeries:
    """The samples of a query at equal steps; there may be none at some of them.

    Args:
        samples: Pairs of time (seconds since the epoch) and value, oldest first.
    """

    def __init__(self, samples: Sequence[Sample] = ()) -> None:
        self._parts: list[tuple[array[float], array[float]]] = []
        self.times = array("d")
        self.values = array("d")
        self.add(samples)
        self.sort()

    def add(self, samples: Sequence[Sample]) -> None:
        """Add samples of another time; they are there when all are sorted."""
        if samples:
            times = array("d", (at for at, _ in samples))
            self._parts.append((times, array("d", (value for _, value in samples))))

    def sort(self) -> None:
        """Take in what was added, in any order."""
        for times, values in sorted(self._parts, key=lambda one: one[0][0]):
            self.times += times
            self.values += values
        self._parts.clear()

    def value_at(self, moment: float) -> float | None:
        """Return the value of the sample at a time, None without one."""
        place = bisect_left(self.times, moment - _EARLY)
        if place < len(self.times) and self.times[place] < moment + _EARLY:
            return self.values[place]
        return None


class Judged:
    """A long series with what a condition says of each of its samples."""

    def __init__(self, series: LongSeries, condition: Condition) -> None:
        self.series = series
        self.condition = condition
        holds, isfinite = condition.holds, math.isfinite
        missed = (0 if isfinite(one) and holds(one) else 1 for one in series.values)
        #: How many samples before each place do not satisfy the condition.
        self.missed = array("L", accumulate(missed, initial=0))


class Window(Span):
    """A part of a long series: what a range query would have answered.

    Args:
        judged: The long series.
        first: Place of the oldest sample.
        behind: Place behind the newest one.
        start: Begin of the `for`.
        end: End of it.
        step: Seconds between two samples of a range without holes.
    """

    __slots__ = ("_behind", "_first", "_judged", "end", "start", "step")

    def __init__(  # noqa: PLR0913, PLR0917 - made a million times, and by one caller
        self, judged: Judged, first: int, behind: int, start: float, end: float, step: float
    ) -> None:
        self._judged, self._first, self._behind = judged, first, behind
        self.start, self.end, self.step = start, end, step

    @property
    def count(self) -> int:
        """Samples that there are."""
        return self._behind - self._first

    @property
    def oldest_at(self) -> float | None:
        """Time of the oldest sample, None when there is none."""
        return self._judged.series.times[self._first] if self._behind > self._first else None

    @property
    def newest(self) -> tuple[float, float] | None:
        """Time and value of the newest sample, None when there is none."""
        if self._behind <= self._first:
            return None
        series, place = self._judged.series, self._behind - 1
        return series.times[place], series.values[place]

    def all_hold(self, condition: Condition) -> bool:
        """Tell whether every sample is a number that satisfies a condition.

        Only the condition that the window is for is known.
        """
        assert condition is self._judged.condition
        missed = self._judged.missed
        return missed[self._behind] == missed[self._first]


class Cursor:
    """Windows of one judged series at times that only grow: nothing is searched for twice.

    Args:
        judged: The series.
        seconds: The `for`.
        step: Seconds between two samples.
    """

    def __init__(self, judged: Judged, seconds: float, step: float) -> None:
        self._judged = judged
        self._seconds = seconds
        self._step = step
        self._first = 0
        self._behind = 0

    def window(self, now: float, since: float) -> Window:
        """Return the samples over the `for`.

        Args:
            now: End of the window.
            since: Older samples are of another model.
        """
        start, times = now - self._seconds, self._judged.series.times
        most = len(times)
        begin = max(start, since) - _EARLY
        first, behind = self._first, self._behind
        while first < most and times[first] < begin:
            first += 1
        end = now + _EARLY
        behind = max(behind, first)
        while behind < most and times[behind] < end:
            behind += 1
        self._first, self._behind = first, behind
        return Window(self._judged, first, behind, start, now, self._step)
