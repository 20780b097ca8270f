"""Watches that lag, are silent or cut: an operator does nothing on what they told long ago."""

from collections.abc import Iterator

import pytest
from support.simulator.clock import MINUTE
from support.simulator.invariants import ALWAYS
from support.simulator.policies import MAIN
from support.simulator.train_job import Outcome
from support.simulator.world import BREACHED, HEALTHY, World

from taxi_domain.runs import RunResult


@pytest.fixture
def world() -> Iterator[World]:
    """Return a world whose operator has seen everything as it is."""
    found = World(MAIN, pace=15.0)
    found.start()
    found.add_policy(MAIN)
    found.run(5 * MINUTE)
    yield found
    for check in ALWAYS:
        check(found)
    found.close()


def silence(world: World) -> None:
    """Let watches go on, and tell nothing that is new."""
    world.namespace.changes.lag = 1e6


def test_traffic_does_not_go_to_pods_that_watches_still_call_ready(world: World) -> None:
    silence(world)
    world.workloads.break_pods(MAIN.fallback)
    world.signal(MAIN.error, BREACHED)

    world.run(10 * MINUTE)

    assert world.actions() == []
    assert world.selected(MAIN) == MAIN.champion


def test_run_does_not_start_beside_one_that_watches_do_not_tell_of(world: World) -> None:
    silence(world)
    world.start()  # it lists what is there, and begins a run that lasts
    world.train(MAIN, Outcome(result=None, exit_code=None))
    world.signal(MAIN.drift, BREACHED)

    world.run(8 * MINUTE)

    assert len(world.journal.of("job")) == 1


def test_rule_of_a_spec_that_was_edited_meanwhile_does_not_act(world: World) -> None:
    silence(world)
    world.signal(MAIN.drift, BREACHED)
    world.run(MINUTE)
    world.edit(MAIN.policy, mode="Suspend")

    world.run(10 * MINUTE)

    assert world.actions() == []


def test_candidate_is_not_begun_with_when_its_deployment_was_paused_meanwhile(
    world: World,
) -> None:
    world.signal(MAIN.drift, BREACHED)
    world.run(3 * MINUTE)
    world.signal(MAIN.drift, HEALTHY)
    silence(world)
    world.workloads.pause(MAIN.champion, paused=True)

    world.run(5 * MINUTE)

    assert [one.split("-")[0] for one in world.actions()] == ["job main"]
    assert world.models.champion(MAIN.model) == "main-first"


@pytest.mark.parametrize("trouble", ["lag", "silent", "cut", "forgotten"])
def test_story_is_the_same_whatever_befalls_watches(world: World, trouble: str) -> None:
    changes = world.namespace.changes
    match trouble:
        case "lag":
            changes.lag = 30.0
        case "silent":
            changes.silent_until = world.clock.seconds + 15 * MINUTE
        case "cut":
            for number in range(60):
                world.later(10.0 * number, lambda: setattr(changes, "cuts", changes.cuts + 1))
        case "forgotten":
            for number in range(60):
                world.later(10.0 * number, changes.forget)
    world.signal(MAIN.drift, BREACHED)
    world.run(4 * MINUTE)
    world.signal(MAIN.drift, HEALTHY)
    world.run(16 * MINUTE)

    assert [one.split("-")[0] for one in world.actions()] == [
        "job main", "alias candidate", "roll main"
    ]  # fmt: skip
    assert world.status(MAIN.policy)["run"]["state"] == "Promoted"


def test_selector_that_a_hand_set_is_set_back_once(world: World) -> None:
    silence(world)
    world.namespace.select(MAIN.service, {"app": MAIN.fallback})
    world.run(5 * MINUTE)
    assert world.selected(MAIN) == MAIN.fallback, "nobody told of it"

    world.namespace.changes.heal()
    world.run(MINUTE)

    assert world.selected(MAIN) == MAIN.champion
    assert len(world.journal.of("move")) == 2


def test_verdict_of_a_job_comes_through_however_long_watches_lag(world: World) -> None:
    silence(world)
    world.train(MAIN, Outcome(result=RunResult.NOT_BETTER))
    world.signal(MAIN.drift, BREACHED)
    world.run(4 * MINUTE)
    world.signal(MAIN.drift, HEALTHY)

    world.run(5 * MINUTE)

    assert world.status(MAIN.policy)["run"]["state"] == "Refused"
