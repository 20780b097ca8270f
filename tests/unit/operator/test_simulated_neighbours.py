"""A policy in trouble changes nothing of what another one gets."""

from collections.abc import Callable
from functools import cache
from typing import Final

import pytest
from support.simulator.clock import MINUTE
from support.simulator.invariants import concerns
from support.simulator.policies import MAIN, OTHER
from support.simulator.train_job import Outcome
from support.simulator.troubles import OF_A_POLICY
from support.simulator.world import BREACHED, HEALTHY, World

#: So much later another policy may let an action come, seconds.
_TOLERANCE: Final = 65.0


def _breached(world: World) -> None:
    world.signal(MAIN.drift, BREACHED)
    world.signal(MAIN.error, BREACHED)


def _hangs(world: World) -> None:
    world.train(MAIN, Outcome(exit_code=None))
    _breached(world)


def _does_not_roll(world: World) -> None:
    world.train(MAIN, Outcome(loadable=False))
    world.workloads.pause(MAIN.champion, paused=True)
    world.signal(MAIN.drift, BREACHED)


TROUBLES: Final[dict[str, Callable[[World], None]]] = {
    **OF_A_POLICY,
    "both signals are breached": _breached,
    "its Job hangs": _hangs,
    "its rollout is paused": _does_not_roll,
}


def _story(befall: Callable[[World], None] | None) -> list[tuple[str, float]]:
    """Return what a policy gets, and when: a promotion, a fallback by rule, a rescue."""
    world = World(MAIN, OTHER, pace=60.0)
    world.add_policy(OTHER)
    world.start()
    if befall is not None:
        world.add_policy(MAIN)
    world.run(MINUTE)
    if befall is not None:
        befall(world)
    world.signal(OTHER.drift, BREACHED)
    world.run(8 * MINUTE)
    world.signal(OTHER.drift, HEALTHY)
    world.signal(OTHER.error, BREACHED)
    world.run(6 * MINUTE)
    world.signal(OTHER.error, HEALTHY)
    world.run(10 * MINUTE)
    world.workloads.break_pods(OTHER.champion)
    world.run(4 * MINUTE)
    world.close()
    return [
        (f"{one.kind} {one.facts.get('to', '')}", one.at)
        for one in world.journal.of("job", "move", "alias", "roll")
        if concerns(one, OTHER)
    ]


@cache
def _story_alone() -> list[tuple[str, float]]:
    return _story(None)


def test_policy_alone_gets_everything() -> None:
    assert [what for what, _ in _story_alone()] == [
        "job ", "alias candidate-1", "roll ", f"move {OTHER.fallback}", f"move {OTHER.champion}",
        f"move {OTHER.fallback}",
    ]  # fmt: skip


@pytest.mark.parametrize("trouble", sorted(TROUBLES))
def test_policy_beside_one_in_trouble_gets_the_same(trouble: str) -> None:
    alone, beside = _story_alone(), _story(TROUBLES[trouble])

    assert [what.replace("candidate-2", "candidate-1") for what, _ in beside] == [
        what for what, _ in alone
    ]
    for (what, at), (_, late) in zip(alone, beside, strict=True):
        assert abs(late - at) <= _TOLERANCE, what
