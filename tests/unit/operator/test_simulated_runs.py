"""What can become of a train Job, and of what the operator knows of it."""

from collections.abc import Iterator
from typing import Any

import pytest
from support.simulator.clock import DAY, HOUR, MINUTE
from support.simulator.invariants import ALWAYS, budget_outlives_its_policy
from support.simulator.objects import JOBS
from support.simulator.policies import MAIN, MAX_RUNS, OTHER, retrain_of
from support.simulator.train_job import Outcome
from support.simulator.world import BREACHED, HEALTHY, World

from taxi_domain.runs import RunResult


@pytest.fixture
def world() -> Iterator[World]:
    found = World(MAIN, OTHER, pace=60.0)
    found.start()
    found.add_policy(MAIN)
    found.run(MINUTE)
    yield found
    for check in ALWAYS:
        check(found)
    found.close()


def run_of(world: World) -> dict[str, Any]:
    return world.status("main").get("run") or {}


def events(world: World, reason: str) -> list[str]:
    found = [one.facts for one in world.journal.of("event")]
    return [one["message"] for one in found if one["reason"] == reason]


def begin(world: World, outcome: Outcome) -> None:
    """Let the inputs drift until a Job is there."""
    world.train(MAIN, outcome)
    world.signal(MAIN.drift, BREACHED)
    while not world.journal.of("job"):
        world.run(10.0)


@pytest.mark.parametrize(
    ("result", "state"),
    [
        (RunResult.NOT_BETTER, "Refused"), (RunResult.WORSE_IN_SLICE, "Refused"),
        (RunResult.SCHEMA_CHANGED, "Refused"), (RunResult.TOO_FEW_LABELS, "Refused"),
        (RunResult.DATA_QUALITY_FAILED, "Failed"),
    ],
)  # fmt: skip
def test_verdict_that_is_not_better_changes_nothing(
    world: World, result: RunResult, state: str
) -> None:
    begin(world, Outcome(result=result))
    world.signal(MAIN.drift, HEALTHY)
    world.run(HOUR)

    assert run_of(world)["state"] == state
    assert world.status("main")["candidate"]["verdict"] == str(result)
    assert len(world.journal.of("job")) == 1
    assert world.journal.of("alias", "roll", "move") == []


@pytest.mark.parametrize(
    ("outcome", "attempts", "reason"),
    [
        (Outcome(result=None, exit_code=None), 2, "DeadlineExceeded"),
        (Outcome(result=None, exit_code=137, reason="OOMKilled"), 2, "OOMKilled"),
        (Outcome(result=None, exit_code=1), 2, "BackoffLimitExceeded"),
        (Outcome(result=None), 2, "NoReport"),
        (Outcome(result=None, exit_code=2), 1, "UsageError"),
        (Outcome(result=None, exit_code=42), 1, "DataQualityFailed"),
    ],
)
def test_job_that_ends_badly_is_named_and_tried_again_as_often_as_it_may(
    world: World, outcome: Outcome, attempts: int, reason: str
) -> None:
    begin(world, outcome)
    world.signal(MAIN.drift, HEALTHY)
    world.run(HOUR)

    assert [one.facts["attempt"] for one in world.journal.of("job")] == [1, 2][:attempts]
    assert {one.facts["number"] for one in world.journal.of("job")} == {1}
    assert run_of(world)["state"] == "Failed"
    assert reason in run_of(world)["message"]
    assert world.journal.of("alias", "roll", "move") == []


def _waiting(reason: str) -> dict[str, Any]:
    waiting = {"reason": reason, "message": "as the kubelet says"}
    return {"containerStatuses": [{"state": {"waiting": waiting}}]}


_NO_ROOM = {"type": "PodScheduled", "status": "False", "message": "0/3 nodes are available"}


@pytest.mark.parametrize(
    ("status", "word"),
    [
        (_waiting("ErrImagePull"), "ImagePullFailed"),
        (_waiting("ImagePullBackOff"), "ImagePullFailed"),
        (_waiting("InvalidImageName"), "InvalidImageName"),
        (_waiting("CreateContainerConfigError"), "CreateContainerConfigError"),
        (_waiting("CreateContainerError"), "CreateContainerError"),
        ({"conditions": [_NO_ROOM]}, "Unschedulable"),
        (_waiting("ErrImageNeverPull"), "ImagePullFailed"),
    ],
)
def test_pod_that_does_not_start_is_told_within_a_minute_and_once(
    world: World, status: dict[str, Any], word: str
) -> None:
    begin(world, Outcome(exit_code=None))
    (job,) = world.journal.of("job")
    world.namespace.job_pods[job.facts["name"]] = [{"metadata": {"name": "p"}, "status": status}]

    world.run(MINUTE + 5)
    assert run_of(world)["message"].startswith(f"{word}: ")
    world.run(3 * MINUTE)

    (told,) = events(world, "RetrainBlocked")
    assert word in told
    assert len(world.journal.of("job")) == 1


