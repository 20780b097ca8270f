"""The operator's own metrics, made from the catalogue."""

from collections.abc import Collection, Mapping
from typing import Final

from prometheus_client import CollectorRegistry, Histogram

from taxi_domain.metrics import (
    OPERATOR_CHAMPION_UNAVAILABLE,
    OPERATOR_DECISIONS,
    OPERATOR_DUPLICATES_PREVENTED,
    OPERATOR_POLICY_CONDITION,
    OPERATOR_RECONCILE_LAG,
    OPERATOR_RECONCILES,
    OPERATOR_RESCUES,
    OPERATOR_RUNS,
    OPERATOR_SIGNAL_BREACHED,
    OPERATOR_SIGNAL_VALUE,
    objects_of,
)
from taxi_operator.core.decisions import Action
from taxi_operator.memory.run import ENDED
from taxi_runtime.metrics import MetricObjects


class Metrics(MetricObjects[Histogram]):
    """Metric objects on a registry of their own."""

    def __init__(self, registry: CollectorRegistry) -> None:
        super().__init__(objects_of("operator"), registry, Histogram)
        self._with_value: Final[dict[str, set[str]]] = {}
        self._signals: Final[dict[str, set[str]]] = {}
        self._conditions: Final[dict[str, dict[str, str]]] = {}

    def know(self, policy: str) -> None:
        """Export a policy's counters from the start: what has not happened yet is known too."""
        for result in ("ok", "error"):
            self[OPERATOR_RECONCILES].labels(policy, result)
        for action in (Action.RETRAIN, Action.FALLBACK, Action.RESTORE):
            self[OPERATOR_DECISIONS].labels(policy, str(action))
        for state in ENDED:
            self[OPERATOR_RUNS].labels(policy, str(state))
        self[OPERATOR_DUPLICATES_PREVENTED].labels(policy)
        self[OPERATOR_RESCUES].labels(policy)

    def set_signal(self, policy: str, signal: str, value: float | None, *, breached: bool) -> None:
        """Export a signal; without a value only whether it is breached."""
        self._signals.setdefault(policy, set()).add(signal)
        self[OPERATOR_SIGNAL_BREACHED].labels(policy, signal).set(float(breached))
        valued = self._with_value.setdefault(policy, set())
        if value is not None:
            valued.add(signal)
            self[OPERATOR_SIGNAL_VALUE].labels(policy, signal).set(value)
        elif signal in valued:
            valued.remove(signal)
            self[OPERATOR_SIGNAL_VALUE].remove(policy, signal)

    def keep_signals(self, policy: str, signals: Collection[str]) -> None:
        """Remove the series of signals that a policy does not have any more."""
        for gone in self._signals.get(policy, set()) - set(signals):
            self._signals[policy].remove(gone)
            self[OPERATOR_SIGNAL_BREACHED].remove(policy, gone)
            if gone in self._with_value[policy]:
                self._with_value[policy].remove(gone)
                self[OPERATOR_SIGNAL_VALUE].remove(policy, gone)

    def set_conditions(self, policy: str, present: Mapping[str, str]) -> None:
        """Export the status of each type of condition; that of before is not exported any more."""
        before = self._conditions.setdefault(policy, {})
        metric = self[OPERATOR_POLICY_CONDITION]
        for kind, status in present.items():
            if before.get(kind) == status:
                continue
            if kind in before:
                metric.remove(policy, kind, before[kind])
            before[kind] = status
            metric.labels(policy, kind, status).set(1)

    def forget(self, policy: str) -> None:
        """Remove the series of a policy that is gone."""
        self.keep_signals(policy, ())
        self._signals.pop(policy, None)
        self._with_value.pop(policy, None)
        self._conditions.pop(policy, None)
        for metric in (
            OPERATOR_RECONCILES, OPERATOR_DECISIONS, OPERATOR_DUPLICATES_PREVENTED,
            OPERATOR_RECONCILE_LAG, OPERATOR_RESCUES, OPERATOR_CHAMPION_UNAVAILABLE,
            OPERATOR_RUNS, OPERATOR_POLICY_CONDITION,
        ):  # fmt: skip
            self[metric].remove_by_labels({"policy": policy})
