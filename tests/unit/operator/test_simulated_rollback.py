"""Going back by request: once for each word, by the machinery of a promotion."""

from collections.abc import Iterator
from typing import Any

import pytest
from support.simulator.clock import HOUR, MINUTE
from support.simulator.faults import Armed, Fault, Outage, Server
from support.simulator.invariants import ALWAYS, AT_REST
from support.simulator.policies import MAIN, MAX_RUNS, OBSERVATION
from support.simulator.train_job import Outcome
from support.simulator.world import BREACHED, HEALTHY, World

from taxi_domain.kube import MODEL_VERSION_ANNOTATION
from taxi_domain.models import Alias, ModelState

FIRST, CANDIDATE = "main-first", "candidate-1"


@pytest.fixture
def world() -> Iterator[World]:
    found = World(MAIN, pace=60.0)
    found.start()
    yield found
    for check in (*ALWAYS, *AT_REST):
        check(found)
    found.close()


def promote(world: World, **spec: Any) -> None:
    world.add_policy(MAIN, **spec)
    world.run(MINUTE)
    world.request(MAIN.policy, "retrain")
    world.run(7 * MINUTE)
    assert world.models.champion(MAIN.model) == CANDIDATE


def status_of(world: World) -> dict[str, Any]:
    return world.status(MAIN.policy)


def refused(world: World) -> list[str]:
    return [
        one.facts["message"]
        for one in world.journal.of("event")
        if one.facts["reason"] == "RollbackRefused"
    ]


def test_new_word_leads_back_to_the_champion_before(world: World) -> None:
    promote(world)
    word = world.request(MAIN.policy, "rollback")
    world.run(5 * MINUTE)

    status = status_of(world)
    assert world.models.champion(MAIN.model) == FIRST
    assert world.workloads.versions(MAIN.champion) == {FIRST}
    left = world.models.get(CANDIDATE)
    assert left.state is ModelState.REJECTED
    assert word in left.reason
    assert status["requests"]["rollback"] == word
    newest = status["history"][0]
    assert (newest["action"], newest["outcome"]) == ("Rollback", "RolledBack")
    assert (newest["because"], newest["candidate"]) == (["rollbackRequest"], CANDIDATE)
    assert "signalsResetAt" in status
    assert status["candidate"]["state"] == status["run"]["state"] == "RolledBack"
    assert "jobName" not in status["run"]


def test_word_acts_once_also_when_the_status_was_lost(world: World) -> None:
    promote(world)
    world.request(MAIN.policy, "rollback")
    world.run(5 * MINUTE)
    world.request(MAIN.policy, "retrain")
    world.run(10 * MINUTE)
    assert world.models.champion(MAIN.model) == "candidate-2"

    world.kill()
    world.run(HOUR)
    world.write_status(MAIN.policy, None)
    world.run(HOUR)

    assert world.models.champion(MAIN.model) == "candidate-2"


def test_second_rollback_does_not_lead_forward_to_what_was_left(world: World) -> None:
    promote(world)
    world.request(MAIN.policy, "rollback")
    world.run(5 * MINUTE)
    word = world.request(MAIN.policy, "rollback")
    world.run(5 * MINUTE)

    assert world.models.champion(MAIN.model) == FIRST
    (text,) = refused(world)
    assert word in text
    assert f"{CANDIDATE}, was rejected" in text
    (ready,) = [one for one in status_of(world)["conditions"] if one["type"] == "Ready"]
    assert (ready["status"], ready["message"]) == ("True", text)

    world.edit(MAIN.policy, rollbackRequest=None)
    world.run(2 * MINUTE)
    (ready,) = [one for one in status_of(world)["conditions"] if one["type"] == "Ready"]
    assert ready["message"] == ""


def test_champion_without_one_before_stays(world: World) -> None:
    world.add_policy(MAIN)
    world.run(MINUTE)
    world.request(MAIN.policy, "rollback")
    world.run(5 * MINUTE)

    assert "no version before" in refused(world)[0]
    assert world.journal.of("alias") == []


def test_version_before_that_is_gone_is_no_way_back(world: World) -> None:
    promote(world)
    del world.models.versions[FIRST]
    world.request(MAIN.policy, "rollback")
    world.run(5 * MINUTE)

    assert "is gone from the registry" in refused(world)[0]
    assert world.models.champion(MAIN.model) == CANDIDATE


