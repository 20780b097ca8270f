"""What becomes of a promotion: observed by a Job of its own, and taken back by its verdict."""

from typing import Any

import pytest
from support.control_plane import Manifest
from support.operator_process import eventually
from support.policy_namespace import PolicyNamespace

from taxi_domain.kube import OBSERVATION_LABEL
from taxi_domain.models import ModelState
from taxi_domain.runs import RunResult

pytestmark = pytest.mark.component

ENDS_WELL = ("SuccessCriteriaMet", "Complete")


def run_of(world: PolicyNamespace) -> dict[str, Any]:
    return world.status().get("run") or {}


def looks(world: PolicyNamespace) -> list[Manifest]:
    return [one for one in world.jobs() if OBSERVATION_LABEL in one["metadata"]["labels"]]


def observed(world: PolicyNamespace) -> tuple[str, Manifest]:
    """Let a candidate be promoted; return it, and the Job that looks at it."""
    world.say(drift=2)
    world.apply_policy(observation={"for": "1s", "minLabelledRows": 700})
    (job,) = eventually("a Job", world.jobs)
    candidate = world.version("better")
    world.write_report(job, RunResult.BETTER, candidate)
    world.end_job(job, *ENDS_WELL)
    (look,) = eventually("a look", lambda: looks(world))
    world.say(drift=0)
    assert (world.alias(), world.pods_have()) == (candidate, candidate)
    return candidate, look


def test_candidate_that_is_worse_by_its_realised_error_is_rolled_back(
    world: PolicyNamespace,
) -> None:
    operator = world.operator()
    candidate, look = observed(world)
    (container,) = look["spec"]["template"]["spec"]["containers"]
    since = run_of(world)["observation"]["since"]
    assert container["args"] == [
        "observe", "--champion", candidate, "--before", world.champion, "--since", since,
        "--min-labelled-rows", "700", "--confidence", "0.95",
    ]  # fmt: skip

    world.write_report(look, RunResult.WORSE, observed=candidate)
    world.end_job(look, *ENDS_WELL)

    eventually("it is rolled back", lambda: run_of(world).get("state") == "RolledBack")
    operator.reconcile()
    assert (world.alias(), world.pods_have()) == (world.champion, world.champion)
    assert world.state_of(candidate) is ModelState.REJECTED
    status = world.status()
    assert [one["outcome"] for one in status["history"]] == ["RolledBack"]
    shown = status["candidate"]
    assert (shown["state"], shown["realisedRmse"], shown["beforeRmse"]) == (
        "RolledBack", "8.00", "6.00",
    )  # fmt: skip
    assert status["budget"]["runsInWindow"] == 1, "a look is no run"
    assert len(world.jobs()) == 2
    assert {"ChampionWorse", "ChampionRolledBack"} <= set(world.events())


def test_candidate_that_is_not_worse_stays_until_a_person_wants_the_one_before(
    world: PolicyNamespace,
) -> None:
    operator = world.operator()
    candidate, look = observed(world)
    world.write_report(look, RunResult.NOT_WORSE, observed=candidate)
    world.end_job(look, *ENDS_WELL)
    eventually("it stays", lambda: run_of(world).get("state") == "Promoted")
    operator.reconcile()
    assert (world.alias(), len(looks(world))) == (candidate, 1)

    for word in ("one", "two"):
        world.api.patch(
            "DriftPolicy", world.namespace, "p", {"spec": {"rollbackRequest": word}}
        )  # fmt: skip
        eventually(
            "it is taken up",
            lambda word=word: (  # type: ignore[misc]
                world.status()["requests"]["rollback"] == word
                and run_of(world).get("state") == "RolledBack"
            ),
        )
    operator.reconcile()
    assert (world.alias(), world.pods_have()) == (world.champion, world.champion)
    assert world.state_of(candidate) is ModelState.REJECTED
    newest = world.status()["history"][0]
    assert (newest["action"], newest["outcome"]) == ("Rollback", "RolledBack")
    assert "RollbackRefused" in world.events()
    assert "was rejected" in world.status()["requests"]["refused"]
    assert str(world.pods_have("taxi-monitoring.io/rolled-back")).endswith("-rollback")
