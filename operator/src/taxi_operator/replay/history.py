"""Asking Prometheus for all that a policy's looks would have been answered."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Final, Protocol

from taxi_domain.errors import FieldError, TaxiError
from taxi_operator.adapters.prometheus import AmbiguousQueryError
from taxi_operator.core.long_series import LongSeries
from taxi_operator.replay.grid import Grid, Looks, chunks, demands
from taxi_operator.spec.signals import Signal
from taxi_operator.texts import cut
from taxi_operator.times import text_of

_AT_ONCE: Final = 4
#: Of all queries together; each takes 24 bytes.
_MAX_SAMPLES: Final = 20_000_000
_MAX_QUERY_TEXT: Final = 200

#: All that was asked for, by query and grid.
Histories = Mapping[Grid, LongSeries]
#: Is told how many of how many questions are answered.
Progress = Callable[[int, int], None]


class Ranges(Protocol):
    """What is asked: `taxi_operator.adapters.prometheus.Prometheus`."""

    async def samples(
        self, promql: str, start: float, end: float, step: float, lookback: float
    ) -> tuple[tuple[float, float], ...]:
        """Return the samples of a range."""
        ...


async def fetch(
    prometheus: Ranges,
    signals: Iterable[Signal],
    looks: Looks,
    more: Iterable[tuple[str, float]] = (),
    progress: Progress = lambda _done, _all: None,
) -> Histories:
    """Return the history of the queries of some signals.

    Args:
        prometheus: Who is asked, in ranges that it answers.
        signals: Of one policy or several: what they share is asked for once.
        looks: When they are looked at.
        more: Other queries that have a value at each look, with their lookback in seconds.
        progress: Called behind each answer.

    Raises:
        QueryError: a query cannot be used as it is written.
        NotAvailableError: the server does not answer.
        FieldError: that would be too many samples.
    """
    needed = demands(signals, looks, more)
    parts = [
        (grid, start, end)
        for grid, (first, last) in needed.items()
        for start, end in chunks(first, last, grid.step)
    ]
    total = sum((end - start) // grid.step + 1 for grid, start, end in parts)
    if total > _MAX_SAMPLES:
        raise FieldError(
            "--from", f"asks for {total:,} samples", f"give a span with at most {_MAX_SAMPLES:,}, "
            "or a longer --step",
        )  # fmt: skip
    samples = {grid: LongSeries() for grid in needed}
    limit, answered = asyncio.Semaphore(_AT_ONCE), 0

    async def ask(grid: Grid, start: int, end: int) -> None:
        nonlocal answered
        async with limit:
            samples[grid].add(await _part(prometheus, grid, start, end))
        answered += 1
        progress(answered, len(parts))

    await asyncio.gather(*(ask(*part) for part in parts))
    for one in samples.values():
        one.sort()
    return samples


async def _part(
    prometheus: Ranges, grid: Grid, start: int, end: int
) -> tuple[tuple[float, float], ...]:
    try:
        return await prometheus.samples(
            grid.promql, start / 1000, end / 1000, grid.step / 1000, grid.lookback
        )
    except AmbiguousQueryError as error:
        span = f"{text_of(start / 1000)} and {text_of(end / 1000)}"
        raise TaxiError(
            f"{cut(grid.promql, _MAX_QUERY_TEXT)}: has several series between {span}, perhaps one "
            "after the other, as of pods that were replaced; aggregate it to one"
        ) from error
