"""The predictor's metrics, made from the catalogue, in multiprocess form."""

import collections
import time
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from math import isnan
from pathlib import Path

from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily
from prometheus_client.registry import Collector

from taxi_domain import metrics as catalogue
from taxi_domain.metrics import objects_of
from taxi_predict.counter_files import CounterFiles
from taxi_predict.settings import metrics_folder
from taxi_runtime.metrics import MetricObjects

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class BulkHistogram(Histogram):
    """Takes many values at once: each update that workers share costs microseconds."""

    def observe_all(self, amounts: Sequence[float]) -> None:
        """Do what `observe` does for each; NaN is in no bucket."""
        bounds = self._upper_bounds
        places = collections.Counter(
            [bisect_left(bounds, amount) for amount in amounts if not isnan(amount)]
        )
        for place, count in places.items():
            self._buckets[place].inc(count)
        if amounts:
            self._sum.inc(sum(amounts))


class Metrics(MetricObjects[BulkHistogram]):
    """Metric objects of one worker; values of all workers meet in the shared folder.

    Args:
        heartbeat: File that the delivery touches; without one, its age is not exported.
        restarts: The count of workers that died; without one, it is not exported.
    """

    def __init__(self, heartbeat: Path | None = None, restarts: Collector | None = None) -> None:
        self._heartbeat = heartbeat
        self._restarts = restarts
        super().__init__(objects_of("predictor"), CollectorRegistry(), BulkHistogram)

    def exposition(self) -> bytes:
        """Return the values of all workers, dead ones included where they count."""
        registry = CollectorRegistry()
        registry.register(CounterFiles(metrics_folder()))
        if self._heartbeat is not None:
            registry.register(_HeartbeatAge(self._heartbeat))
        if self._restarts is not None:
            registry.register(self._restarts)
        return generate_latest(registry)


class _HeartbeatAge(Collector):
    """Read at each scrape by whichever worker answers: what is dead exports nothing itself."""

    def __init__(self, heartbeat: Path) -> None:
        self._heartbeat = heartbeat

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield the age of the delivery's last sign of life."""
        metric = catalogue.PREDICTOR_DELIVERY_HEARTBEAT_AGE
        age = max(time.time() - self._heartbeat.stat().st_mtime, 0.0)
        yield GaugeMetricFamily(metric.name, metric.help, age)
