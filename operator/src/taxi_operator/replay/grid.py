"""At which times a policy's queries would have been asked, as few range queries. Pure.

A look at time t asks for the samples at t - for, t - for + step, ..., t. Looks are equally far from
each other, so that all samples of all looks lie on few grids: one for each phase that t - for has
against the step. Times are whole milliseconds here, as Prometheus has them.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from taxi_operator.core.series import step_of
from taxi_operator.core.signals import lookback_of
from taxi_operator.spec.signals import Condition, Signal

#: Prometheus refuses a range with more.
MAX_POINTS: Final = 11_000
#: A condition may need so many grids; beyond that its step is taken a bit shorter or longer.
_MAX_PHASES: Final = 4


@dataclass(frozen=True, slots=True)
class Looks:
    """When a policy is looked at, milliseconds since the epoch: `begin + n * every`."""

    begin: int
    every: int
    count: int

    @property
    def last(self) -> int:
        """The last look."""
        return self.begin + (self.count - 1) * self.every

    def __iter__(self) -> Iterator[int]:
        """Yield all looks."""
        return iter(range(self.begin, self.last + 1, self.every))


@dataclass(frozen=True, slots=True)
class Grid:
    """A query at all times that have one phase against a step (milliseconds)."""

    promql: str
    lookback: float
    step: int
    phase: int


@dataclass(frozen=True, slots=True)
class Spacing:
    """How the samples of a condition lie.

    Attributes:
        step: Milliseconds between two samples.
        is_exact: Whether the operator asks with this step; else it is the nearest that suits.
    """

    step: int
    is_exact: bool


def spacing_of(condition: Condition, every: int) -> Spacing:
    """Return the step of a condition's samples.

    Args:
        condition: What is asked for.
        every: Milliseconds between two looks.
    """
    if condition.for_seconds == 0:
        # One sample at each look.
        return Spacing(every, is_exact=True)
    step = max(round(step_of(condition.for_seconds) * 1000), 1)
    if step // math.gcd(step, every) <= _MAX_PHASES:
        return Spacing(step, is_exact=True)
    near = every * (step // every) if step >= every else every // math.ceil(every / step)
    return Spacing(max(near, 1), is_exact=False)


def demands(
    signals: Iterable[Signal], looks: Looks, more: Iterable[tuple[str, float]] = ()
) -> dict[Grid, tuple[int, int]]:
    """Return the grids that all looks together need, each with its first and last time.

    Args:
        signals: What is looked at.
        looks: When.
        more: Other queries that have a value at each look, with their lookback in seconds.
    """
    found: dict[Grid, tuple[int, int]] = {}

    def need(grid: Grid, first: int, last: int) -> None:
        before = found.get(grid, (first, last))
        found[grid] = min(first, before[0]), max(last, before[1])

    for signal in signals:
        lookback = lookback_of(signal)
        for condition in (signal.enter, signal.exit):
            spacing = spacing_of(condition, looks.every)
            length = round(condition.for_seconds * 1000)
            phases = spacing.step // math.gcd(spacing.step, looks.every)
            for number in range(min(phases, looks.count)):
                start = looks.begin + number * looks.every - length
                grid = Grid(signal.promql, lookback, spacing.step, start % spacing.step)
                need(grid, start, looks.last)
        for promql in (signal.freshness_promql, signal.min_samples_promql):
            if promql:
                need(at_looks(promql, lookback, looks), looks.begin, looks.last)
    for promql, lookback in more:
        need(at_looks(promql, lookback, looks), looks.begin, looks.last)
    return found


def at_looks(promql: str, lookback: float, looks: Looks) -> Grid:
    """Return the grid of an instant query at each look."""
    return Grid(promql, lookback, looks.every, looks.begin % looks.every)


def chunks(first: int, last: int, step: int) -> Iterator[tuple[int, int]]:
    """Cut a range into such as Prometheus answers.

    >>> list(chunks(0, 25_000, 1))
    [(0, 10999), (11000, 21999), (22000, 25000)]
    """
    while first <= last:
        end = min(first + (MAX_POINTS - 1) * step, last)
        yield first, end
        first = end + step


def approximated(signals: Iterable[Signal], every: int) -> Mapping[str, tuple[float, float]]:
    """Return the signals whose samples lie otherwise: the operator's step and ours, seconds."""
    found = {}
    for signal in signals:
        for condition in (signal.enter, signal.exit):
            spacing = spacing_of(condition, every)
            if not spacing.is_exact:
                found[signal.name] = (step_of(condition.for_seconds), spacing.step / 1000)
    return found
