"""A status that cannot be read costs its own policy one evaluation, and others nothing."""

import pytest
from support.control_plane import condition_of
from support.operator_process import eventually
from support.policy_namespace import CHAMPION, FALLBACK, PolicyNamespace

from taxi_domain.runs import RunResult

pytestmark = pytest.mark.component

AHEAD = "2099-01-01T00:00:00Z"


def test_status_of_another_release_is_rebuilt_and_told_once(world: PolicyNamespace) -> None:
    world.say(error=2)
    world.apply_policy()
    operator = world.operator()
    eventually(
        "the fallback serves", lambda: "lastSwapSeconds" in world.status().get("traffic", {})
    )
    operator.kill()
    strange = {
        "traffic": {"active": "Shadow", "since": AHEAD},
        "run": {"number": 7, "state": "Observing", "startedAt": AHEAD},
        "signalsResetAt": AHEAD,
    }
    world.api.patch("DriftPolicy", world.namespace, "p", {"status": strange}, "/status")

    operator = world.operator()
    world.add_service("kept")

    eventually("others are served", lambda: world.selects("kept") == CHAMPION)
    eventually("it is told", lambda: "StatusUnreadable" in world.events())
    eventually(
        "the traffic is known",
        lambda: world.status().get("traffic", {}).get("active") == "Fallback",
    )
    operator.reconcile(3)
    assert world.selects() == FALLBACK
    assert "run" not in world.status()
    assert world.status()["signalsResetAt"] < AHEAD
    assert world.events().count("StatusUnreadable") == 1
    assert condition_of(world.policy(), "Ready") == ("True", "PolicyAccepted")


def test_policy_that_is_replaced_or_restored_repeats_nothing(world: PolicyNamespace) -> None:
    """What was done stands in the status and in the Jobs, and not in what a manifest can lose."""
    operator = world.operator()
    world.apply_policy()
    eventually("a first look", lambda: "requests" in world.status())
    change = {"spec": {"retrainRequest": "one"}}
    world.api.patch("DriftPolicy", world.namespace, "p", change)
    (job,) = eventually("a Job", world.jobs)
    world.write_report(job, RunResult.NOT_BETTER)
    world.end_job(job, "SuccessCriteriaMet", "Complete")
    eventually("the run ends", lambda: world.status()["run"]["state"] == "Refused")

    stored = world.policy()
    assert stored is not None
    bare = {name: stored[name] for name in ("apiVersion", "kind", "spec")}
    bare["metadata"] = {"name": "p"}
    world.api.replace(bare, world.namespace)
    operator.reconcile(3)
    assert world.status()["requests"]["retrain"] == "one"
    assert (len(world.jobs()), world.status()["decision"]["number"]) == (1, 1)

    world.delete_policy()
    eventually("the policy is gone", lambda: world.policy() is None)
    world.api.apply(bare, world.namespace)
    eventually("it is looked at", lambda: "requests" in world.status())
    operator.reconcile(3)
    assert len(world.jobs()) == 1
    assert "decision" not in world.status()
