"""Whole stories of a policy through the real reconciler, in simulated time."""

from collections.abc import Iterator

import pytest
from support.simulator.clock import DAY, HOUR, MINUTE
from support.simulator.policies import MAIN, MAX_RUNS
from support.simulator.train_job import Outcome
from support.simulator.world import BREACHED, HEALTHY, World

from taxi_domain.runs import RunResult


@pytest.fixture
def world() -> Iterator[World]:
    found = World(MAIN, pace=60.0)
    found.start()
    found.add_policy(MAIN)
    found.run(MINUTE)
    yield found
    found.close()


def test_breach_leads_to_a_job_and_its_better_candidate_is_promoted(world: World) -> None:
    world.run(10 * MINUTE)
    assert world.actions() == []

    world.signal(MAIN.drift, BREACHED)
    world.run(4 * MINUTE)
    assert [one.split("-")[0] for one in world.actions()] == ["job main"]
    world.run(MINUTE)
    world.signal(MAIN.drift, HEALTHY)
    world.run(10 * MINUTE)

    assert world.actions()[1:] == ["alias candidate-1", f"roll {MAIN.champion}"]
    assert world.status("main")["run"]["state"] == "Promoted"
    assert world.models.champion(MAIN.model) == "candidate-1"
    assert world.selected(MAIN) == MAIN.champion


def test_day_without_data_has_no_action(world: World) -> None:
    for query in (MAIN.drift, MAIN.error):
        world.signal(query, BREACHED)
        world.signal(query, None, marked=False)

    world.run(DAY)

    assert world.actions() == []
    assert world.status("main")["conditions"][1]["reason"] == "NoData"


def test_breach_that_lasts_a_day_takes_no_more_runs_than_the_budget_has(world: World) -> None:
    world.train(MAIN, Outcome(result=RunResult.NOT_BETTER))
    world.signal(MAIN.drift, BREACHED)

    world.run(DAY)

    assert len(world.journal.of("job")) == MAX_RUNS


def test_champion_without_pods_is_rescued_and_gets_its_traffic_back(world: World) -> None:
    world.workloads.break_pods(MAIN.champion)
    world.run(3 * MINUTE)
    assert world.selected(MAIN) == MAIN.fallback

    world.workloads.break_pods(MAIN.champion, broken=False)
    world.run(2 * MINUTE)
    assert world.selected(MAIN) == MAIN.fallback
    world.run(HOUR)

    assert world.actions() == [f"move {MAIN.fallback}", f"move {MAIN.champion}"]


def test_candidate_whose_pods_do_not_start_is_taken_back(world: World) -> None:
    world.train(MAIN, Outcome(loadable=False))
    world.signal(MAIN.drift, BREACHED)
    world.run(7 * MINUTE)
    assert world.models.champion(MAIN.model) == "candidate-1"
    world.signal(MAIN.drift, HEALTHY)

    world.run(4 * MINUTE)

    assert world.models.champion(MAIN.model) == "main-first"
    assert world.workloads.ready(MAIN.champion) == 1
    assert world.status("main")["run"]["state"] == "Failed"
