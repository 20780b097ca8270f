"""What becomes of a promotion that is observed: short stories through the real reconciler."""

from collections.abc import Iterator
from typing import Any

import pytest
from support.simulator.clock import HOUR, MINUTE
from support.simulator.faults import Armed, Fault
from support.simulator.invariants import ALWAYS, AT_REST
from support.simulator.policies import MAIN, OBSERVATION
from support.simulator.train_job import Outcome
from support.simulator.world import BREACHED, HEALTHY, World

from taxi_domain.kube import MODEL_VERSION_ANNOTATION
from taxi_domain.models import Alias, ModelState
from taxi_domain.runs import RunResult
from taxi_operator.plan.observing import MAX_LOOKS

WORSE = Outcome(result=RunResult.WORSE, seconds=30.0)
FIRST, CANDIDATE = "main-first", "candidate-1"


@pytest.fixture
def world() -> Iterator[World]:
    found = World(MAIN, pace=60.0)
    found.start()
    yield found
    for check in (*ALWAYS, *AT_REST):
        check(found)
    found.close()


def observe(world: World, outcome: Outcome | None = None, **spec: Any) -> None:
    """Let a candidate be promoted, and its observation begin."""
    world.add_policy(MAIN, **{"observation": OBSERVATION, **spec})
    world.run(MINUTE)
    if outcome is not None:
        world.observe(MAIN, outcome)
    world.request(MAIN.policy, "retrain")
    for _ in range(60):
        world.run(10)
        if run_of(world).get("state") == "Observing":
            return
    raise AssertionError(run_of(world))


def run_of(world: World) -> dict[str, Any]:
    found: dict[str, Any] = world.status(MAIN.policy).get("run") or {}
    return found


def story(world: World) -> list[str]:
    """Return the reasons of the Events of run and observation."""
    told = [one.facts["reason"] for one in world.journal.of("event")]
    return [
        one for one in told if one.startswith(("Observation", "Promotion", "Champion", "Candidate"))
    ]


def outcomes(world: World) -> list[tuple[str, str]]:
    return [(one["action"], one["outcome"]) for one in world.status(MAIN.policy)["history"]]


def test_candidate_that_is_worse_in_service_is_rolled_back(world: World) -> None:
    observe(world, WORSE)
    assert world.models.champion(MAIN.model) == CANDIDATE
    assert world.namespace.promotions() == [], "the promotion is over"
    world.run(10 * MINUTE)

    status = world.status(MAIN.policy)
    assert world.models.champion(MAIN.model) == FIRST
    assert world.workloads.versions(MAIN.champion) == {FIRST}
    left = world.models.get(CANDIDATE)
    assert (left.state, left.reason) == (ModelState.REJECTED, "the verdict is Worse")
    assert world.models.get(FIRST).state is ModelState.ACCEPTED
    assert status["run"]["state"] == status["candidate"]["state"] == "RolledBack"
    shown = ("realisedRmse", "beforeRmse", "observedGain", "observedRows")
    assert [status["candidate"][name] for name in shown] == ["5.00", "4.00", "-0.2500", 800]
    assert outcomes(world) == [("Retrain", "RolledBack")]
    assert story(world)[-4:] == [
        "ObservationStarted", "ObservationJobStarted", "ChampionWorse", "ChampionRolledBack",
    ]  # fmt: skip
    assert len(world.journal.of("look")) == 1


def test_run_after_a_rollback_waits_as_after_a_failure(world: World) -> None:
    pause = {"success": "0s", "failure": "3h"}
    retrain = {"jobFrom": {"cronJobName": MAIN.cron_job}, "pauseAfter": pause}
    observe(world, WORSE, retrain=retrain)
    world.run(10 * MINUTE)
    world.signal(MAIN.drift, BREACHED)

    world.run(2 * HOUR)
    assert len(world.journal.of("job")) == 1
    world.run(HOUR)
    assert len(world.journal.of("job")) == 2
    world.run(10 * MINUTE)
    world.signal(MAIN.drift, HEALTHY)
    world.run(HOUR)


def test_candidate_that_is_not_worse_stays(world: World) -> None:
    observe(world)
    world.run(10 * MINUTE)

    assert world.models.champion(MAIN.model) == CANDIDATE
    assert run_of(world)["state"] == world.status("main")["candidate"]["state"] == "Promoted"
    assert run_of(world)["message"] == "the verdict is NotWorse"
    assert outcomes(world) == [("Retrain", "Promoted")]
    assert len(world.journal.of("look")) == 1


