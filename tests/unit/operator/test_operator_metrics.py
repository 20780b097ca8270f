"""A policy's counters are there before anything happened, and gone with it."""

from prometheus_client import CollectorRegistry

from taxi_domain.metrics import OPERATOR_RECONCILE_LAG
from taxi_operator.metrics import Metrics


def series(registry: CollectorRegistry, policy: str) -> dict[tuple[str, str], float]:
    return {
        (sample.name, sample.labels.get("result") or sample.labels.get("action", "")): sample.value
        for metric in registry.collect()
        for sample in metric.samples
        if sample.labels.get("policy") == policy and not sample.name.endswith("_created")
    }


def test_counters_begin_at_zero_and_end_with_their_policy() -> None:
    registry = CollectorRegistry()
    metrics = Metrics(registry)

    metrics.know("one")
    metrics.know("other")
    metrics[OPERATOR_RECONCILE_LAG].labels("one").set(1)
    metrics.set_signal("one", "drift", 1.5, breached=True)
    found = series(registry, "one")
    metrics.forget("one")

    assert found["taxi_operator_reconciles_total", "error"] == 0
    assert found["taxi_operator_decisions_total", "Retrain"] == 0
    assert series(registry, "one") == {}
    assert series(registry, "other")["taxi_operator_reconciles_total", "ok"] == 0
