"""Signals that flap, freeze, or have too little behind them: what a policy makes of them."""

from collections.abc import Iterator

import pytest
from support.simulator.clock import HOUR, MINUTE
from support.simulator.faults import Outage, Server
from support.simulator.policies import MAIN, spec_of
from support.simulator.train_job import Outcome
from support.simulator.world import BREACHED, HEALTHY, World

from taxi_domain.runs import RunResult

_BEHIND = "main_behind"
#: Neither breached nor healthy: between what `enter` and `exit` ask for.
_BETWEEN = 0.9


@pytest.fixture
def world() -> Iterator[World]:
    found = World(MAIN, pace=60.0)
    found.start()
    yield found
    found.close()


def state_of(world: World, signal: str) -> str:
    (found,) = [one for one in world.status("main")["signals"] if one["name"] == signal]
    return str(found["state"])


def test_signal_that_flaps_faster_than_its_time_causes_nothing(world: World) -> None:
    world.add_policy(MAIN, evaluation={"intervalSeconds": 10})
    world.run(MINUTE)
    told = len(world.journal.of("event"))
    states = set()
    for _ in range(30):
        for value, seconds in ((BREACHED, 90.0), (HEALTHY, 30.0)):
            world.signal(MAIN.drift, value)
            world.signal(MAIN.error, value)
            world.run(seconds)
            states |= {state_of(world, "drift"), state_of(world, "error")}

    assert world.actions() == []
    assert states == {"Healthy", "Pending"}
    assert len(world.journal.of("event")) == told


def test_frozen_value_is_no_data_by_the_age_of_what_is_behind_it(world: World) -> None:
    """A recording rule goes on with the last value of an exporter that died."""
    drift, error = spec_of(MAIN)["signals"]
    world.signal(_BEHIND, 10.0)
    world.add_policy(MAIN, signals=[{**drift, "freshnessPromql": _BEHIND}, error])
    world.signal(MAIN.drift, BREACHED)
    world.run(90.0)
    assert state_of(world, "drift") == "Pending"

    world.signal(_BEHIND, 45.0)
    world.run(2 * HOUR)

    assert world.actions() == []
    assert state_of(world, "drift") == "NoData"
    assert world.status("main")["conditions"][1]["reason"] == "NoData"


def test_too_few_rows_behind_a_breach_start_nothing_until_there_are_enough(world: World) -> None:
    drift, error = spec_of(MAIN)["signals"]
    world.signal(_BEHIND, 999.0)
    few = {**drift, "minSamples": {"promql": _BEHIND, "value": 1000}}
    world.add_policy(MAIN, signals=[few, error])
    world.signal(MAIN.drift, BREACHED)
    world.run(HOUR)
    assert world.actions() == []
    assert state_of(world, "drift") == "InsufficientSamples"

    world.signal(_BEHIND, 1000.0)
    world.run(5 * MINUTE)

    assert len(world.journal.of("job")) == 1


def test_breach_that_ended_while_nobody_looked_starts_nothing_later(world: World) -> None:
    world.add_policy(MAIN)
    world.train(MAIN, Outcome(result=RunResult.NOT_BETTER))
    world.signal(MAIN.drift, BREACHED)
    world.run(7 * MINUTE)
    assert len(world.journal.of("job")) == 1

    world.network.outages[Server.CLUSTER] = Outage.DOWN
    world.signal(MAIN.drift, HEALTHY)
    world.run(30 * MINUTE)
    world.signal(MAIN.drift, _BETWEEN)
    world.run(10 * MINUTE)
    world.network.heal()
    world.run(HOUR)

    assert len(world.journal.of("job")) == 1
    assert state_of(world, "drift") == "Healthy"
