"""What a train Job reports, and what becomes of alias, pods and status."""

import json
from typing import Any

import pytest
from support.control_plane import condition_of
from support.operator_process import eventually
from support.policy_namespace import CHAMPION, PolicyNamespace

from taxi_domain.models import Alias, ModelState
from taxi_domain.runs import RunResult
from taxi_local.mongod import Mongod
from taxi_operator.conditions import ALL
from taxi_store.connection import connect
from taxi_store.registry.registry import Registry
from taxi_train.registry_cli import move

pytestmark = pytest.mark.component

ENDS_WELL = ("SuccessCriteriaMet", "Complete")
ENDS_BADLY = ("FailureTarget", "Failed")
NO_VERSION = "0" * 12
RETRAIN = {"jobFrom": {"cronJobName": "taxi-train"}, "attempts": {"max": 1}}


def first_job(world: PolicyNamespace) -> dict[str, Any]:
    """Let the inputs drift, and return the Job that is started."""
    world.say(drift=2)
    world.apply_policy()
    job: dict[str, Any]
    (job,) = eventually("a Job", world.jobs)
    return job


def run_state(world: PolicyNamespace) -> str:
    state: str = (world.status().get("run") or {}).get("state", "")
    return state


def breached(world: PolicyNamespace, name: str) -> bool:
    return any(one["breached"] for one in world.status()["signals"] if one["name"] == name)


def story(world: PolicyNamespace) -> list[str]:
    """Return the Events of the run, oldest first; conditions tell their own."""
    return [one for one in world.events() if not one.startswith(ALL)]


def test_refused_candidate_changes_nothing_but_the_status(world: PolicyNamespace) -> None:
    operator = world.operator()
    job = first_job(world)
    assert job["spec"]["activeDeadlineSeconds"] == 1800

    candidate = world.version("worse")
    world.write_report(job, RunResult.NOT_BETTER, candidate)
    world.end_job(job, *ENDS_WELL)

    eventually("the run ends", lambda: run_state(world) == "Refused")
    operator.reconcile()
    assert (world.alias(), world.pods_have()) == (world.champion, None)
    assert len(world.jobs()) == 1
    shown = world.status()["candidate"]
    assert {name: shown[name] for name in ("state", "verdict", "version", "gain", "ci")} == {
        "state": "Refused", "verdict": "NotBetter", "version": candidate, "gain": "0.2500",
        "ci": ["0.2000", "0.3000"],
    }  # fmt: skip
    assert shown["championRmse"] == "8.00"
    assert story(world) == ["RetrainDecided", "RetrainStarted", "CandidateRefused"]


def test_better_candidate_becomes_the_champion(world: PolicyNamespace) -> None:
    operator = world.operator()
    job = first_job(world)

    candidate = world.version("better")
    world.write_report(job, RunResult.BETTER, candidate)
    world.end_job(job, *ENDS_WELL)

    eventually("the run ends", lambda: run_state(world) == "Promoted")
    operator.reconcile()
    assert (world.alias(), world.pods_have()) == (candidate, candidate)
    assert len(world.jobs()) == 1
    assert story(world) == [
        "RetrainDecided", "RetrainStarted", "CandidateBetter", "CandidatePromoted",
    ]  # fmt: skip


def test_candidate_whose_pods_do_not_come_up_is_taken_back(world: PolicyNamespace) -> None:
    operator = world.operator()
    job = first_job(world)
    candidate = world.version("better")
    world.controllers.stuck[CHAMPION] = "has timed out progressing"

    world.write_report(job, RunResult.BETTER, candidate)
    world.end_job(job, *ENDS_WELL)

    eventually("the run ends", lambda: run_state(world) == "Failed")
    del world.controllers.stuck[CHAMPION]
    operator.reconcile()
    assert (world.alias(), world.pods_have()) == (world.champion, world.champion)
    assert world.state_of(candidate) is ModelState.REJECTED
    assert "has timed out progressing" in world.status()["run"]["message"]
    assert world.status()["candidate"]["state"] == "RolledBack"
    # A template with the version alone may have been there before, and its pods would stay.
    assert world.pods_have("taxi-monitoring.io/rolled-back") == job["metadata"]["name"]
    assert len(world.jobs()) == 1


