"""Notices of a policy's whole life: each at least once, whatever befalls the operator."""

from collections import Counter

import pytest
from support.simulator.clock import HOUR, MINUTE
from support.simulator.faults import Armed, Fault, Outage, Server
from support.simulator.invariants import ALWAYS
from support.simulator.policies import MAIN, OTHER
from support.simulator.world import BREACHED, HEALTHY, World


def life(world: World) -> None:
    """Let a policy retrain and promote, go to the fallback and come back."""
    world.signal(MAIN.drift, BREACHED)
    world.run(8 * MINUTE)
    world.signal(MAIN.drift, HEALTHY)
    world.signal(MAIN.error, BREACHED)
    world.run(10 * MINUTE)
    world.signal(MAIN.error, HEALTHY)
    world.run(20 * MINUTE)
    for check in ALWAYS:
        check(world)


def told(world: World) -> Counter[tuple[int, str]]:
    """Return how often each notice of the policy was taken, by decision and occasion."""
    return Counter(
        (one.facts["number"], one.facts["occasion"])
        for one in world.journal.of("notice")
        if one.facts["policy"] == MAIN.policy
    )


def wanted(world: World) -> set[tuple[int, str]]:
    """Return what is to be told by what the policy remembers."""
    history = world.status(MAIN.policy)["history"]
    return {(one["number"], "decided") for one in history} | {
        (one["number"], "ended") for one in history if "outcome" in one
    }


def words(world: World) -> set[str]:
    return {one.get("notice", "") for one in world.status(MAIN.policy)["history"]}


def begun(*, seed: int = 0) -> World:
    world = World(MAIN, OTHER, seed=seed, pace=60.0, hook=True)
    world.start()
    world.add_policy(MAIN)
    world.add_policy(OTHER)
    world.run(MINUTE)
    return world


def test_decisions_and_their_ends_are_told_once_each() -> None:
    world = begun()
    life(world)
    world.close()

    assert len(wanted(world)) == 6
    assert told(world) == dict.fromkeys(wanted(world), 1)
    assert words(world) == {"AllTold"}
    assert world.hook is not None
    ends = [one.entry["outcome"] for one in world.hook.notices if one.occasion == "ended"]
    assert ends == ["Promoted", "Switched", "Switched"]


@pytest.mark.parametrize("seed", range(6))
def test_nothing_is_lost_by_kills_and_what_is_sent_again_has_its_id(seed: int) -> None:
    world = begun(seed=seed)
    faults = (Fault.KILL_AFTER, Fault.KILL_BEFORE, Fault.LOST)
    world.network.armed += [
        Armed(calls, faults[number % 3]) for number, calls in enumerate(range(seed, 60, 4))
    ]
    life(world)
    world.heal()
    world.run(HOUR)
    world.close()

    assert len(world.journal.of("kill")) > 3
    assert wanted(world) <= set(told(world))
    assert words(world) == {"AllTold"}
    assert world.hook is not None
    of_main = {
        one for one in world.hook.taken if world.policy(MAIN.policy)["metadata"]["uid"] in one
    }
    assert len(of_main) == len(told(world)), "one id for each notice"


@pytest.mark.parametrize("outage", list(Outage))
def test_receiver_that_is_away_delays_nothing_and_is_told_all_later(outage: Outage) -> None:
    quiet, world = begun(), begun()
    life(quiet)
    quiet.close()
    world.network.outages[Server.WEBHOOK] = outage
    life(world)
    acts = [
        [(one.kind, round(one.at, -1)) for one in found.journal.of("job", "move", "alias")]
        for found in (quiet, world)
    ]
    assert acts[0] == acts[1]
    assert not told(world)

    world.network.heal()
    world.run(20 * MINUTE)
    world.close()
    assert set(told(world)) == wanted(world)


@pytest.mark.parametrize("mode", ["Suspend", "DryRun"])
def test_what_was_decided_is_told_in_every_mode_and_what_would_be_is_not(mode: str) -> None:
    world = begun()
    world.network.outages[Server.WEBHOOK] = Outage.DOWN
    world.signal(MAIN.error, BREACHED)
    world.run(5 * MINUTE)
    world.edit(MAIN.policy, mode=mode)
    world.signal(MAIN.drift, BREACHED)
    world.run(10 * MINUTE)
    world.network.heal()
    world.run(20 * MINUTE)
    world.close()

    assert told(world) == {(1, "decided"): 1, (1, "ended"): 1}
    if mode == "DryRun":
        assert world.status(MAIN.policy)["dryRun"]["history"]
