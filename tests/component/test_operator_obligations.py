"""A promotion that was begun is carried to its end or back, whatever becomes of its policy."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from support.operator_process import eventually
from support.policy_namespace import CHAMPION, SERVICE, PolicyNamespace

from taxi_domain.runs import RunResult

pytestmark = pytest.mark.component

KILLED = 137
ANNOTATION = "taxi-monitoring.io/promotion"


def killed_while_promoting(world: PolicyNamespace, fault: str) -> str:
    """Let the operator die around the alias; return the candidate."""
    world.say(drift=2)
    world.apply_policy()
    operator = world.operator(fault=fault)
    (job,) = eventually("a Job", world.jobs)
    candidate = world.version("better")
    world.write_report(job, RunResult.BETTER, candidate)
    assert operator.wait_for_death() == KILLED
    assert remembers(world)
    assert world.alias() == (candidate if fault == "after-alias" else world.champion)
    return candidate


def change(world: PolicyNamespace, how: str) -> None:
    if how == "Delete":
        world.delete_policy()
        eventually("the policy is gone at once", lambda: world.policy() is None)
    else:
        world.api.patch("DriftPolicy", world.namespace, "p", {"spec": {"mode": how}})


def remembers(world: PolicyNamespace) -> bool:
    found = world.api.get("Service", world.namespace, SERVICE)
    assert found is not None
    return ANNOTATION in found["metadata"]["annotations"]


def run_of(world: PolicyNamespace) -> dict[str, Any]:
    return world.status().get("run") or {}


@pytest.mark.parametrize("how", ["Delete", "Suspend", "DryRun"])
@pytest.mark.parametrize("comes_up", [True, False])
def test_alias_is_not_left_on_what_does_not_start(
    world: PolicyNamespace, how: str, *, comes_up: bool
) -> None:
    candidate = killed_while_promoting(world, "after-alias")
    if not comes_up:
        world.controllers.stuck[CHAMPION] = "has timed out progressing"
    change(world, how)

    world.operator()

    eventually("it is over", lambda: not remembers(world))
    end = candidate if comes_up else world.champion
    assert (world.alias(), world.pods_have()) == (end, end)
    if how == "Delete":
        told = "CandidatePromoted" if comes_up else "RetrainFailed"
        eventually("it is told", lambda: told in world.events(SERVICE))
    else:
        state = "Promoted" if comes_up else "Failed"
        eventually("it is known", lambda: run_of(world).get("state") == state)


def test_promotion_that_was_only_announced_changes_nothing(world: PolicyNamespace) -> None:
    killed_while_promoting(world, "before-alias")
    change(world, "Delete")

    world.operator()

    eventually("it is over", lambda: not remembers(world))
    assert (world.alias(), world.pods_have()) == (world.champion, world.champion)


def test_lost_status_forgets_no_promotion(world: PolicyNamespace) -> None:
    candidate = killed_while_promoting(world, "after-alias")
    world.controllers.ready[CHAMPION] = 0
    eventually("no pod is ready", lambda: world.ready_pods(CHAMPION) == 0)
    world.api.patch("DriftPolicy", world.namespace, "p", {"status": None}, "/status")

    world.operator()

    eventually("it goes on", lambda: run_of(world).get("state") == "Promoting")
    world.controllers.ready[CHAMPION] = 1
    eventually("it ends", lambda: run_of(world).get("state") == "Promoted")
    assert (world.alias(), world.pods_have()) == (candidate, candidate)


def test_rollout_that_goes_on_for_ever_is_taken_back(world: PolicyNamespace) -> None:
    candidate = killed_while_promoting(world, "after-alias")
    # As of a paused Deployment: neither ready nor failed.
    world.controllers.ready[CHAMPION] = 0
    eventually("no pod is ready", lambda: world.ready_pods(CHAMPION) == 0)
    world.delete_policy()
    service = world.api.get("Service", world.namespace, SERVICE)
    assert service is not None
    note = json.loads(service["metadata"]["annotations"][ANNOTATION])
    note["since"] = (datetime.now(UTC) - timedelta(minutes=16)).isoformat()
    annotations = {"metadata": {"annotations": {ANNOTATION: json.dumps(note)}}}
    world.api.patch("Service", world.namespace, SERVICE, annotations)

    world.operator()

    eventually("it is over", lambda: not remembers(world))
    assert world.alias() == world.champion != candidate


def test_verdict_of_a_run_that_nobody_waited_for_is_not_carried_out(world: PolicyNamespace) -> None:
    operator = world.operator()
    world.say(drift=2)
    world.apply_policy()
    (job,) = eventually("a Job", world.jobs)
    eventually("it runs", lambda: run_of(world).get("state") == "Running")

    change(world, "Suspend")
    eventually("it is abandoned", lambda: run_of(world).get("state") == "Abandoned")
    world.write_report(job, RunResult.BETTER, world.version("better"))
    change(world, "Enforce")
    operator.reconcile(3)

    assert run_of(world)["state"] == "Abandoned"
    assert (world.alias(), world.pods_have()) == (world.champion, None)
    assert "RetrainAbandoned" in world.events()


def test_model_of_a_policy_stays(world: PolicyNamespace) -> None:
    world.apply_policy()
    with pytest.raises(RuntimeError, match=r"spec\.modelName cannot be changed"):
        world.apply_policy(modelName="another")
    with pytest.raises(RuntimeError, match=r"spec\.modelName cannot be changed"):
        world.apply_policy(modelName=None)
