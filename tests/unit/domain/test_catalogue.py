"""The metric catalogue keeps Prometheus' conventions."""

import pytest

from taxi_domain.metric import Metric, MetricType
from taxi_domain.metrics import CATALOGUE, PREDICTOR_PREDICTED_VALUE

ROLES = ("taxi_predictor_", "taxi_monitor_", "taxi_operator_", "taxi_report_")
UNBOUNDED = {"ride_id", "zone", "id", "path", "date"}


def test_names_are_unique() -> None:
    assert len({metric.name for metric in CATALOGUE}) == len(CATALOGUE) > 40


@pytest.mark.parametrize("metric", CATALOGUE, ids=lambda metric: metric.name)
def test_metric_keeps_the_conventions(metric: Metric) -> None:
    assert metric.name.startswith(ROLES)
    assert metric.name.endswith("_total") == (metric.type is MetricType.COUNTER)
    # Those of the answers come with the model.
    of_the_model = metric is PREDICTOR_PREDICTED_VALUE
    histogram = metric.type is MetricType.HISTOGRAM
    assert bool(metric.buckets) == (histogram and not of_the_model)
    assert list(metric.buckets) == sorted(metric.buckets)
    assert metric.help.endswith(".")
    assert "minutes" not in metric.name
    assert all(len(values) == len(metric.labels) for values in metric.series)
    assert not metric.series or metric.type is MetricType.COUNTER
    assert not UNBOUNDED & set(metric.labels)
    # Bins are a version's own, and rows of two versions must not be added up in them.
    of_a_version = metric.name.endswith("_info") or "bin" in metric.labels
    assert "version" not in metric.labels or of_a_version
