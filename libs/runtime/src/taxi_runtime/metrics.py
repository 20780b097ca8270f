"""Metric objects for the entries of the catalogue."""

from collections.abc import Iterable, Sequence
from typing import Any, Generic, TypeVar, overload

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from taxi_domain.metric import CounterMetric, GaugeMetric, HistogramMetric, Metric

H = TypeVar("H", bound=Histogram)


class MetricObjects(Generic[H]):
    """Metric objects by their entries in the catalogue: `metrics[PREDICTOR_REQUESTS].inc()`.

    A histogram without buckets in the catalogue is there from `set_buckets` on.

    Args:
        entries: Those of one part (`taxi_domain.metrics.objects_of`).
        registry: Where they are registered.
        histogram: Class of its histograms.
    """

    def __init__(
        self, entries: Iterable[Metric], registry: CollectorRegistry, histogram: type[H]
    ) -> None:
        self._objects: dict[Metric, Any] = {}
        self._registry = registry
        self._histogram = histogram
        for entry in entries:
            common: dict[str, Any] = {"labelnames": entry.labels, "registry": registry}
            if isinstance(entry, CounterMetric):
                counter = Counter(entry.name, entry.help, **common)
                for values in entry.series:
                    counter.labels(*values)
                self._objects[entry] = counter
            elif isinstance(entry, HistogramMetric):
                if entry.buckets:
                    self.set_buckets(entry, entry.buckets)
            else:
                common["multiprocess_mode"] = entry.across_workers
                self._objects[entry] = Gauge(entry.name, entry.help, **common)

    def set_buckets(self, entry: HistogramMetric, buckets: Sequence[float]) -> None:
        """Make a histogram, in the place of one with other buckets if there is one.

        Args:
            entry: In the catalogue.
            buckets: Upper bounds, ascending.
        """
        if entry in self._objects:
            self._registry.unregister(self._objects[entry])
        self._objects[entry] = self._histogram(
            entry.name, entry.help, buckets=buckets, labelnames=entry.labels,
            registry=self._registry,
        )  # fmt: skip

    @overload
    def __getitem__(self, entry: CounterMetric) -> Counter: ...
    @overload
    def __getitem__(self, entry: GaugeMetric) -> Gauge: ...
    @overload
    def __getitem__(self, entry: HistogramMetric) -> H: ...
    def __getitem__(self, entry: Metric) -> Any:
        """Return the object of an entry."""
        return self._objects[entry]
