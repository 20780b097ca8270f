"""The queries of one reconcile: all for one time, and none of them asked twice."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

from taxi_domain.errors import NotAvailableError
from taxi_operator.adapters.prometheus import Prometheus, QueryError
from taxi_operator.core.latch import Past, past_range
from taxi_operator.core.long_series import LongSeries
from taxi_operator.core.ranges import Range
from taxi_operator.core.series import Series, step_of
from taxi_operator.spec.signals import Condition, Signal

Answer = TypeVar("Answer")


class _Once(Generic[Answer]):
    """Answers by what was asked; who asks the same meanwhile waits for the first one's answer."""

    def __init__(self) -> None:
        self._answers: dict[Hashable, Answer] = {}
        self._failures: dict[Hashable, NotAvailableError | QueryError] = {}
        self._locks: dict[Hashable, asyncio.Lock] = {}

    async def get(self, what: Hashable, ask: Callable[[], Awaitable[Answer]]) -> Answer:
        async with self._locks.setdefault(what, asyncio.Lock()):
            if what not in self._answers and what not in self._failures:
                try:
                    self._answers[what] = await ask()
                except (NotAvailableError, QueryError) as error:
                    # Without its traceback: the frames in it hold the answer.
                    error.__context__ = None
                    self._failures[what] = error.with_traceback(None)
        if what in self._failures:
            raise self._failures[what]
        return self._answers[what]


class Queries:
    """Asks a server for the signals of one policy, once.

    Args:
        prometheus: The server.
        now: Its present time.
        since: Samples before this time are of another model.
    """

    def __init__(self, prometheus: Prometheus, now: float, since: float) -> None:
        self._prometheus = prometheus
        self._now = now
        self._since = since
        self._values: _Once[float | None] = _Once()
        self._samples: _Once[tuple[tuple[float, float], ...]] = _Once()
        self._rankings: _Once[list[tuple[str, float]]] = _Once()

    async def value(self, promql: str, lookback: float) -> float | None:
        """Return the value of a query, None without one.

        Args:
            promql: Query; an empty one has none.
            lookback: A sample that is older than these seconds is no present value. Without it a
                series that ends without Prometheus' mark of staleness has values 5 minutes longer.

        Raises:
            QueryError: it cannot be used as it is written.
            NotAvailableError: the server does not answer.
        """
        if not promql:
            return None
        return await self._values.get(
            (promql, lookback), lambda: self._prometheus.value(promql, self._now, lookback)
        )

    async def series(
        self, promql: str, enter: Condition, leave: Condition, lookback: float
    ) -> tuple[Series, Series]:
        """Return the samples over the `for` of both conditions of a signal.

        One range is asked for where both can be cut out of it.

        Raises:
            QueryError: it cannot be used as it is written.
            NotAvailableError: the server does not answer.
        """
        one, other = self._range(enter), self._range(leave)
        both = one.joint(other, promql)
        found = []
        for condition, own in ((enter, one), (leave, other)):
            asked = both or own
            samples = own.part(await self._range_of(promql, asked, lookback), asked)
            start = self._now - condition.for_seconds
            found.append(Series(samples, start, self._now, own.step))
        return found[0], found[1]

    async def past(self, signal: Signal, lookback: float) -> tuple[Past, float]:
        """Return what a signal's queries would have answered before, and the step between samples.

        Raises:
            QueryError: one cannot be used as it is written.
            NotAvailableError: the server does not answer.
        """
        asked = past_range(signal, self._now, self._since)

        async def series(promql: str) -> LongSeries | None:
            return LongSeries(await self._range_of(promql, asked, lookback)) if promql else None

        values = await series(signal.promql)
        assert values is not None  # every signal has a query
        ages = await series(signal.freshness_promql)
        return Past(values, ages, await series(signal.min_samples_promql)), asked.step

    async def ranking(self, promql: str) -> list[tuple[str, float]]:
        """Return the largest series of a query.

        Raises:
            QueryError: it has no numbers.
            NotAvailableError: the server does not answer.
        """
        return await self._rankings.get(promql, lambda: self._prometheus.ranking(promql))

    def _range(self, condition: Condition) -> Range:
        start = max(self._now - condition.for_seconds, self._since)
        return Range(start, self._now, step_of(condition.for_seconds))

    async def _range_of(
        self, promql: str, asked: Range, lookback: float
    ) -> tuple[tuple[float, float], ...]:
        return await self._samples.get(
            (promql, asked, lookback),
            lambda: self._prometheus.samples(
                promql, asked.start, asked.end, asked.step, lookback
            ),
        )  # fmt: skip
