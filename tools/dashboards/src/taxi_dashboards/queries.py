"""Queries: every one stays in the cluster, namespace and release that the variables name."""

from dataclasses import dataclass
from typing import Final

_PLACE: Final = 'cluster=~"$cluster", namespace="$namespace"'
_OF_MODEL: Final = 'model="$model"'
#: Labels of a model's series: what a replaced pod leaves behind is no second series.
MODEL: Final = "model, model_role"


@dataclass(frozen=True, slots=True)
class Query:
    """What Prometheus is asked, and how its series are named."""

    expr: str
    legend: str


def selected(metric: str, job: str, *matchers: str, span: str = "") -> str:
    """Return a selector of the release.

    Args:
        metric: Name of the series.
        job: Part of the release, for example `monitor`, or `(predictor|fallback)`.
        matchers: More of them, for example `model_role="$model_role"`.
        span: Range in brackets, for example `$__rate_interval`.
    """
    operator = "=~" if "(" in job else "="
    inside = ", ".join((_PLACE, f'job{operator}"$release-{job}"', *matchers))
    return f"{metric}{{{inside}}}" + (f"[{span}]" if span else "")


def serving(metric: str, *matchers: str, span: str = "") -> str:
    """Return a selector of the predictor's and the fallback's series."""
    return selected(metric, "(predictor|fallback)", *matchers, span=span)


def of_monitor(metric: str, *matchers: str, span: str = "") -> str:
    """Return a selector of the monitor's series."""
    return selected(metric, "monitor", *matchers, span=span)


def of_operator(metric: str, *matchers: str, span: str = "") -> str:
    """Return a selector of the operator's series."""
    return selected(metric, "operator", *matchers, span=span)


def of_models(metric: str, *labels: str, matchers: tuple[str, ...] = ()) -> str:
    """Return the monitor's gauge of the model in all of its roles, by more labels."""
    by = ", ".join((MODEL, *labels))
    return f"max by ({by}) ({of_monitor(metric, _OF_MODEL, *matchers)})"


def of_role(metric: str, *labels: str, matchers: tuple[str, ...] = ()) -> str:
    """Return the monitor's gauge of the model in the role that is looked at."""
    return of_models(metric, *labels, matchers=('model_role="$model_role"', *matchers))


def per_second(counter: str, *by: str) -> str:
    """Return how fast a counter (a selector with `$__rate_interval`) grows, by labels."""
    return f"sum by ({', '.join(by)}) (rate({counter}))"


def quantile(share: float, buckets: str, *by: str) -> str:
    """Return a quantile of a histogram (a selector of buckets with `$__rate_interval`)."""
    return f"histogram_quantile({share}, {per_second(buckets, 'le', *by)})"


RATE: Final = "$__rate_interval"
