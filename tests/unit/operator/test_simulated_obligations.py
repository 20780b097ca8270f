"""What was begun under another spec, or by another memory, is carried to its end: short stories."""

from collections.abc import Iterator
from typing import Any

import pytest
from support.simulator.clock import DAY, HOUR, MINUTE
from support.simulator.cluster import SimulatedCluster
from support.simulator.faults import Armed, Fault, Outage, Server
from support.simulator.invariants import (
    budget_outlives_its_policy,
    obligations_end,
    one_run_at_a_time,
)
from support.simulator.policies import MAIN, spec_of
from support.simulator.train_job import Outcome
from support.simulator.troubles import STATUSES
from support.simulator.world import BREACHED, HEALTHY, World

from taxi_domain.runs import RunResult
from taxi_operator.adapters.cluster import ApiError


@pytest.fixture
def world() -> Iterator[World]:
    found = World(MAIN)
    found.start()
    found.add_policy(MAIN)
    found.run(MINUTE)
    yield found
    found.close()


def until(world: World, kind: str) -> None:
    """Let time pass until the operator did something of a kind."""
    while not world.journal.of(kind):
        world.run(10)


@pytest.mark.parametrize(
    ("edit", "back"),
    [
        ({"mode": "Suspend"}, {"mode": "Enforce"}),
        ({"modelName": "another"}, {"modelName": MAIN.model}),
        ({"retrain": None, "rules": {}}, spec_of(MAIN)),
    ],
)  # fmt: skip
def test_run_that_is_not_waited_for_has_no_other_beside_its_job(
    world: World, edit: dict[str, Any], back: dict[str, Any]
) -> None:
    world.train(MAIN, Outcome(exit_code=None))
    world.signal(MAIN.drift, BREACHED)
    until(world, "job")
    world.edit("main", **edit)
    world.run(70)
    world.edit("main", **back)

    world.run(6 * MINUTE)
    assert len(world.journal.of("job")) == 1
    assert "JobUnfinished" in {one["reason"] for one in world.status("main")["conditions"]}

    world.run(HOUR)
    one_run_at_a_time(world)
    assert len(world.journal.of("job")) > 1


def test_switch_ends_while_its_policy_is_suspended(world: World) -> None:
    world.workloads.endpoint_delay = 90.0
    world.signal(MAIN.error, BREACHED)
    until(world, "move")
    world.edit("main", mode="Suspend")

    world.run(10 * MINUTE)

    obligations_end(world)
    assert world.selected(MAIN) == MAIN.fallback


def test_policy_that_is_made_anew_has_no_new_budget(world: World) -> None:
    world.train(MAIN, Outcome(result=RunResult.NOT_BETTER))
    world.signal(MAIN.drift, BREACHED)
    world.run(HOUR)
    world.delete_policy("main")
    world.run(MINUTE)
    world.add_policy(MAIN)

    world.run(HOUR)

    budget_outlives_its_policy(world)


def test_run_that_a_hand_wrote_down_makes_no_job_beside_another(world: World) -> None:
    world.train(MAIN, Outcome(exit_code=None))
    world.signal(MAIN.drift, BREACHED)
    until(world, "job")
    world.write_status("main", STATUSES["a run without a Job"])

    world.run(10 * MINUTE)

    assert not any(one.facts["beside"] for one in world.journal.of("job"))


def test_clock_that_is_set_back_moves_no_traffic_of_a_suspended_policy(world: World) -> None:
    world.signal(MAIN.error, BREACHED)
    until(world, "move")
    world.run(MINUTE)
    world.edit("main", mode="Suspend")
    world.run(2 * MINUTE)
    world.jump(api=-DAY)
    world.network.armed += [Armed(calls, Fault.BROKEN) for calls in range(1, 6)]

    world.run(10 * MINUTE)

    assert world.selected(MAIN) == MAIN.fallback


def test_endpoints_that_cannot_be_read_hold_no_rescue(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.signal(MAIN.error, BREACHED)
    until(world, "move")
    world.run(10 * MINUTE)

    async def refuse(_cluster: SimulatedCluster, _service: str) -> set[str]:
        raise ApiError("GET", "/endpointslices", 403, "Forbidden", "no")

    monkeypatch.setattr(SimulatedCluster, "endpoint_pods", refuse)
    world.signal(MAIN.error, HEALTHY)
    world.run(15 * MINUTE)
    assert world.selected(MAIN) == MAIN.champion

    world.workloads.break_pods(MAIN.champion)
    world.run(5 * MINUTE)

    assert world.selected(MAIN) == MAIN.fallback


def test_outage_keeps_no_run_that_is_abandoned(world: World) -> None:
    world.signal(MAIN.drift, BREACHED)
    until(world, "job")
    world.network.outages[Server.REGISTRY] = Outage.DOWN

    world.edit("main", mode="Suspend")
    world.run(5 * MINUTE)

    assert world.status("main")["run"]["state"] == "Abandoned"
