"""Budget and cooldown are the model's: a policy that is made anew does not begin with none used."""

from datetime import UTC, datetime, timedelta

import pytest

from taxi_operator.core.decisions import Action, Traffic
from taxi_operator.core.jobs import PolicyKey
from taxi_operator.core.readiness import Readiness
from taxi_operator.core.signals import Reading, SignalState
from taxi_operator.memory.run import Run, RunState
from taxi_operator.memory.status import Status
from taxi_operator.plan.plan import Plan
from taxi_operator.plan.policy import decide
from taxi_operator.plan.seen import NOTHING_DONE, NextRun, Seen, SeenTarget
from taxi_operator.spec.policy import policy_of
from taxi_store.registry.runs import ModelRun

KEY = PolicyKey("p", "0a1b2c3d-1111-2222-3333-444455556666")
BEFORE = "ffffffff"
NOW = datetime(2026, 1, 2, tzinfo=UTC)
ENTER, EXIT = {"op": "Greater", "value": "1"}, {"op": "Less", "value": "1"}
POLICY = policy_of(
    {
        "target": {"deploymentName": "c", "activeServiceName": "s"},
        "prometheus": {"url": "http://p"},
        "signals": [{"name": "drift", "promql": "q", "enter": ENTER, "exit": EXIT}],
        "rules": {"retrain": {"anyOf": [{"allOf": ["drift"]}]}},
        "retrain": {"jobFrom": {"cronJobName": "train"}, "maxPerDay": 2},
    }
)


def ran(run_id: str, hours_ago: float, *, is_better: bool = False) -> ModelRun:
    start = NOW - timedelta(hours=hours_ago)
    return ModelRun(run_id, start, start + timedelta(minutes=5), is_better)


def decided(*of_model: ModelRun, status: Status | None = None) -> Plan:
    target = SeenTarget(
        {"metadata": {"name": "s"}}, Traffic.CHAMPION, Readiness(1, 0.0), False,
        dict.fromkeys(Traffic, 1),
    )  # fmt: skip
    seen = Seen(
        NOW.timestamp(), target, (Reading("drift", SignalState.BREACHED, breached=True),),
        jobs=(), has_template=True,
    )  # fmt: skip
    first = decide(POLICY, KEY, status or Status(), seen, NOTHING_DONE)
    assert first.asks_for_run
    seen = Seen(
        seen.now, seen.target, seen.readings, jobs=(), has_template=True,
        next_run=NextRun(7, "v1", of_model),
    )  # fmt: skip
    return decide(POLICY, KEY, status or Status(), seen, NOTHING_DONE)


def test_run_starts_when_no_other_was() -> None:
    plan = decided()

    assert plan.decision is not None
    assert plan.decision.action is Action.RETRAIN
    assert plan.memory.run is not None
    assert (plan.memory.run.number, plan.memory.run.state) == (7, RunState.STARTING)


@pytest.mark.parametrize(
    ("runs", "reason"),
    [
        ([ran(f"{BEFORE}-0001-1", 20), ran(f"{BEFORE}-0002-1", 10)], "BudgetExhausted"),
        ([ran(f"{BEFORE}-0001-1", 20), ran("by-hand", 10)], "BudgetExhausted"),
        ([ran(f"{BEFORE}-0001-1", 0.5)], "Cooldown"),
        ([ran(f"{BEFORE}-0001-1", 5, is_better=True)], "Cooldown"),
        ([ran(f"{BEFORE}-0001-1", 5)], ""),
        ([ran(f"{BEFORE}-0001-1", 20), ran(f"{BEFORE}-0001-2", 19)], ""),
        ([ran(f"{BEFORE}-0001-1", 30), ran(f"{BEFORE}-0002-1", 25)], ""),
        ([ran("0a1b2c3d-0001-1", 20), ran("0a1b2c3d-0002-1", 10)], "BudgetExhausted"),
    ],
)
def test_runs_of_policies_before_count(runs: list[ModelRun], reason: str) -> None:
    plan = decided(*runs)

    assert plan.holds == ((reason,) if reason else ())
    assert (plan.decision is None) is bool(reason)


def test_run_that_status_and_registry_know_of_counts_once() -> None:
    start = NOW.timestamp() - 10 * 3600
    run = Run(6, 1, RunState.REFUSED, "job", start, ended_at=start + 60)

    plan = decided(ran("0a1b2c3d-0006-1", 10), status=Status(number=6, run=run))

    assert plan.decision is not None