def test_job_that_a_hand_deleted_is_an_attempt_that_failed(world: World) -> None:
    begin(world, Outcome())
    world.delete_jobs("main")
    world.run(MINUTE)
    assert run_of(world)["state"] == "Backoff"
    assert "JobMissing" in run_of(world)["message"]

    world.run(2 * MINUTE)

    assert [one.facts["attempt"] for one in world.journal.of("job")] == [1, 2]
    assert world.status("main")["budget"]["runsInWindow"] == 1


def test_verdict_of_a_job_that_is_gone_before_its_end_was_seen_is_carried_out(
    world: World,
) -> None:
    begin(world, Outcome())
    for process in list(world.processes):
        world.stop(process)
    world.run(3 * MINUTE)
    world.delete_jobs("main")
    assert world.journal.of("alias") == []

    world.start()
    world.signal(MAIN.drift, HEALTHY)
    world.run(10 * MINUTE)

    assert run_of(world)["state"] == "Promoted"
    assert world.models.champion(MAIN.model) == "candidate-1"
    assert len(world.journal.of("job")) == 1


def test_status_that_is_lost_in_the_middle_of_a_run_is_known_from_its_job(world: World) -> None:
    begin(world, Outcome())
    world.write_status("main", None)
    world.run(MINUTE)
    assert run_of(world)["state"] == "Running"
    assert world.status("main")["budget"]["runsInWindow"] == 1

    world.signal(MAIN.drift, HEALTHY)
    world.run(10 * MINUTE)

    assert run_of(world)["state"] == "Promoted"
    assert [one.facts["number"] for one in world.journal.of("job")] == [1]


def test_job_goes_with_its_policy_and_its_verdict_is_not_carried_out(world: World) -> None:
    begin(world, Outcome(seconds=150.0))
    world.run(MINUTE)
    world.delete_policy("main")
    assert world.objects.all(JOBS) == []

    world.run(HOUR)

    assert world.journal.of("alias", "roll", "move") == []


def test_refused_job_is_one_run_that_waits(world: World) -> None:
    world.namespace.quota = True
    world.signal(MAIN.drift, BREACHED)
    world.run(HOUR)
    assert world.status("main")["conditions"][0]["reason"] == "QuotaExceeded"
    assert (run_of(world)["number"], run_of(world)["attempt"]) == (1, 1)
    assert world.status("main")["budget"]["runsInWindow"] == 1

    world.namespace.quota = False
    world.signal(MAIN.drift, HEALTHY)
    world.run(10 * MINUTE)

    assert run_of(world)["state"] == "Promoted"
    assert len(world.journal.of("job")) == 1


def test_storm_of_days_keeps_to_the_limit_and_tells_it_once_a_day(world: World) -> None:
    world.train(MAIN, Outcome(result=RunResult.NOT_BETTER))
    world.edit(
        "main", fallback=None, rules={"retrain": {"anyOf": [{"allOf": ["drift"]}]}},
        signals=[world.policy("main")["spec"]["signals"][0]], evaluation={"intervalSeconds": 600},
    )  # fmt: skip
    world.pace = 600.0
    world.signal(MAIN.drift, BREACHED)

    world.run(2 * DAY)

    budget_outlives_its_policy(world)
    assert len(world.journal.of("job")) == 2 * MAX_RUNS
    assert 1 <= len(events(world, "BudgetExhaustedTrue")) <= 2 * MAX_RUNS
    assert len(events(world, "DriftDetectedTrue")) == 1


def test_two_policies_may_have_one_template(world: World) -> None:
    world.add_policy(OTHER, retrain=retrain_of(MAIN))
    world.train(MAIN, Outcome(result=RunResult.NOT_BETTER))
    for target in (MAIN, OTHER):
        world.signal(target.drift, BREACHED)

    world.run(5 * MINUTE)

    assert sorted(one.facts["policy"] for one in world.journal.of("job")) == ["main", "other"]
    for name in ("main", "other"):
        assert world.status(name)["conditions"][0]["reason"] == "PolicyAccepted"
