"""A dry run tells the whole story that would have been, not its first incident alone."""

from dataclasses import replace
from datetime import UTC, datetime

from taxi_operator.core.decisions import Traffic
from taxi_operator.core.jobs import PolicyKey
from taxi_operator.core.readiness import Readiness
from taxi_operator.core.signals import Reading, SignalState
from taxi_operator.memory.status import Status
from taxi_operator.memory.status_document import document_of, status_of
from taxi_operator.plan.policy import decide
from taxi_operator.plan.seen import NOTHING_DONE, NextRun, Seen, SeenTarget
from taxi_operator.spec.policy import Policy, policy_of
from taxi_store.registry.runs import ModelRun

KEY = PolicyKey("p", "0a1b2c3d-1111-2222-3333-444455556666")
HOUR = 3600.0
START = 1_800_000_000.0

NO_OTHERS = NextRun(1, None)


def policy(mode: str = "DryRun") -> Policy:
    condition = {"op": "Greater", "value": "1"}
    signals = [
        {"name": name, "promql": name, "enter": condition, "exit": {"op": "Less", "value": "1"}}
        for name in ("drift", "error")
    ]
    return policy_of(
        {
            "mode": mode,
            "target": {"deploymentName": "c", "activeServiceName": "s"},
            "prometheus": {"url": "http://p"},
            "signals": signals,
            "rules": {
                "retrain": {"anyOf": [{"allOf": ["drift"]}]},
                "fallback": {"anyOf": [{"allOf": ["error"]}]},
            },
            "retrain": {"jobFrom": {"cronJobName": "train"}, "maxPerDay": 2},
            "fallback": {"deploymentName": "f"},
        }
    )


def seen(now: float, *breached: str, next_run: NextRun | None = NO_OTHERS) -> Seen:
    target = SeenTarget(
        {"metadata": {"name": "s"}}, Traffic.CHAMPION, Readiness(1, 0.0), False,
        dict.fromkeys(Traffic, 1),
    )  # fmt: skip
    readings = tuple(
        Reading(name, SignalState.BREACHED, breached=True)
        if name in breached
        else Reading(name, SignalState.HEALTHY, recovered=True)
        for name in ("drift", "error")
    )
    return Seen(START + now, target, readings, jobs=(), has_template=True, next_run=next_run)


def told(status: Status, now: float, *breached: str) -> tuple[Status, list[str]]:
    """Take the steps of one reconcile, with no more memory than the status as it is written."""
    actions: list[str] = []
    while True:
        status = status_of(document_of(status, 1), START + now)
        plan = decide(policy(), KEY, status, seen(now, *breached), NOTHING_DONE)
        assert (plan.first, plan.then, plan.decision) == ((), (), None)
        status = plan.memory
        if plan.note is None:
            return status, actions
        assert plan.note.reason == "DryRun"
        actions.append(plan.note.message.split()[1])


def test_dry_run_tells_fallback_retrain_cooldown_budget_and_return() -> None:
    status, first = told(Status(), 0, "error", "drift")
    assert first == ["Fallback", "Retrain"]

    for now, breached, expected in (
        (0.1 * HOUR, ("error", "drift"), []),
        (5 * HOUR, ("drift",), ["Restore"]),
        (7 * HOUR, ("drift",), ["Retrain"]),
        (14 * HOUR, ("drift",), []),  # the budget of two in 24 hours is used up
        (14.1 * HOUR, ("error",), ["Fallback"]),
        (25 * HOUR, ("error", "drift"), ["Retrain"]),
    ):
        status, actions = told(status, now, *breached)
        assert (now, actions) == (now, expected)

    assert status.shadow is not None
    assert [one["action"] for one in status.shadow.history][::-1] == [
        "Fallback", "Retrain", "Restore", "Retrain", "Fallback", "Retrain",
    ]  # fmt: skip
    assert (status.traffic, status.run, status.history) == (Traffic.CHAMPION, None, ())


def test_shadow_goes_with_the_mode() -> None:
    status, _ = told(Status(), 0, "error")
    assert status.shadow is not None

    enforced = decide(policy("Enforce"), KEY, status, seen(60), NOTHING_DONE).memory

    assert enforced.shadow is None


def test_words_that_are_none_begin_the_shadow_anew() -> None:
    status, _ = told(Status(), 0, "error", "drift")
    document = document_of(status, 1)
    for dry_run in ("?", {"traffic": {"active": "Elsewhere"}}, {"runs": 7}):
        assert status_of({**document, "dryRun": dry_run}, START).shadow is None
    half = {**document["dryRun"], "runs": [{"at": "?"}, 5]}
    kept = status_of({**document, "dryRun": half}, START).shadow
    assert kept is not None
    assert status.shadow == replace(kept, run_starts=(START,))


def test_dry_run_counts_the_runs_that_the_registry_knows_of() -> None:
    asked = decide(policy(), KEY, Status(), seen(0, "drift", next_run=None), NOTHING_DONE)
    assert asked.asks_for_run

    began = datetime.fromtimestamp(START - 60, UTC)
    other = ModelRun("ffffffff-0001-1", began, began, is_better=True)
    known = seen(0, "drift", next_run=NextRun(1, None, (other,)))

    plan = decide(policy(), KEY, Status(), known, NOTHING_DONE)

    assert (plan.note, plan.holds) == (None, ("Cooldown",))
