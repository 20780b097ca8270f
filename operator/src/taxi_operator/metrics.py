"""The operator's own metrics, made from the catalogue."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from taxi_domain import metrics as catalogue
from taxi_domain.metrics import Metric


class Metrics:
    """Metric objects on a registry of their own."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(metric: Metric) -> Counter:
            return Counter(metric.name, metric.help, metric.labels, registry=registry)

        def gauge(metric: Metric) -> Gauge:
            return Gauge(metric.name, metric.help, metric.labels, registry=registry)

        self.ticks = counter(catalogue.OPERATOR_TICKS)
        self.tick_duration = Histogram(
            catalogue.OPERATOR_TICK_DURATION.name, catalogue.OPERATOR_TICK_DURATION.help,
            registry=registry, buckets=catalogue.OPERATOR_TICK_DURATION.buckets,
        )  # fmt: skip
        self.tick_lag = gauge(catalogue.OPERATOR_TICK_LAG)
        self.signal_value = gauge(catalogue.OPERATOR_SIGNAL_VALUE)
        self.signal_breached = gauge(catalogue.OPERATOR_SIGNAL_BREACHED)
        self.decisions = counter(catalogue.OPERATOR_DECISIONS)
        self.duplicates_prevented = counter(catalogue.OPERATOR_DUPLICATES_PREVENTED)
        self.traffic = gauge(catalogue.OPERATOR_TRAFFIC)
        self.swap_seconds = gauge(catalogue.OPERATOR_SWAP_SECONDS)
        self.api_errors = counter(catalogue.OPERATOR_API_ERRORS)

    def forget(self, policy: str) -> None:
        """Remove the series of a policy that is gone."""
        for metric in (self.tick_lag, self.signal_value, self.signal_breached):
            for labels in list(metric._metrics):
                if labels[0] == policy:
                    metric.remove(*labels)
