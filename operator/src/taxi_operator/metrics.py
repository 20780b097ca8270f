"""The operator's own metrics, made from the catalogue."""

from collections.abc import Collection
from typing import Final
from wsgiref.simple_server import WSGIServer

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server

from taxi_domain import metrics as catalogue
from taxi_domain.metrics import Metric
from taxi_operator.decisions import Action

_READ_SECONDS: Final = 5.0


def serve(
    registry: CollectorRegistry, port: int, read_seconds: float = _READ_SECONDS
) -> WSGIServer:
    """Answer Prometheus from threads of its own, one for each connection.

    Args:
        registry: What is exported.
        port: To listen on; 0 takes a free one.
        read_seconds: How long a client may send nothing; its thread ends then.
    """
    server, _ = start_http_server(port, registry=registry)
    handler = server.RequestHandlerClass
    assert isinstance(handler, type)
    server.RequestHandlerClass = type("Impatient", (handler,), {"timeout": read_seconds})
    return server


class Metrics:
    """Metric objects on a registry of their own."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(metric: Metric) -> Counter:
            found = Counter(metric.name, metric.help, metric.labels, registry=registry)
            for values in metric.series:
                found.labels(*values)
            return found

        def gauge(metric: Metric) -> Gauge:
            return Gauge(metric.name, metric.help, metric.labels, registry=registry)

        self.reconciles: Final = counter(catalogue.OPERATOR_RECONCILES)
        self.reconcile_duration: Final = Histogram(
            catalogue.OPERATOR_RECONCILE_DURATION.name, catalogue.OPERATOR_RECONCILE_DURATION.help,
            registry=registry, buckets=catalogue.OPERATOR_RECONCILE_DURATION.buckets,
        )  # fmt: skip
        self.reconcile_lag: Final = gauge(catalogue.OPERATOR_RECONCILE_LAG)
        self.decisions: Final = counter(catalogue.OPERATOR_DECISIONS)
        self.duplicates_prevented: Final = counter(catalogue.OPERATOR_DUPLICATES_PREVENTED)
        self.rescues: Final = counter(catalogue.OPERATOR_RESCUES)
        self.champion_unavailable: Final = gauge(catalogue.OPERATOR_CHAMPION_UNAVAILABLE)
        self.traffic: Final = gauge(catalogue.OPERATOR_TRAFFIC)
        self.switch_seconds: Final = gauge(catalogue.OPERATOR_SWITCH_SECONDS)
        self.api_errors: Final = counter(catalogue.OPERATOR_API_ERRORS)
        self._signal_value: Final = gauge(catalogue.OPERATOR_SIGNAL_VALUE)
        self._signal_breached: Final = gauge(catalogue.OPERATOR_SIGNAL_BREACHED)
        self._with_value: Final[dict[str, set[str]]] = {}
        self._signals: Final[dict[str, set[str]]] = {}

    def know(self, policy: str) -> None:
        """Export a policy's counters from the start: what has not happened yet is known too."""
        for result in ("ok", "error"):
            self.reconciles.labels(policy, result)
        for action in (Action.RETRAIN, Action.FALLBACK, Action.RESTORE):
            self.decisions.labels(policy, str(action))
        self.duplicates_prevented.labels(policy)
        self.rescues.labels(policy)

    def set_signal(self, policy: str, signal: str, value: float | None, *, breached: bool) -> None:
        """Export a signal; without a value only whether it is breached."""
        self._signals.setdefault(policy, set()).add(signal)
        self._signal_breached.labels(policy, signal).set(float(breached))
        valued = self._with_value.setdefault(policy, set())
        if value is not None:
            valued.add(signal)
            self._signal_value.labels(policy, signal).set(value)
        elif signal in valued:
            valued.remove(signal)
            self._signal_value.remove(policy, signal)

    def keep_signals(self, policy: str, signals: Collection[str]) -> None:
        """Remove the series of signals that a policy does not have any more."""
        for gone in self._signals.get(policy, set()) - set(signals):
            self._signals[policy].remove(gone)
            self._signal_breached.remove(policy, gone)
            if gone in self._with_value[policy]:
                self._with_value[policy].remove(gone)
                self._signal_value.remove(policy, gone)

    def forget(self, policy: str) -> None:
        """Remove the series of a policy that is gone."""
        self.keep_signals(policy, ())
        self._signals.pop(policy, None)
        self._with_value.pop(policy, None)
        for metric in (
            self.reconciles, self.decisions, self.duplicates_prevented, self.reconcile_lag,
            self.rescues, self.champion_unavailable,
        ):  # fmt: skip
            metric.remove_by_labels({"policy": policy})