def test_pods_that_are_replaced_by_hand_stay_so(
    world: PolicyNamespace, shared_mongod: Mongod, capsys: pytest.CaptureFixture[str]
) -> None:
    operator = world.operator()
    job = first_job(world)
    candidate = world.version("better")
    world.write_report(job, RunResult.BETTER, candidate)
    world.end_job(job, *ENDS_WELL)
    eventually("the run ends", lambda: run_state(world) == "Promoted")

    ways = [(candidate, world.champion), (world.champion, candidate), (candidate, world.champion)]
    with connect(shared_mongod.uri, app_name="test") as client:
        for before, to in ways:
            move(Registry(client["taxi"]), world.namespace, Alias.CHAMPION, to=to, expected=before)
    back, _, back_again = [one for one in capsys.readouterr().out.splitlines() if "kubectl" in one]

    # The way forward is not applied: the template has the version already the second time.
    seen = 0
    for printed in (back, back_again):
        seen = template_changes(world)
        patch = json.loads(printed.split("'")[1])
        world.api.patch("Deployment", world.namespace, CHAMPION, patch)
        assert template_changes(world) == seen + 1
    operator.reconcile()
    assert template_changes(world) == seen + 1
    assert (world.alias(), world.pods_have()) == (world.champion, world.champion)


def template_changes(world: PolicyNamespace) -> int:
    """Return the generation of the predictor's Deployment: each new one replaces all pods here."""
    found = world.api.get("Deployment", world.namespace, CHAMPION)
    assert found is not None
    generation: int = found["metadata"]["generation"]
    return generation


def test_failed_job_is_tried_again_as_often_as_it_may(world: PolicyNamespace) -> None:
    operator = world.operator()
    world.end_job(first_job(world), *ENDS_BADLY)

    eventually("a second attempt", lambda: len(world.jobs()) == 2)
    for job in world.jobs():
        if not job.get("status", {}).get("conditions"):
            world.end_job(job, *ENDS_BADLY)

    eventually("the run ends", lambda: run_state(world) == "Failed")
    operator.reconcile()
    assert sorted(attempts(world)) == [("1", "1"), ("1", "2")]


def attempts(world: PolicyNamespace) -> list[tuple[str, str]]:
    labels = [one["metadata"]["labels"] for one in world.jobs()]
    return [
        (one["taxi-monitoring.io/decision"], one["taxi-monitoring.io/attempt"]) for one in labels
    ]


def test_candidate_that_was_deleted_ends_the_run(world: PolicyNamespace) -> None:
    world.operator()
    job = first_job(world)

    world.write_report(job, RunResult.BETTER, NO_VERSION)
    world.end_job(job, *ENDS_WELL)

    eventually("the run ends", lambda: run_state(world) == "Failed")
    assert NO_VERSION in world.status()["run"]["message"]
    assert (world.alias(), world.pods_have()) == (world.champion, None)


def test_old_report_is_no_verdict_after_a_lost_status(world: PolicyNamespace) -> None:
    first = world.operator()
    world.say(drift=2)
    # The registry knows of the run all the same, and would hold the next one.
    world.apply_policy(retrain={**RETRAIN, "pauseAfter": {"success": "0s"}})
    (job,) = eventually("a Job", world.jobs)
    # Else the next run may begin before this operator is killed.
    world.say(drift=0)
    eventually("no drift", lambda: not breached(world, "drift"))
    world.write_report(job, RunResult.BETTER, world.version("better"))
    world.end_job(job, *ENDS_WELL)
    eventually("the run ends", lambda: run_state(world) == "Promoted")
    first.kill()
    world.remove_job(job)
    eventually("the Job is gone", lambda: not world.jobs())
    world.api.patch("DriftPolicy", world.namespace, "p", {"status": None}, "/status")

    world.say(drift=2)
    operator = world.operator()

    eventually("a Job", world.jobs)
    operator.reconcile()
    assert attempts(world) == [("2", "1")]
    assert run_state(world) == "Running"


@pytest.mark.parametrize(
    ("field", "good", "bad"),
    [
        (
            "confidence",
            ["0.5", "0.50", "0.95", "0.9", "0.99", "0.9985", "0.9990"],
            ["0", "0.49", "0.9991", "0.99901", "1", "1.0", "95"],
        ),
        ("minLabelledRows", [100, 50_000], [99, 50_001]),
    ],
)
def test_gate_that_the_job_refuses_or_never_meets_is_no_policy(
    world: PolicyNamespace, field: str, good: list[Any], bad: list[Any]
) -> None:
    for value in good:
        world.apply_policy(gate={"champion": {field: value}})
    for value in bad:
        with pytest.raises(RuntimeError, match=rf"spec\.gate\.champion\.{field}"):
            world.apply_policy(gate={"champion": {field: value}})


def test_policy_that_is_made_anew_does_not_forget_the_run_before(world: PolicyNamespace) -> None:
    operator = world.operator()
    job = first_job(world)
    world.write_report(job, RunResult.NOT_BETTER)
    world.end_job(job, *ENDS_WELL)
    eventually("the run ends", lambda: run_state(world) == "Refused")

    world.delete_policy()
    eventually("the policy is gone", lambda: world.policy() is None)
    world.apply_policy()

    eventually(
        "it says why no run may start",
        lambda: condition_of(world.policy(), "RetrainInProgress") == ("False", "Cooldown"),
    )
    operator.reconcile()
    assert run_state(world) == ""
