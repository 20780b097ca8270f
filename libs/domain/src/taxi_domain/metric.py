"""What an entry of the metric catalogue says, and how one is written."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class MetricType(StrEnum):
    """Prometheus' types that are used."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True, eq=False)
class Metric:
    """One entry of the catalogue; entries are compared by identity, as keys of dictionaries.

    Attributes:
        name: Full name as Prometheus shows it (counters end in `_total`).
        type: Prometheus type.
        help: One sentence.
        labels: Names of its labels.
        buckets: Upper bounds of a histogram, in the metric's unit.
        series: Values of the labels, for each series that is exported from the start, at zero:
            what has not happened yet is known of these counters.
        at_scrape: Computed when it is asked for, by a collector; the others are objects that a
            part changes as things happen.
        across_workers: How a gauge's values of several processes become one, in the words of
            prometheus_client's multiprocess mode.
    """

    name: str
    type: MetricType
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()
    series: tuple[tuple[str, ...], ...] = ()
    at_scrape: bool = False
    across_workers: str = "all"


class CounterMetric(Metric):
    """A counter."""


class GaugeMetric(Metric):
    """A gauge."""


class HistogramMetric(Metric):
    """A histogram."""


def counter(
    name: str,
    text: str,
    *labels: str,
    series: Iterable[Iterable[str]] = (),
    at_scrape: bool = False,
) -> CounterMetric:
    """Return a counter; one that is computed at each scrape with `at_scrape`."""
    return CounterMetric(
        name, MetricType.COUNTER, text, labels, (), tuple(map(tuple, series)), at_scrape
    )


def gauge(name: str, text: str, *labels: str, across_workers: str = "all") -> GaugeMetric:
    """Return a gauge that a part sets."""
    return GaugeMetric(name, MetricType.GAUGE, text, labels, across_workers=across_workers)


def computed(name: str, text: str, *labels: str) -> GaugeMetric:
    """Return a gauge that is computed at each scrape, and absent while it is not known."""
    return GaugeMetric(name, MetricType.GAUGE, text, labels, at_scrape=True)


def histogram(name: str, text: str, buckets: tuple[float, ...], *labels: str) -> HistogramMetric:
    """Return a histogram; without buckets where they follow the model's reference."""
    return HistogramMetric(name, MetricType.HISTOGRAM, text, labels, buckets)
