"""The gauge of halves of inferences that wait, as the last look at MongoDB found them."""

from collections.abc import Callable, Iterable

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from taxi_domain.metrics import MONITOR_PENDING_EVENTS
from taxi_store.log.pending import Waiting


class PendingCollector(Collector):
    """Exports what waits; nothing before it is known.

    Args:
        waiting: Returns the last look.
    """

    def __init__(self, waiting: Callable[[], Waiting | None]) -> None:
        self._waiting = waiting

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """Return the gauge."""
        waiting = self._waiting()
        if waiting is not None:
            metric = MONITOR_PENDING_EVENTS
            yield GaugeMetricFamily(metric.name, metric.help, value=waiting.count)
