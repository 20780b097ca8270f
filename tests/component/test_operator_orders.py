"""What people ask a policy for by hand, at the real API server with the operator's real rights."""

from datetime import UTC, datetime, timedelta

import pytest
from support.operator_process import eventually
from support.policy_namespace import CHAMPION, FALLBACK, PolicyNamespace

from taxi_domain.runs import RunResult

pytestmark = pytest.mark.component


def ask(world: PolicyNamespace, **fields: object) -> None:
    world.api.patch("DriftPolicy", world.namespace, "p", {"spec": fields})


def run_state(world: PolicyNamespace) -> str:
    state: str = (world.status().get("run") or {}).get("state", "")
    return state


def test_run_is_asked_for_aborted_asked_for_again_and_approved(world: PolicyNamespace) -> None:
    operator = world.operator()
    world.apply_policy(gate={"approval": "Required"})
    eventually("a first look", lambda: "requests" in world.status())
    operator.reconcile()
    assert world.jobs() == []

    ask(world, retrainRequest="one")
    (job,) = eventually("a Job", world.jobs)
    ask(world, abortRequest="one")
    eventually("the run is given up", lambda: run_state(world) == "Abandoned")
    (ended,) = world.jobs()
    assert ended["spec"]["activeDeadlineSeconds"] == 1
    world.end_job(job, "FailureTarget", "Failed")

    ask(world, retrainRequest="two")
    eventually("another Job", lambda: len(world.jobs()) == 2)
    (second,) = [one for one in world.jobs() if one["metadata"]["name"] != job["metadata"]["name"]]
    candidate = world.version("better")
    world.write_report(second, RunResult.BETTER, candidate)
    world.end_job(second, "SuccessCriteriaMet", "Complete")
    eventually("it waits", lambda: run_state(world) == "AwaitingApproval")
    operator.reconcile()
    assert world.alias() == world.champion

    ask(world, approvedCandidate=candidate)
    eventually("it is promoted", lambda: run_state(world) == "Promoted")
    assert (world.alias(), world.pods_have()) == (candidate, candidate)
    outcomes = [one["outcome"] for one in world.status()["history"]]
    assert outcomes == ["Promoted", "Abandoned"]


def test_traffic_is_forced_for_a_while(world: PolicyNamespace) -> None:
    world.operator()
    world.apply_policy()
    eventually("a first look", lambda: "requests" in world.status())

    # Longer than a busy machine takes to do it; it is taken back below.
    until = (datetime.now(UTC) + timedelta(minutes=10)).isoformat(timespec="seconds")
    ask(world, forceTraffic={"to": "Fallback", "until": until, "reason": "the store moves"})
    eventually("the fallback serves", lambda: world.selects() == FALLBACK)
    assert world.status()["decision"]["message"] == "the store moves"
    ask(world, forceTraffic=None)
    eventually("the champion serves", lambda: world.selects() == CHAMPION)
