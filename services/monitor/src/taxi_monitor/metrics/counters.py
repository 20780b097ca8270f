"""Counters and histograms of the monitor, made from the catalogue."""

from prometheus_client import CollectorRegistry, Counter, Histogram

from taxi_domain import metrics as catalogue
from taxi_domain.metrics import Metric


class Counters:
    """What is counted as it happens; gauges are read from the state at each scrape."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(metric: Metric) -> Counter:
            found = Counter(metric.name, metric.help, metric.labels, registry=registry)
            for values in metric.series:
                found.labels(*values)
            return found

        def histogram(metric: Metric) -> Histogram:
            return Histogram(
                metric.name, metric.help, metric.labels, registry=registry, buckets=metric.buckets
            )

        self.records = counter(catalogue.MONITOR_RECORDS)
        self.labels = counter(catalogue.MONITOR_LABELS)
        self.unreadable = counter(catalogue.MONITOR_UNREADABLE)
        self.label_lag = histogram(catalogue.MONITOR_LABEL_LAG)
        self.evaluations = counter(catalogue.MONITOR_EVALUATIONS)
        self.evaluation_duration = histogram(catalogue.MONITOR_EVALUATION_DURATION)
