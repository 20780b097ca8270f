"""What befalls all policies at once, in the middle of everything that they do."""

from collections.abc import Callable, Iterator
from typing import Final

import pytest
from support.simulator.clock import DAY, MINUTE
from support.simulator.faults import Armed, Fault
from support.simulator.invariants import ALWAYS, AT_REST, neighbour_is_left_alone
from support.simulator.objects import POLICIES
from support.simulator.policies import MAIN, OTHER
from support.simulator.troubles import OF_ALL
from support.simulator.world import BREACHED, HEALTHY, World


@pytest.fixture
def world() -> Iterator[World]:
    found = World(MAIN, OTHER, pace=30.0)
    found.start()
    found.add_policy(OTHER, evaluation={"intervalSeconds": 120})
    found.add_policy(MAIN)
    found.run(MINUTE)
    yield found
    found.close()


def _until(world: World, kind: str, query: str) -> None:
    world.signal(query, BREACHED)
    for _ in range(120):
        if world.journal.of(kind):
            break
        world.run(5.0)


def _pending(world: World) -> None:
    world.signal(MAIN.drift, BREACHED)
    world.signal(MAIN.error, BREACHED)
    world.run(MINUTE)


#: Longer than what a Job, its attempts and a rollout take together.
_REST: Final = 30 * MINUTE
#: Short outages are for the random stories.
_LONG: Final = [what for what in sorted(OF_ALL) if not what.endswith("for 20.0")]
#: Moments in the life of a policy.
MOMENTS: Final[dict[str, Callable[[World], None]]] = {
    "before a breach is one": _pending,
    "in the middle of a run": lambda world: _until(world, "job", MAIN.drift),
    "in the middle of a promotion": lambda world: _until(world, "alias", MAIN.drift),
    "in the middle of a switch": lambda world: _until(world, "move", MAIN.error),
}


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("what", _LONG)
def test_trouble_of_all_breaks_nothing_and_leaves_nothing_open(
    world: World, what: str, moment: str
) -> None:
    MOMENTS[moment](world)
    OF_ALL[what](world)
    world.run(10 * MINUTE)
    world.heal()
    world.pace = 60.0
    world.run(_REST)

    for check in (*ALWAYS, *AT_REST):
        check(world)
    neighbour_is_left_alone(world, OTHER)


@pytest.mark.parametrize("fault", list(Fault))
def test_call_that_fails_is_made_good(world: World, fault: Fault) -> None:
    """Each of the calls in turn that change something until a candidate is promoted."""
    world.network.armed = [Armed(calls, fault) for calls in range(1, 40, 3)]
    _until(world, "alias", MAIN.drift)
    world.signal(MAIN.drift, HEALTHY)
    world.run(10 * MINUTE)
    _until(world, "move", MAIN.error)
    assert world.network.hits >= 5
    world.heal()
    world.run(_REST)

    for check in (*ALWAYS, *AT_REST):
        check(world)
    assert world.models.champion(MAIN.model) == "candidate-1"
    assert [one.facts["to"] for one in world.journal.of("move")] == [MAIN.fallback, MAIN.champion]


def test_two_operators_do_everything_once(world: World) -> None:
    world.start()
    _until(world, "alias", MAIN.drift)
    world.signal(MAIN.drift, HEALTHY)
    world.run(10 * MINUTE)
    _until(world, "move", MAIN.error)
    world.signal(MAIN.error, HEALTHY)
    world.run(20 * MINUTE)

    assert world.actions() == [
        f"job {world.journal.of('job')[0].facts['name']}", "alias candidate-1",
        f"roll {MAIN.champion}", f"move {MAIN.fallback}", f"move {MAIN.champion}",
    ]  # fmt: skip
    assert [one.facts["action"] for one in world.journal.of("decision")] == [
        "Retrain", "Fallback", "Restore",
    ]  # fmt: skip


@pytest.mark.parametrize("seconds", [600.0, -600.0])
@pytest.mark.parametrize("which", ["api", "prometheus"])
def test_clock_that_is_set_starts_nothing_by_itself(
    world: World, which: str, seconds: float
) -> None:
    world.run(10 * MINUTE)

    world.jump(**{which: seconds})
    world.run(DAY)

    assert world.actions() == []
    assert world.status("main")["conditions"][1]["reason"] == "AllSignalsFresh"


@pytest.mark.parametrize("seconds", [5.0, 0.5])
def test_policy_that_somebody_touches_all_the_time_is_served(world: World, seconds: float) -> None:
    def touch() -> None:
        found = world.objects.find(POLICIES, "main")
        assert found is not None
        found["metadata"].setdefault("annotations", {})["touched"] = str(world.clock.seconds)
        world.objects.touch(found)
        world.later(seconds, touch)

    touch()
    _pending(world)
    world.run(9 * MINUTE)

    assert world.selected(MAIN) == MAIN.fallback
    assert len(world.journal.of("job")) == 1
