"""Traffic where pods, Deployments or Services fail: it never oscillates, nor goes where none is."""

from collections.abc import Iterator

import pytest
from support.simulator.clock import HOUR, MINUTE
from support.simulator.cluster import SimulatedCluster
from support.simulator.invariants import ALWAYS
from support.simulator.objects import CRON_JOBS, SERVICES
from support.simulator.policies import MAIN
from support.simulator.world import BREACHED, HEALTHY, World

from taxi_operator.adapters.cluster import ApiError


@pytest.fixture
def world() -> Iterator[World]:
    found = World(MAIN, pace=30.0)
    found.start()
    found.add_policy(MAIN)
    found.run(MINUTE)
    yield found
    for check in ALWAYS:
        check(found)
    found.close()


def fallback_active(world: World) -> tuple[str, str]:
    (found,) = (
        one for one in world.status("main")["conditions"] if one["type"] == "FallbackActive"
    )
    return found["status"], found["reason"]


def moves(world: World) -> list[str]:
    return [str(one.facts["to"]) for one in world.journal.of("move")]


def test_fallback_whose_deployment_is_gone_gets_no_traffic(world: World) -> None:
    world.workloads.remove(MAIN.fallback)
    world.signal(MAIN.error, BREACHED)
    world.run(HOUR)

    assert moves(world) == []
    assert fallback_active(world) == ("False", "FallbackNotReady")


def test_champion_and_fallback_without_pods_stay_as_they_are_and_that_is_told_once(
    world: World,
) -> None:
    world.workloads.break_pods(MAIN.fallback)
    world.run(MINUTE)
    world.workloads.break_pods(MAIN.champion)
    world.signal(MAIN.error, BREACHED)

    world.run(HOUR)

    assert moves(world) == []
    told = [one for one in world.journal.of("event") if one.facts["warning"]]
    assert [one.facts["reason"] for one in told].count("ChampionUnavailable") == 1
    assert len(told) <= 3
    world.workloads.break_pods(MAIN.fallback, broken=False)
    world.run(5 * MINUTE)
    assert moves(world) == [MAIN.fallback]


def test_error_that_the_fallback_does_not_mend_moves_nothing_again(world: World) -> None:
    world.signal(MAIN.error, BREACHED)

    world.run(4 * HOUR)

    assert moves(world) == [MAIN.fallback]


def test_champion_that_comes_and_goes_is_left_once(world: World) -> None:
    for _ in range(20):
        world.workloads.break_pods(MAIN.champion)
        world.run(2 * MINUTE)
        world.workloads.break_pods(MAIN.champion, broken=False)
        world.run(2 * MINUTE)

    assert moves(world) == [MAIN.fallback]
    world.run(10 * MINUTE)
    assert moves(world) == [MAIN.fallback, MAIN.champion]


def test_selector_that_somebody_sets_back_is_set_again(world: World) -> None:
    world.signal(MAIN.error, BREACHED)
    world.run(10 * MINUTE)
    service = world.objects.find(SERVICES, MAIN.service)
    assert service is not None
    service["spec"]["selector"] = {"app": MAIN.champion}
    world.objects.touch(service)

    world.run(MINUTE)

    assert world.selected(MAIN) == MAIN.fallback


def test_events_that_are_refused_hold_up_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_: object, **__: object) -> None:
        raise ApiError("POST", "/events", 403, "Forbidden", "no")

    monkeypatch.setattr(SimulatedCluster, "event", refuse)
    world.signal(MAIN.error, BREACHED)
    world.signal(MAIN.drift, BREACHED)

    world.run(10 * MINUTE)

    assert moves(world) == [MAIN.fallback]
    assert len(world.journal.of("job")) == 1
    assert world.status("main")["conditions"][0]["reason"] == "PolicyAccepted"


@pytest.mark.parametrize("breached", [True, False])
def test_release_that_is_installed_again_goes_by_what_is_so_then(
    world: World, breached: bool
) -> None:
    """Policies stay when a release is removed, with all that they remember."""
    world.signal(MAIN.error, BREACHED)
    world.run(10 * MINUTE)
    assert world.selected(MAIN) == MAIN.fallback
    for process in list(world.processes):
        world.stop(process)
    world.objects.remove(SERVICES, MAIN.service)
    world.objects.remove(CRON_JOBS, MAIN.cron_job)
    for name in (MAIN.champion, MAIN.fallback):
        world.workloads.remove(name)
    if not breached:
        world.signal(MAIN.error, HEALTHY)
    world.run(2 * HOUR)
    before = len(world.journal.of("decision"))

    world.heal()
    if breached:
        world.signal(MAIN.error, BREACHED)
    world.start()
    world.run(20 * MINUTE)

    assert world.selected(MAIN) == (MAIN.fallback if breached else MAIN.champion)
    decided = [one.facts["action"] for one in world.journal.of("decision")[before:]]
    assert decided == ([] if breached else ["Restore"])
    assert world.journal.of("job", "alias", "roll") == []
