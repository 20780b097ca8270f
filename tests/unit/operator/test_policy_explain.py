"""What `taxi-policy explain` tells, on the simulated world; it changes nothing in it."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from support.simulator.clock import HOUR, MINUTE
from support.simulator.cluster import SimulatedCluster
from support.simulator.faults import Caller, Outage, Server
from support.simulator.objects import POLICIES
from support.simulator.policies import MAIN, OTHER, spec_of
from support.simulator.prometheus import SimulatedServers
from support.simulator.registry import SimulatedRegistry
from support.simulator.train_job import Outcome
from support.simulator.world import BREACHED, HEALTHY, World

from taxi_domain.runs import RunResult
from taxi_operator.cli.explanation import explanation_of, lines_of
from taxi_operator.cli.sight import Systems, look
from taxi_operator.spec.policy import policy_of


@pytest.fixture
def world() -> Iterator[World]:
    found = World(MAIN, pace=60.0)
    found.start()
    yield found
    found.close()


def explained(world: World, found: Any = None, *, registry: bool = True) -> dict[str, Any]:
    """Explain the policy, or another; check that nothing is changed by that."""
    caller = Caller("explain", world.network, lambda: None)
    systems: Any = Systems(
        SimulatedCluster(world.namespace, caller),  # type: ignore[arg-type]
        SimulatedServers(world.monitoring, caller),  # type: ignore[arg-type]
        SimulatedRegistry(world.models, caller) if registry else None,  # type: ignore[arg-type]
        "",
    )
    found = found or world.policy(MAIN.policy)
    for process in list(world.processes):
        world.stop(process)  # nobody else changes anything meanwhile
    before = len(world.journal.entries), str(world.objects.all(POLICIES))
    with world.running():
        sight = world.loop.run_until_complete(look(systems, found, policy_of(found["spec"])))
    assert (len(world.journal.entries), str(world.objects.all(POLICIES))) == before
    world.start()
    told = explanation_of(sight)
    assert json.loads(json.dumps(told)) == told
    assert list(lines_of(told))
    return told


def begin(world: World, **spec: Any) -> None:
    world.add_policy(MAIN, **spec)
    world.run(3 * MINUTE)


def test_quiet_policy_has_nothing_to_do_and_says_what_is_missing(world: World) -> None:
    begin(world)

    told = explained(world)

    assert told["next"] == told["holds"] == told["notKnown"] == []
    assert told["rules"]["retrain"] == [
        {"allOf": ["drift"], "fires": False, "missing": {"drift": "Healthy"}}
    ]
    assert told["traffic"]["championReady"] == told["traffic"]["fallbackReady"] == 1
    assert "next: nothing; no rule asks for anything" in list(lines_of(told))


def test_breach_that_no_look_has_acted_on_is_told_with_its_effects(world: World) -> None:
    begin(world)
    for process in list(world.processes):
        world.stop(process)
    for query in (MAIN.drift, MAIN.error):
        world.signal(query, BREACHED)
    world.run(10 * MINUTE)

    (step,) = explained(world)["next"]

    assert (step["part"], step["decision"], step["because"]) == ("decide", "Fallback", ["error"])
    assert step["effects"] == [f"Select {MAIN.service} Fallback"]


def test_cooldown_and_limit_tell_until_when(world: World) -> None:
    world.train(MAIN, Outcome(result=RunResult.NOT_BETTER))
    begin(world, retrain={**spec_of(MAIN)["retrain"], "pauseAfter": {"failure": "1h"}})
    world.signal(MAIN.drift, BREACHED)
    world.run(20 * MINUTE)

    told = explained(world)

    (held,) = told["holds"]
    assert held["reason"] == "Cooldown"
    assert told["retrain"]["nextEligibleAt"] in held["message"]
    assert told["run"]["state"] == "Refused"
    world.run(6 * HOUR)
    (held,) = explained(world)["holds"]
    assert held["reason"] == "BudgetExhausted"
    assert "3 of 3 runs within 24 h" in held["message"]


def test_fallback_that_is_not_ready_and_dwell_are_told(world: World) -> None:
    begin(world)
    world.workloads.break_pods(MAIN.fallback)
    world.signal(MAIN.error, BREACHED)
    world.run(10 * MINUTE)
    (held,) = explained(world)["holds"]
    assert held == {
        "reason": "FallbackNotReady",
        "message": "0 of 1 pods of the fallback are ready",
    }

    world.workloads.break_pods(MAIN.fallback, broken=False)
    world.run(2 * MINUTE)
    (held,) = explained(world)["holds"]
    assert held["reason"] == "FallbackStays"
    assert "error" in held["message"]


@pytest.mark.parametrize(
    ("spec", "state", "waits"),
    [
        ({}, "Running", "the verdict of Job main-"),
        ({"gate": {"approval": "Required"}}, "AwaitingApproval", "taxi-policy approve main"),
        ({"freezeWindows": [{"start": "2020-01-01T00:00:00Z", "end": "2099-01-01T00:00:00Z"}]},
         "Frozen", "the end of a freeze window at 2099-01-01T00:00:00Z"),
    ],
)  # fmt: skip
def test_open_run_tells_what_it_waits_for(
    world: World, spec: dict[str, Any], state: str, waits: str
) -> None:
    begin(world, **spec)
    world.signal(MAIN.drift, BREACHED)
    world.run((4 if state == "Running" else 10) * MINUTE)

    told = explained(world)

    assert told["run"]["state"] == state
    assert waits in told["run"]["waitsFor"]


def test_what_cannot_be_seen_is_named_and_the_rest_is_told(world: World) -> None:
    begin(world)
    world.network.outages[Server.PROMETHEUS] = Outage.DOWN
    told = explained(world, registry=False)

    assert any("registry" in one for one in told["notKnown"])
    assert {one["state"] for one in told["signals"]} == {"NoData"}
    assert told["traffic"]["active"] == "Champion"

    world.network.outages = {Server.CLUSTER: Outage.DOWN}
    told = explained(world)
    assert any(one.startswith("target: ") for one in told["notKnown"])


def test_policy_of_a_file_that_no_cluster_has_is_explained(world: World) -> None:
    begin(world)
    world.signal(MAIN.drift, BREACHED)
    world.run(10 * MINUTE)
    spec = {**spec_of(MAIN), "mode": "DryRun"}

    told = explained(world, {"metadata": {"name": "new"}, "spec": spec})

    assert told["claimedBy"] == MAIN.policy
    # The registry knows of the run that the other policy began.
    (held,) = told["holds"]
    assert held["reason"] == "Cooldown"
    told = explained(world, {"metadata": {"name": "new"}, "spec": spec}, registry=False)
    (step,) = told["next"]
    assert step["note"] == "DryRun: would Retrain because of drift"


def test_dry_run_tells_the_pause_of_what_it_would_have_done(world: World) -> None:
    begin(world, mode="DryRun")
    world.signal(MAIN.drift, BREACHED)
    world.run(10 * MINUTE)

    (held,) = explained(world)["holds"]

    assert held["reason"] == "Cooldown"
    assert "the last run ended well" in held["message"]


def test_other_policies_are_no_concern_of_it(world: World) -> None:
    begin(world)
    world.add_policy(OTHER, name="other")
    world.signal(MAIN.drift, HEALTHY)

    assert explained(world)["claimedBy"] == ""