def test_look_asks_for_what_the_run_began_with(world: World) -> None:
    observe(world)
    began = run_of(world)["observation"]["since"]
    world.edit(
        MAIN.policy, observation={"for": "24h", "minLabelledRows": 999}, retrain=None, rules={}
    )
    world.run(5 * MINUTE)

    (look,) = world.journal.of("look")
    job = world.objects.find("jobs", look.facts["name"])
    assert job is not None
    (container,) = job["spec"]["template"]["spec"]["containers"]
    assert container["args"] == [
        "observe", "--champion", CANDIDATE, "--before", FIRST, "--since", began,
        "--min-labelled-rows", "500", "--confidence", "0.95",
    ]  # fmt: skip
    assert look.facts["name"].endswith("-0001-observe-1")
    world.run(10 * MINUTE)


@pytest.mark.parametrize(
    "outcome",
    [
        Outcome(result=RunResult.TOO_FEW_LABELS, seconds=5.0),
        Outcome(result=None, exit_code=1, seconds=5.0),
        Outcome(result=None, exit_code=0, seconds=5.0),
        Outcome(result=None, exit_code=None),
    ],
)
def test_comparison_that_is_not_possible_is_tried_again_and_ends(
    world: World, outcome: Outcome
) -> None:
    observe(world, outcome)
    world.run(2 * HOUR)

    assert len(world.journal.of("look")) == MAX_LOOKS
    assert run_of(world)["state"] == "Promoted"
    assert f"it was looked at {MAX_LOOKS} times" in run_of(world)["message"]
    assert world.models.champion(MAIN.model) == CANDIDATE
    told = [
        one for one in world.journal.of("event") if one.facts["reason"] == "PromotionNotObserved"
    ]
    assert [one.facts["warning"] for one in told] == [True]


def test_second_look_may_find_labels(world: World) -> None:
    observe(world, Outcome(result=RunResult.TOO_FEW_LABELS, seconds=5.0))
    world.run(4 * MINUTE)
    world.observe(MAIN, WORSE)
    world.run(10 * MINUTE)

    assert len(world.journal.of("look")) == 2
    assert world.models.champion(MAIN.model) == FIRST


@pytest.mark.parametrize(
    "outcome",
    [
        Outcome(result=None, exit_code=2, seconds=5.0),
        Outcome(result=RunResult.DATA_QUALITY_FAILED, seconds=5.0),
        Outcome(result=RunResult.WORSE, readable=False, seconds=5.0),
    ],
)
def test_comparison_that_will_never_be_possible_is_not_tried_again(
    world: World, outcome: Outcome
) -> None:
    observe(world, outcome)
    world.run(HOUR)

    assert len(world.journal.of("look")) == 1
    assert (run_of(world)["state"], story(world)[-1]) == ("Promoted", "PromotionNotObserved")


def test_observation_whose_template_is_gone_ends(world: World) -> None:
    observe(world)
    world.objects.remove("cronjobs", MAIN.cron_job)
    world.run(HOUR)

    assert (run_of(world)["state"], world.journal.of("look")) == ("Promoted", [])
    assert "is not there" in run_of(world)["message"]
    world.heal()
    world.run(2 * MINUTE)


@pytest.mark.parametrize("how", ["Suspend", "DryRun", "delete"])
@pytest.mark.parametrize("before", [0.0, 3 * MINUTE + 5])
def test_promotion_stands_when_its_policy_does_not_act_any_more(
    world: World, how: str, before: float
) -> None:
    observe(world, WORSE)
    world.run(before)
    if how == "delete":
        world.delete_policy(MAIN.policy)
    else:
        world.edit(MAIN.policy, mode=how)
    world.run(HOUR)

    assert world.models.champion(MAIN.model) == CANDIDATE
    if how != "delete":
        assert run_of(world)["state"] == "Promoted"
        assert f"was not observed: spec.mode is {how}" in run_of(world)["message"]
        world.edit(MAIN.policy, mode="Enforce")
        world.run(HOUR)
        assert world.models.champion(MAIN.model) == CANDIDATE, "its verdict is not carried out"


def test_alias_that_a_hand_moved_is_left_alone(world: World) -> None:
    observe(world, WORSE)
    world.models.point(MAIN.model, Alias.CHAMPION, FIRST, by="a hand")
    world.run(HOUR)

    assert run_of(world)["state"] == "RolledBack"
    assert f"the champion is {FIRST} now" in run_of(world)["message"]
    # The way back must not lead forward to what a person took back.
    world.request(MAIN.policy, "rollback")
    world.run(MINUTE)
    assert world.models.champion(MAIN.model) == FIRST
    assert "was rejected" in world.status(MAIN.policy)["requests"]["refused"]
    world.workloads.annotate(MAIN.champion, {MODEL_VERSION_ANNOTATION: FIRST})
    world.run(5 * MINUTE)


