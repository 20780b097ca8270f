"""A Prometheus whose samples are all known: it answers any time as a real one would."""

import bisect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

Samples = Sequence[tuple[float, float]]


@dataclass
class Recorded:
    """Samples by query; stands in for `taxi_operator.adapters.prometheus.Prometheus`.

    Attributes:
        series: Samples of each query, oldest first.
        at: Its present time.
        asked: Ranges that it was asked for: begin, end and step.
    """

    series: Mapping[str, Samples]
    at: float = 0.0
    asked: list[tuple[float, float, float]] = field(default_factory=list)
    deadline_seconds: float = 10.0

    async def now(self) -> float:
        return self.at

    async def value(self, promql: str, at: float, lookback: float) -> float | None:
        return self._value(promql, at, lookback)

    async def samples(
        self, promql: str, start: float, end: float, step: float, lookback: float
    ) -> tuple[tuple[float, float], ...]:
        self.asked.append((start, end, step))
        # Whole milliseconds, as on the wire.
        first, last, each = round(start * 1000), round(end * 1000), round(step * 1000)
        times = (one / 1000 for one in range(first, last + 1, each))
        found = ((one, self._value(promql, one, lookback)) for one in times)
        return tuple((one, value) for one, value in found if value is not None)

    async def ranking(self, _promql: str) -> list[tuple[str, float]]:
        return []

    def _value(self, promql: str, at: float, lookback: float) -> float | None:
        samples = self.series.get(promql, ())
        place = bisect.bisect_right(samples, at + 0.0005, key=lambda one: one[0]) - 1
        if place < 0 or at - samples[place][0] >= lookback:
            return None
        return samples[place][1]


@dataclass(frozen=True)
class RecordedServers:
    """The one server; stands in for `taxi_operator.adapters.servers.Servers`."""

    prometheus: Recorded

    def of(self, _url: str, _timeout: float | None = None) -> Recorded:
        return self.prometheus
