"""A policy's counters are there before anything happened, and gone with it."""

from dataclasses import replace
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from taxi_domain.metrics import OPERATOR_RECONCILE_LAG, OPERATOR_RUNS
from taxi_operator.conditions import ALL
from taxi_operator.memory.run import ENDED, Run, RunState
from taxi_operator.memory.status import Status
from taxi_operator.metrics import Metrics
from taxi_operator.reporting import Reporter


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
    metrics.set_conditions("one", {"Ready": "True"})
    metrics[OPERATOR_RUNS].labels("one", "Promoted").inc()
    found = series(registry, "one")
    metrics.forget("one")

    assert found["taxi_operator_reconciles_total", "error"] == 0
    assert found["taxi_operator_decisions_total", "Retrain"] == 0
    assert found["taxi_operator_runs_total", "Failed"] == 0
    assert series(registry, "one") == {}
    assert series(registry, "other")["taxi_operator_reconciles_total", "ok"] == 0


def conditions(registry: CollectorRegistry) -> dict[tuple[str, str], float]:
    return {
        (sample.labels["type"], sample.labels["status"]): sample.value
        for metric in registry.collect()
        for sample in metric.samples
        if sample.name == "taxi_operator_policy_condition"
    }


def test_condition_has_one_series_which_is_its_present_status() -> None:
    registry = CollectorRegistry()
    metrics = Metrics(registry)

    metrics.set_conditions("p", dict.fromkeys(ALL, "Unknown"))
    metrics.set_conditions("p", dict.fromkeys(ALL, "Unknown") | {"Ready": "True"})
    metrics.set_conditions("p", dict.fromkeys(ALL, "Unknown") | {"Ready": "False"})

    found = conditions(registry)
    assert found == {(one, "False" if one == "Ready" else "Unknown"): 1.0 for one in ALL}
    metrics.forget("p")
    assert conditions(registry) == {}
    metrics.set_conditions("p", {"Ready": "False"})
    assert conditions(registry) == {("Ready", "False"): 1.0}


RUN = Run(3, 1, RunState.RUNNING, "j", 0.0)


@pytest.mark.parametrize("state", sorted(ENDED))
@pytest.mark.parametrize(
    ("before", "counted"),
    [
        (RUN, 1),
        (replace(RUN, state=RunState.PROMOTING), 1),
        (None, 1),
        (replace(RUN, number=2, state=RunState.FAILED), 1),
        (replace(RUN, state=RunState.FAILED), 0),
    ],
)
def test_run_is_counted_once_when_it_ends(
    before: Run | None, counted: float, state: RunState
) -> None:
    registry, cluster = CollectorRegistry(), Any
    reporter = Reporter(cluster, Metrics(registry), lambda: 0.0)  # type: ignore[arg-type]
    labels = {"policy": "p", "result": str(state)}

    reporter.count_run("p", Status(run=before), Status(run=replace(RUN, state=state)))
    reporter.count_run("p", Status(run=before), Status(run=RUN))

    found = registry.get_sample_value("taxi_operator_runs_total", labels) or 0
    assert found == counted
