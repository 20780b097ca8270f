"""What a query of the chart may use: the catalogue's series, those of others, and recorded ones."""

import re
from typing import Any

import promql_parser

from taxi_domain.metric import Metric, MetricType
from taxi_domain.metrics import CATALOGUE

TARGET_LABELS = {"cluster", "namespace", "job", "pod", "service", "exported_service", "le"}
#: Series of others, with their labels beside those of a target.
OF_OTHERS: dict[str, set[str]] = {
    "up": set(),
    "ALERTS": {"alertname", "alertstate", "severity", "release", "model_role", "policy"},
    "kubelet_volume_stats_available_bytes": {"persistentvolumeclaim"},
    "kubelet_volume_stats_capacity_bytes": {"persistentvolumeclaim"},
    "kube_pod_container_status_restarts_total": set(),
    "kube_job_status_failed": {"job_name"},
}
#: Series that the chart's rules record, with their labels.
_RECORDED = re.compile(
    r"\b(job|model_feature|model_feature_bin):(taxi_[a-z_]+):[a-z]*[0-9]+[mhd]\b"
)
_LEVELS = {
    "job": set[str](),
    "model_feature": {"model", "model_role", "version", "feature"},
    "model_feature_bin": {"model", "model_role", "version", "feature", "bin"},
}
_NAME = re.compile(rf"(?<!:)\b(taxi_[a-z_]+|{'|'.join(OF_OTHERS)})\b(?!:)")


def _series() -> dict[str, Metric]:
    """Return the catalogue's metric of every series name."""
    found: dict[str, Metric] = {}
    for metric in CATALOGUE:
        names = [metric.name]
        if metric.type is MetricType.HISTOGRAM:
            names = [f"{metric.name}_{suffix}" for suffix in ("bucket", "sum", "count")]
        found |= dict.fromkeys(names, metric)
    return found


SERIES = _series()


def names(query: str) -> list[str]:
    """Return the names of all series in a query, in order and as often as they stand there."""
    found = [(one.start(), one.group()) for one in _NAME.finditer(query)]
    found += [(one.start(), one.group()) for one in _RECORDED.finditer(query)]
    return [name for _, name in sorted(found)]


def selectors(query: str) -> list[Any]:
    """Return all vector selectors of a query."""
    found: list[Any] = []

    def walk(node: Any) -> None:
        if isinstance(node, promql_parser.VectorSelector):
            found.append(node)
        for child in ("expr", "lhs", "rhs", "vector_selector"):
            below = getattr(node, child, None)
            if below is not None:
                walk(below)
        for argument in getattr(node, "args", None) or []:
            walk(argument)

    walk(promql_parser.parse(query))
    return found


def own_labels(name: str) -> set[str]:
    """Return the labels of a series beside those of its target.

    Raises:
        KeyError: nobody exports or records it.
    """
    if recorded := _RECORDED.fullmatch(name):
        return _LEVELS[recorded[1]]
    return OF_OTHERS[name] if name in OF_OTHERS else set(SERIES[name].labels)


def labels_of(selector: Any) -> set[str]:
    """Return the labels that a selector names."""
    return {matcher.name for matcher in selector.matchers.matchers}


def grouped(query: str) -> set[str]:
    """Return the labels that a query groups by."""
    return {
        label.strip()
        for group in re.findall(r"by \(([^)]*)\)", query)
        for label in group.split(",")
    }


def model_gauges(query: str) -> list[str]:
    """Return the gauges of a model that a query reads."""
    return [
        one.name
        for one in selectors(query)
        if one.name in SERIES
        and SERIES[one.name].type is MetricType.GAUGE
        and {"model_role", "model"} <= set(SERIES[one.name].labels)
    ]
