"""Samples of a range query, with their times: what was asked for, and what there was. Pure."""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Final

from taxi_operator.spec.signals import Condition

#: Share of the expected samples that a range must have: holes within it are tolerated.
COVERAGE: Final = 0.8
#: So many steps may lie between an end of the range and the sample next to it.
_END_STEPS: Final = 2
#: Prometheus' times are milliseconds.
_MILLISECOND: Final = 0.001
#: Prometheus refuses a range with more than 11,000 samples.
_MAX_SAMPLES: Final = 5_000


class Span(ABC):
    """What there was over the `for` of a condition, wherever its samples are kept.

    Attributes:
        start: Begin of the `for`, seconds since the epoch. There may be no samples of its first
            part, for example of before a promotion.
        end: End of it: the present time of Prometheus.
        step: Seconds between two samples of a range without holes.
    """

    __slots__ = ()

    start: float
    end: float
    step: float

    @property
    @abstractmethod
    def count(self) -> int:
        """Samples that there are."""

    @property
    @abstractmethod
    def oldest_at(self) -> float | None:
        """Time of the oldest sample, None when there is none."""

    @property
    @abstractmethod
    def newest(self) -> tuple[float, float] | None:
        """Time and value of the newest sample, None when there is none."""

    @abstractmethod
    def all_hold(self, condition: Condition) -> bool:
        """Tell whether every sample is a number that satisfies a condition."""

    @property
    def seconds(self) -> float:
        """The whole `for`, seconds."""
        return self.end - self.start

    @property
    def covered_seconds(self) -> float:
        """Seconds of the `for` that the samples really cover, holes not counted."""
        return min(max(self.count - 1, 0) * self.step, self.seconds)

    @property
    def age_seconds(self) -> float | None:
        """Age of the newest sample, None when there is none."""
        newest = self.newest
        return None if newest is None else self.end - newest[0]

    @property
    def is_current(self) -> bool:
        """Whether the newest sample is at most two steps old."""
        age = self.age_seconds
        return age is not None and age <= self._tolerance

    @property
    def is_covered(self) -> bool:
        """Whether the samples cover the `for` from its begin to its end, but for inner holes."""
        oldest_at, newest, tolerance = self.oldest_at, self.newest, self._tolerance
        if oldest_at is None or newest is None or oldest_at - self.start > tolerance:
            return False
        if self.end - newest[0] > tolerance:
            return False
        expected = math.floor(self.seconds / self.step + 1e-9) + 1
        return self.count >= math.ceil(COVERAGE * expected)

    @property
    def _tolerance(self) -> float:
        return _END_STEPS * self.step + _MILLISECOND


@dataclass(frozen=True, slots=True)
class Series(Span):
    """The samples of one range query.

    Attributes:
        samples: Pairs of time (seconds since the epoch, of Prometheus) and value, oldest first.
        start: Begin of the `for`.
        end: End of it.
        step: Seconds between two samples of a range without holes.
    """

    samples: tuple[tuple[float, float], ...] = ()
    start: float = 0.0
    end: float = 0.0
    step: float = 1.0

    @property
    def count(self) -> int:
        """Samples that there are."""
        return len(self.samples)

    @property
    def oldest_at(self) -> float | None:
        """Time of the oldest sample, None when there is none."""
        return self.samples[0][0] if self.samples else None

    @property
    def newest(self) -> tuple[float, float] | None:
        """Time and value of the newest sample, None when there is none."""
        return self.samples[-1] if self.samples else None

    def all_hold(self, condition: Condition) -> bool:
        """Tell whether every sample is a number that satisfies a condition."""
        return all(math.isfinite(value) and condition.holds(value) for _, value in self.samples)


NOTHING: Final = Series()


def step_of(seconds: float) -> float:
    """Return the step of a range: ten samples, from 1 s to 15 s; more only for very long ranges.

    >>> step_of(0), step_of(30), step_of(3600)
    (1.0, 3.0, 15.0)
    """
    return max(min(max(seconds / 10, 1.0), 15.0), seconds / _MAX_SAMPLES)
