"""Several policies and a limit of concurrent runs: never more, and each gets its turn."""

from collections import Counter
from collections.abc import Iterator
from typing import Final

import pytest
from support.simulator.clock import MINUTE
from support.simulator.faults import Armed, Fault
from support.simulator.invariants import ALWAYS
from support.simulator.objects import JOBS
from support.simulator.policies import Target
from support.simulator.train_job import Outcome
from support.simulator.world import BREACHED, World

from taxi_domain.runs import RunResult

MOST: Final = 2
TARGETS: Final = tuple(Target(name) for name in ("a", "b", "c", "d", "e"))


def world_of(seed: int) -> World:
    world = World(*TARGETS, seed=seed, pace=60.0, max_runs=MOST)
    for number, target in enumerate(TARGETS):
        # Who is looked at often must not have all turns.
        interval = 20 if number == 0 else 120
        world.add_policy(target, evaluation={"intervalSeconds": interval, "settleSeconds": 30})
        world.train(target, Outcome(RunResult.NOT_BETTER, seconds=240.0))
        world.signal(target.drift, BREACHED)
    world.start()
    return world


@pytest.fixture
def world() -> Iterator[World]:
    found = world_of(1)
    yield found
    found.close()


def unfinished(world: World) -> int:
    return sum(not one.get("status") for one in world.objects.all(JOBS))


def watch(world: World, seconds: float) -> Counter[str]:
    """Let time pass, hold the limit at each new Job, and return how many each policy has."""
    counts: list[int] = []
    run = world.namespace.on_job

    def seen(job: dict[str, object]) -> None:
        run(job)
        counts.append(unfinished(world))

    world.namespace.on_job = seen
    world.run(seconds)
    assert counts
    assert max(counts) <= MOST, counts
    for check in ALWAYS:
        check(world)
    return Counter(one.facts["policy"] for one in world.journal.of("job"))


def test_limit_is_kept_and_each_policy_gets_its_turn(world: World) -> None:
    world.run(4 * MINUTE)
    waiting = [
        (one["status"], one["message"])
        for target in TARGETS
        for one in world.status(target.policy)["conditions"]
        if one["reason"] == "Queued"
    ]
    assert waiting == [("False", "a rule is breached, but no run may start")] * 3
    decided = {one.facts["policy"] for one in world.journal.of("decision")}
    assert len(decided) == MOST, "who waits has decided nothing yet"

    first = watch(world, 10 * MINUTE)
    assert set(first) == {target.policy for target in TARGETS}
    assert set(watch(world, 40 * MINUTE).values()) == {3}, "as many as each may have in a day"


def test_attempt_that_follows_a_failure_waits_too(world: World) -> None:
    for target in TARGETS:
        world.train(target, Outcome(result=None, exit_code=1, seconds=240.0))
    watch(world, 35 * MINUTE)

    attempts = [one.facts["attempt"] for one in world.journal.of("job")]
    assert attempts.count(2) >= len(TARGETS)
    messages = {one.facts["message"] for one in world.journal.of("event")}
    assert any("again in" in one for one in messages)


@pytest.mark.parametrize("seed", range(3))
def test_limit_is_kept_by_a_process_that_dies_at_any_call(seed: int) -> None:
    faults = (Fault.KILL_AFTER, Fault.KILL_BEFORE, Fault.LOST)
    world = world_of(seed)
    world.network.armed += [
        Armed(calls, faults[number % 3]) for number, calls in enumerate(range(3 + seed, 90, 5))
    ]
    counts = watch(world, 25 * MINUTE)
    world.close()

    assert len(world.journal.of("kill")) > 5
    assert set(counts) == {target.policy for target in TARGETS}


def test_run_that_is_asked_for_by_hand_waits_and_is_not_lost(world: World) -> None:
    world.run(5 * MINUTE)
    world.request("e", "retrain")
    watch(world, 30 * MINUTE)

    assert any("retrainRequest" in one.facts["because"] for one in world.journal.of("decision"))
