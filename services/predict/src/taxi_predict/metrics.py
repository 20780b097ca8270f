"""The predictor's metrics, made from the catalogue, in multiprocess form."""

from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from taxi_domain import metrics as catalogue
from taxi_domain.metrics import Metric

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """Metric objects of one worker; values of all workers meet in the shared folder."""

    def __init__(self) -> None:
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

        def histogram(metric: Metric) -> Histogram:
            return Histogram(
                metric.name, metric.help, metric.labels, registry=registry, buckets=metric.buckets
            )

        self.requests = counter(catalogue.PREDICTOR_REQUESTS)
        self.request_duration = histogram(catalogue.PREDICTOR_REQUEST_DURATION)
        self.predictions = counter(catalogue.PREDICTOR_PREDICTIONS)
        self.predicted_duration = histogram(catalogue.PREDICTOR_PREDICTED_DURATION)
        self.refused = counter(catalogue.PREDICTOR_REFUSED)
        self.unlogged = counter(catalogue.PREDICTOR_UNLOGGED)
        self.spool_lost = counter(catalogue.PREDICTOR_SPOOL_LOST)
        self.log_writes = counter(catalogue.PREDICTOR_LOG_WRITES)
        self.logged_records = counter(catalogue.PREDICTOR_LOGGED_RECORDS)
        self.model_info = gauge(catalogue.PREDICTOR_MODEL_INFO, "livemax")
        self.spool_bytes = gauge(catalogue.PREDICTOR_SPOOL_BYTES, "livesum")
        self.spool_records = gauge(catalogue.PREDICTOR_SPOOL_RECORDS, "livesum")
        self.spool_age = gauge(catalogue.PREDICTOR_SPOOL_OLDEST_AGE, "livemax")


def exposition() -> bytes:
    """Return the values of all workers, dead ones included where they count."""
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return generate_latest(registry)


def forget_worker(pid: int) -> None:
    """Remove the live gauges of a worker that died."""
    mark_process_dead(pid)  # type: ignore[no-untyped-call]
