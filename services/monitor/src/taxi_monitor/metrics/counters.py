"""Counters and histograms of the monitor."""

from prometheus_client import CollectorRegistry, Histogram

from taxi_domain.metrics import objects_of
from taxi_runtime.metrics import MetricObjects


class Counters(MetricObjects[Histogram]):
    """What is counted as it happens; gauges are read from the state at each scrape."""

    def __init__(self, registry: CollectorRegistry) -> None:
        super().__init__(objects_of("monitor"), registry, Histogram)
