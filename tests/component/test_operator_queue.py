"""The limit of concurrent runs at the real API server, with the operator's real rights."""

import pytest
from support.control_plane import condition_of
from support.operator_process import eventually
from support.policy_namespace import CHAMPION, FALLBACK, SERVICE, PolicyNamespace

from taxi_domain.runs import RunResult

pytestmark = pytest.mark.component


def test_second_policy_waits_until_the_first_one_s_job_has_ended(world: PolicyNamespace) -> None:
    world.add_service("other", champion=FALLBACK)
    operator = world.operator(MAX_RUNS="1", instance="taxi")
    world.say(drift=2)
    for name, deployment, service in (("p", CHAMPION, SERVICE), ("q", FALLBACK, "other")):
        world.apply_policy(
            name, modelName=f"{world.namespace}-{name}", fallback=None,
            target={"deploymentName": deployment, "activeServiceName": service},
            signals=[world.signal("drift")],
            rules={"retrain": {"anyOf": [{"allOf": ["drift"]}]}},
        )  # fmt: skip
    (job,) = eventually("a Job", world.jobs)
    first = job["metadata"]["ownerReferences"][0]["name"]
    (other,) = {"p", "q"} - {first}

    def reason() -> str:
        return condition_of(world.policy(other), "RetrainInProgress")[1]

    eventually("the other one waits", lambda: reason() == "Queued")
    operator.reconcile(policy=other)
    assert len(world.jobs()) == 1
    assert "decision" not in world.status(other)

    world.write_report(job, RunResult.NOT_BETTER)
    world.end_job(job, "SuccessCriteriaMet", "Complete")
    eventually("its turn", lambda: len(world.jobs()) == 2)
    owners = {one["metadata"]["ownerReferences"][0]["name"] for one in world.jobs()}
    assert owners == {"p", "q"}
    refused = 'result="Refused"'
    eventually("it is counted", lambda: operator.metric("taxi_operator_runs_total", refused) == 1)
    present = f'policy="{other}",status="True",type="RetrainInProgress"'
    eventually("it is told", lambda: operator.metric("taxi_operator_policy_condition", present))