def test_open_run_keeps_its_alias(world: World) -> None:
    promote(world)
    world.train(MAIN, Outcome(seconds=500.0))
    world.request(MAIN.policy, "retrain")
    world.run(3 * MINUTE)
    world.request(MAIN.policy, "rollback")
    world.run(HOUR)

    assert "is Running; give it up first (spec.abortRequest)" in refused(world)[0]
    assert world.models.champion(MAIN.model) == "candidate-2", "and it does not act later"


def test_paused_deployment_is_no_way_back(world: World) -> None:
    promote(world)
    world.workloads.pause(MAIN.champion, paused=True)
    world.request(MAIN.policy, "rollback")
    world.run(5 * MINUTE)
    world.workloads.pause(MAIN.champion, paused=False)
    world.run(5 * MINUTE)

    assert "is paused" in refused(world)[0]
    assert world.models.champion(MAIN.model) == CANDIDATE


def test_promotion_that_is_observed_can_be_taken_back(world: World) -> None:
    promote(world, observation={**OBSERVATION, "for": "3h"})
    assert status_of(world)["run"]["state"] == "Observing"
    world.request(MAIN.policy, "rollback")
    world.run(5 * MINUTE)

    assert world.models.champion(MAIN.model) == FIRST
    told = [(one["action"], one["outcome"]) for one in status_of(world)["history"]]
    assert told == [("Rollback", "RolledBack"), ("Retrain", "Promoted")]
    world.run(4 * HOUR)
    assert world.journal.of("look") == []


def told(world: World) -> str:
    text: str = status_of(world)["requests"].get("refused", "")
    return text


def test_word_that_cannot_be_followed_yet_says_what_it_waits_for(world: World) -> None:
    promote(world)
    world.network.outages[Server.REGISTRY] = Outage.DOWN
    word = world.request(MAIN.policy, "rollback")
    world.run(5 * MINUTE)

    assert f"spec.rollbackRequest {word!r} waits" in told(world)
    assert "registry" in told(world)
    ready = status_of(world)["conditions"][0]
    assert (ready["status"], ready["reason"]) == ("False", "RegistryUnavailable")
    waits = [one for one in world.journal.of("event") if one.facts["reason"] == "RollbackWaits"]
    assert len(waits) == 1, "it is told once"

    world.network.outages.clear()
    world.run(5 * MINUTE)
    assert world.models.champion(MAIN.model) == FIRST
    assert told(world) == ""


def test_word_that_waited_and_is_not_asked_any_more_does_not_act(world: World) -> None:
    promote(world)
    world.network.outages[Server.REGISTRY] = Outage.HUNG
    world.request(MAIN.policy, "rollback")
    world.run(5 * MINUTE)
    assert "waits" in told(world)

    world.edit(MAIN.policy, rollbackRequest=None)
    world.run(2 * MINUTE)
    assert told(world) == ""
    world.network.outages.clear()
    world.run(HOUR)

    assert world.models.champion(MAIN.model) == CANDIDATE
    assert refused(world) == []


def test_suspended_policy_does_not_go_back_now_or_later(world: World) -> None:
    promote(world)
    world.edit(MAIN.policy, mode="Suspend")
    world.request(MAIN.policy, "rollback")
    world.run(5 * MINUTE)
    world.edit(MAIN.policy, mode="Enforce")
    world.run(5 * MINUTE)

    assert "spec.mode is Suspend" in refused(world)[0]
    assert world.models.champion(MAIN.model) == CANDIDATE


def test_dry_run_tells_the_rollback_and_does_nothing(world: World) -> None:
    promote(world)
    world.edit(MAIN.policy, mode="DryRun")
    world.run(MINUTE)
    world.request(MAIN.policy, "rollback")
    world.run(HOUR)

    assert world.models.champion(MAIN.model) == CANDIDATE
    (told,) = status_of(world)["dryRun"]["history"]
    assert (told["action"], told["because"]) == ("Rollback", ["rollbackRequest"])
    assert status_of(world)["dryRun"]["traffic"]["active"] == "Champion"
    world.edit(MAIN.policy, mode="Enforce")
    world.run(HOUR)
    assert world.models.champion(MAIN.model) == CANDIDATE


