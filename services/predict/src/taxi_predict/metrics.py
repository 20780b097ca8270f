"""The predictor's metrics, made from the catalogue, in multiprocess form."""

import collections
import time
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from math import isnan
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily
from prometheus_client.registry import Collector

from taxi_domain import metrics as catalogue
from taxi_domain.metrics import Metric
from taxi_predict.counter_files import CounterFiles
from taxi_predict.settings import metrics_folder

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class BulkHistogram(Histogram):
    """Takes many values at once: each update that workers share costs microseconds."""

    def observe_all(self, amounts: Sequence[float]) -> None:
        """Do what `observe` does for each; NaN is in no bucket."""
        bounds = self._upper_bounds
        places = collections.Counter(
            [bisect_left(bounds, one) for one in amounts if not isnan(one)]
        )
        for place, count in places.items():
            self._buckets[place].inc(count)
        if amounts:
            self._sum.inc(sum(amounts))


class Metrics:
    """Metric objects of one worker; values of all workers meet in the shared folder.

    Args:
        heartbeat: File that the delivery touches; without one, its age is not exported.
        restarts: The count of workers that died; without one, it is not exported.
    """

    def __init__(self, heartbeat: Path | None = None, restarts: Collector | None = None) -> None:
        self._heartbeat = heartbeat
        self._restarts = restarts
        registry = CollectorRegistry()

        def counter(metric: Metric) -> Counter:
            found = Counter(metric.name, metric.help, metric.labels, registry=registry)
            for values in metric.series:
                found.labels(*values)
            return found

        def gauge(metric: Metric, mode: Any) -> Gauge:
            return Gauge(
                metric.name, metric.help, metric.labels, registry=registry, multiprocess_mode=mode
            )

        def histogram(metric: Metric) -> BulkHistogram:
            return BulkHistogram(
                metric.name, metric.help, metric.labels, registry=registry, buckets=metric.buckets
            )

        self.requests = counter(catalogue.PREDICTOR_REQUESTS)
        self.request_duration = histogram(catalogue.PREDICTOR_REQUEST_DURATION)
        self.predictions = counter(catalogue.PREDICTOR_PREDICTIONS)
        self.predicted_duration = histogram(catalogue.PREDICTOR_PREDICTED_DURATION)
        self.refused = counter(catalogue.PREDICTOR_REFUSED)
        self.failed = counter(catalogue.PREDICTOR_FAILED)
        self.shadow_failed = counter(catalogue.PREDICTOR_SHADOW_FAILED)
        self.undeclared = counter(catalogue.PREDICTOR_UNDECLARED)
        self.unlogged = counter(catalogue.PREDICTOR_UNLOGGED)
        self.spool_lost = counter(catalogue.PREDICTOR_SPOOL_LOST)
        self.log_writes = counter(catalogue.PREDICTOR_LOG_WRITES)
        self.logged_records = counter(catalogue.PREDICTOR_LOGGED_RECORDS)
        self.model_info = gauge(catalogue.PREDICTOR_MODEL_INFO, "livemax")
        self.spool_bytes = gauge(catalogue.PREDICTOR_SPOOL_BYTES, "livesum")
        self.spool_records = gauge(catalogue.PREDICTOR_SPOOL_RECORDS, "livesum")
        self.spool_age = gauge(catalogue.PREDICTOR_SPOOL_OLDEST_AGE, "livemax")

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
