"""The operator's adapter of Prometheus, without one: series with everything that befalls them."""

import asyncio
import bisect
import math
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from support.simulator.clock import Clock
from support.simulator.faults import Caller, Server
from taxi_domain.errors import NotAvailableError
from taxi_operator.adapters.prometheus import AmbiguousQueryError, QueryError

#: Seconds between two samples.
SCRAPE: Final = 15.0
_UP: Final = "count(up)"


class Trouble(StrEnum):
    """What a query can be answered with beside numbers."""

    TWO_SERIES = "two series"
    HUGE = "huge"
    TEXT = "text"
    REFUSED = "refused"
    SLOW = "slow"


@dataclass
class Source:
    """One series: what its samples are from which time on (Prometheus' time).

    None stands for no samples: with a mark of staleness, or, after a plain end, without one.
    """

    times: list[float] = field(default_factory=lambda: [-math.inf])
    values: list[float | None] = field(default_factory=lambda: [None])
    marked: bool = True
    trouble: Trouble | None = None

    def set(self, at: float, value: float | None) -> None:
        """Let the samples be another value from a time on."""
        if self.values[-1] != value:
            self.times.append(max(at, self.times[-1]))
            self.values.append(value)

    def newest(self, at: float) -> tuple[float, float] | None:
        """Return time and value of the newest sample at a time; its age may be any."""
        index = bisect.bisect_right(self.times, at) - 1
        end = at
        while index >= 0:
            scraped = math.floor(end / SCRAPE) * SCRAPE
            value = self.values[index]
            if value is not None and scraped >= self.times[index]:
                return scraped, value
            end = min(end, self.times[index] - 0.001)
            index -= 1
        return None

    def value(self, at: float, lookback: float) -> float | None:
        """Return what a query at a time answers."""
        index = bisect.bisect_right(self.times, at) - 1
        if self.values[index] is None and self.marked:
            return None
        found = self.newest(at)
        return found[1] if found is not None and at - found[0] <= lookback else None


class Monitoring:
    """A Prometheus server: sources by query."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._newest = clock.prometheus
        self.sources: dict[str, Source] = {}
        #: Age of the newest true sample when a process asked last, by process and query.
        self.asked: dict[tuple[str, str], float] = {}
        self.set(_UP, 1.0)

    @property
    def now(self) -> float:
        """Its time."""
        self._newest = max(self._newest, self._clock.prometheus)
        return self._clock.prometheus

    def set(self, promql: str, value: float | None, *, marked: bool = True) -> None:
        """Let a query have another value from now on; None ends its series."""
        _ = self.now
        source = self.sources.setdefault(promql, Source())
        source.trouble, source.marked = None, marked
        # While its clock is set back, Prometheus refuses samples older than those that it has.
        source.set(self._newest, value)

    def jump(self, seconds: float) -> None:
        """Set the server's clock."""
        before = self.now
        self._clock.prometheus_ahead += seconds
        for source in self.sources.values():
            if seconds > 0 and source.values[-1] is not None:
                value = source.values[-1]
                source.set(before, None)
                source.set(self.now, value)


@dataclass(frozen=True)
class SimulatedPrometheus:
    """The calls of one process; it stands in for `taxi_operator.adapters.prometheus.Prometheus`."""

    monitoring: Monitoring
    caller: Caller
    timeout_seconds: float

    @property
    def deadline_seconds(self) -> float:
        return 2 * self.timeout_seconds

    async def now(self) -> float:
        return await self.caller.call(Server.PROMETHEUS, lambda: self.monitoring.now)

    async def value(self, promql: str, at: float, lookback: float) -> float | None:
        source = await self._source(promql)
        return source.value(at, lookback)

    async def samples(
        self, promql: str, start: float, end: float, step: float, lookback: float
    ) -> tuple[tuple[float, float], ...]:
        source = await self._source(promql)
        newest = source.newest(end)
        age = math.inf if newest is None else end - newest[0]
        self.monitoring.asked[self.caller.name, promql] = age
        times = [start + step * number for number in range(int((end - start) / step + 1e-9) + 1)]
        found = ((at, source.value(at, lookback)) for at in times)
        return tuple((at, value) for at, value in found if value is not None)

    async def ranking(self, promql: str) -> list[tuple[str, float]]:
        source = await self._source(promql)
        value = source.value(self.monitoring.now, SCRAPE)
        return [] if value is None else [("feature=distance", value)]

    async def _source(self, promql: str) -> Source:
        source = await self.caller.call(
            Server.PROMETHEUS, lambda: self.monitoring.sources.get(promql, Source())
        )
        match source.trouble:
            case Trouble.TWO_SERIES:
                raise AmbiguousQueryError(promql, "has at least 2 series; aggregate it to one")
            case Trouble.HUGE:
                raise QueryError(promql, "the answer is larger than 1 MiB")
            case Trouble.TEXT:
                raise QueryError(promql, "its value is not one number")
            case Trouble.REFUSED:
                raise NotAvailableError("Prometheus: answers 422 with an error, execution")
            case Trouble.SLOW:
                await asyncio.sleep(self.timeout_seconds)
                raise NotAvailableError("Prometheus: no answer in time")
        return source


@dataclass(frozen=True)
class SimulatedServers:
    """The one server; it stands in for `taxi_operator.adapters.servers.Servers`."""

    monitoring: Monitoring
    caller: Caller

    def require(self, url: str) -> str:
        return url

    def of(self, _url: str, timeout_seconds: float | None = None) -> SimulatedPrometheus:
        return SimulatedPrometheus(self.monitoring, self.caller, timeout_seconds or 5.0)