def test_version_before_that_is_gone_is_told_before_the_promotion(world: World) -> None:
    world.add_policy(MAIN, observation=OBSERVATION)
    world.run(MINUTE)
    world.train(MAIN, Outcome(seconds=60.0))
    world.request(MAIN.policy, "retrain")
    while not world.journal.of("job"):
        world.run(10)
    del world.models.versions[FIRST]
    world.run(HOUR)

    assert (run_of(world)["state"], world.journal.of("look")) == ("Promoted", [])
    (told,) = [one for one in world.journal.of("event") if one.facts["reason"] == "NotObservable"]
    (moved,) = world.journal.of("alias")
    assert told.facts["warning"]
    assert told.at <= moved.at + 1
    assert FIRST in told.facts["message"]


def test_version_before_that_goes_meanwhile_ends_the_observation(world: World) -> None:
    observe(world, WORSE)
    del world.models.versions[FIRST]
    world.run(HOUR)

    assert run_of(world)["state"] == "Promoted"
    assert "nothing to compare with" in run_of(world)["message"]


def test_champion_is_rescued_and_no_run_begins_while_it_is_observed(world: World) -> None:
    observe(world, observation={**OBSERVATION, "for": "3h"})
    world.signal(MAIN.drift, BREACHED)
    world.workloads.break_pods(MAIN.champion)
    world.run(3 * MINUTE)
    assert world.selected(MAIN) == MAIN.fallback
    world.workloads.break_pods(MAIN.champion, broken=False)
    world.run(HOUR)
    assert world.selected(MAIN) == MAIN.champion
    assert run_of(world)["state"] == "Observing"
    assert len(world.journal.of("job")) == 1

    world.signal(MAIN.drift, HEALTHY)
    world.run(3 * HOUR)
    assert run_of(world)["state"] == "Promoted"


def test_rollback_whose_pods_do_not_come_up_leaves_the_new_champion(world: World) -> None:
    observe(world, WORSE)
    world.models.not_loadable.add(FIRST)
    world.run(20 * MINUTE)

    assert world.models.champion(MAIN.model) == CANDIDATE
    assert world.workloads.versions(MAIN.champion) == {CANDIDATE}
    assert run_of(world)["state"] == "Failed"
    assert world.models.get(CANDIDATE).state is ModelState.ACCEPTED
    assert "RollbackFailed" in [one.facts["reason"] for one in world.journal.of("event")]


def test_rollback_that_was_begun_is_carried_to_its_end_without_its_policy(world: World) -> None:
    observe(world, WORSE)
    while len(world.journal.of("alias")) < 2:
        world.run(1)
    world.delete_policy(MAIN.policy)
    world.run(10 * MINUTE)

    assert world.workloads.versions(MAIN.champion) == {FIRST}
    assert world.models.get(CANDIDATE).state is ModelState.REJECTED


def test_observation_that_a_run_began_with_outlives_its_status(world: World) -> None:
    world.train(MAIN, Outcome(seconds=300.0))
    world.add_policy(MAIN, observation=OBSERVATION)
    world.run(MINUTE)
    world.request(MAIN.policy, "retrain")
    world.run(4 * MINUTE)
    assert run_of(world)["state"] == "Running"

    world.edit(MAIN.policy, observation=None)
    world.write_status(MAIN.policy, None)
    world.observe(MAIN, WORSE)
    world.run(HOUR)

    assert "ObservationStarted" in story(world)
    assert world.models.champion(MAIN.model) == FIRST


def test_abort_ends_an_observation_and_its_job(world: World) -> None:
    observe(world, Outcome(result=RunResult.WORSE, seconds=200.0))
    while not world.journal.of("look"):
        world.run(10)
    world.run(10)
    world.request(MAIN.policy, "abort")
    world.run(HOUR)

    assert run_of(world)["state"] == "Promoted"
    assert world.models.champion(MAIN.model) == CANDIDATE
    assert len(world.journal.of("job ended by hand")) == 1


@pytest.mark.parametrize("fault", [Fault.KILL_BEFORE, Fault.KILL_AFTER, Fault.LOST])
@pytest.mark.parametrize("calls", range(14))
def test_kill_between_any_two_effects_ends_the_same(fault: Fault, calls: int) -> None:
    world = World(MAIN, pace=60.0)
    world.start()
    try:
        observe(world, WORSE)
        world.network.armed.append(Armed(calls, fault))
        world.run(20 * MINUTE)

        assert world.models.champion(MAIN.model) == FIRST
        assert world.models.get(CANDIDATE).state is ModelState.REJECTED
        assert outcomes(world) == [("Retrain", "RolledBack")]
        assert len(world.journal.of("look")) == 1
        for check in (*ALWAYS, *AT_REST):
            check(world)
    finally:
        world.close()