def test_rollback_is_no_run_and_the_next_one_waits_as_after_a_failure(world: World) -> None:
    pause = {"success": "0s", "failure": "3h"}
    retrain = {
        "jobFrom": {"cronJobName": MAIN.cron_job}, "pauseAfter": pause, "maxPerDay": MAX_RUNS,
    }  # fmt: skip
    promote(world, retrain=retrain)
    world.request(MAIN.policy, "rollback")
    world.run(5 * MINUTE)
    assert status_of(world)["budget"]["runsInWindow"] == 1

    world.signal(MAIN.drift, BREACHED)
    world.run(2 * HOUR)
    assert len(world.journal.of("job")) == 1
    world.run(HOUR)
    assert len(world.journal.of("job")) == 2
    world.signal(MAIN.drift, HEALTHY)
    world.run(HOUR)


def test_rollback_whose_pods_do_not_come_up_can_be_asked_for_again(world: World) -> None:
    promote(world)
    world.models.not_loadable.add(FIRST)
    world.request(MAIN.policy, "rollback")
    world.run(20 * MINUTE)
    assert world.models.champion(MAIN.model) == CANDIDATE
    assert world.workloads.versions(MAIN.champion) == {CANDIDATE}
    assert status_of(world)["history"][0]["outcome"] == "Failed"

    world.models.not_loadable.clear()
    world.request(MAIN.policy, "rollback")
    world.run(10 * MINUTE)
    assert world.models.champion(MAIN.model) == FIRST


def test_pods_that_are_told_the_version_before_already_are_replaced_all_the_same(
    world: World,
) -> None:
    """A hand moved the alias alone, and a pod that was replaced loaded what it points at."""
    world.add_policy(MAIN)
    world.workloads.annotate(MAIN.champion, {MODEL_VERSION_ANNOTATION: FIRST})
    world.run(MINUTE)
    world.models.add("by-hand", MAIN.model, ModelState.ACCEPTED)
    world.models.point(MAIN.model, Alias.CHAMPION, "by-hand", by="a hand")
    world.workloads.remove(MAIN.champion)
    world.workloads.add(MAIN.champion)
    world.workloads.annotate(MAIN.champion, {MODEL_VERSION_ANNOTATION: FIRST})
    world.run(2 * MINUTE)
    assert world.workloads.versions(MAIN.champion) == {"by-hand"}

    world.request(MAIN.policy, "rollback")
    world.run(5 * MINUTE)

    assert world.workloads.versions(MAIN.champion) == {FIRST}


@pytest.mark.parametrize("how", ["Suspend", "DryRun", "delete"])
def test_rollback_that_was_begun_is_carried_to_its_end(world: World, how: str) -> None:
    promote(world)
    world.request(MAIN.policy, "rollback")
    while len(world.journal.of("alias")) < 2:
        world.run(0.1)
    if how == "delete":
        world.delete_policy(MAIN.policy)
    else:
        world.edit(MAIN.policy, mode=how)
    world.run(10 * MINUTE)

    assert world.models.champion(MAIN.model) == FIRST
    assert world.workloads.versions(MAIN.champion) == {FIRST}
    assert world.models.get(CANDIDATE).state is ModelState.REJECTED


@pytest.mark.parametrize("fault", [Fault.KILL_BEFORE, Fault.KILL_AFTER, Fault.LOST])
@pytest.mark.parametrize("calls", range(10))
def test_kill_between_any_two_effects_ends_the_same(fault: Fault, calls: int) -> None:
    world = World(MAIN, pace=60.0)
    world.start()
    try:
        promote(world)
        world.network.armed.append(Armed(calls, fault))
        world.request(MAIN.policy, "rollback")
        world.run(20 * MINUTE)

        assert world.models.champion(MAIN.model) == FIRST
        assert world.models.get(CANDIDATE).state is ModelState.REJECTED
        assert status_of(world)["history"][0]["outcome"] == "RolledBack"
        assert len(world.journal.of("alias")) == 2
        for check in (*ALWAYS, *AT_REST):
            check(world)
    finally:
        world.close()
