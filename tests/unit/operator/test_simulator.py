"""The simulated world itself: its adapters have the real ones' methods, its invariants can fail."""

import inspect
import json
from collections.abc import Callable, Iterator

import pytest
from support.simulator.clock import MINUTE
from support.simulator.cluster import SimulatedCluster
from support.simulator.faults import Armed, Fault, Outage, Server
from support.simulator.invariants import (
    actions_have_current_signals,
    alias_goes_back_for_a_reason,
    alias_rests_on_a_version_that_starts,
    budget_holds,
    budget_outlives_its_policy,
    neighbour_is_left_alone,
    no_defects,
    obligations_end,
    one_job_a_look,
    one_run_at_a_time,
    served,
    traffic_dwells,
    traffic_goes_to_ready_pods,
    watching_changes_nothing,
)
from support.simulator.objects import PROMOTION, SERVICES
from support.simulator.policies import MAIN, MAX_RUNS, OTHER
from support.simulator.prometheus import SimulatedPrometheus, Source
from support.simulator.registry import SimulatedRegistry
from support.simulator.world import World

from taxi_domain.models import Alias
from taxi_operator.adapters.cluster import Cluster
from taxi_operator.adapters.prometheus import Prometheus
from taxi_store.registry.registry_async import AsyncRegistry


@pytest.fixture
def world() -> Iterator[World]:
    found = World(MAIN, OTHER)
    found.add_policy(MAIN)
    yield found
    found.close()


@pytest.mark.parametrize(
    ("real", "simulated"),
    [
        (Cluster, SimulatedCluster), (Prometheus, SimulatedPrometheus),
        (AsyncRegistry, SimulatedRegistry),
    ],
)  # fmt: skip
def test_adapters_have_the_methods_of_the_real_ones(real: type, simulated: type) -> None:
    methods = {
        name: inspect.signature(one)
        for name, one in vars(real).items()
        if inspect.isfunction(one) and (not name.startswith("_") or name == "__aenter__")
    }
    for name, signature in methods.items():
        found = inspect.signature(getattr(simulated, name))
        assert list(found.parameters) == list(signature.parameters), name
        assert [one.kind for one in found.parameters.values()] == [
            one.kind for one in signature.parameters.values()
        ], name


def _job(world: World, number: int, **facts: object) -> None:
    known = {"name": f"j{number}", "uid": "u", "policy": "main", "number": number}
    world.journal.note("job", **{**known, "beside": [], "promotions": [], "state": "", **facts})


def _move(world: World, to: str, **facts: object) -> None:
    known = {"service": MAIN.service, "before_ready": 1, "unready_for": 0.0, "intended": []}
    world.journal.note("move", **{**known, "to": to, **facts})


def _breaks(check: Callable[[World], None], world: World) -> None:
    with pytest.raises(AssertionError):
        check(world)


@pytest.mark.parametrize(
    "beside", [{"beside": ["j0"]}, {"promotions": ["{}"]}, {"state": "Observing"}]
)
def test_job_beside_another_or_a_promotion_is_found(
    world: World, beside: dict[str, object]
) -> None:
    _job(world, 0)
    _job(world, 1)
    one_run_at_a_time(world)
    _job(world, 2, **beside)
    _breaks(one_run_at_a_time, world)


def test_job_that_is_made_twice_is_found_unless_a_hand_deleted_it(world: World) -> None:
    _job(world, 1)
    world.delete_jobs("main")
    world.run(1)
    _job(world, 1)
    one_run_at_a_time(world)
    world.run(1)
    _job(world, 1)
    _breaks(one_run_at_a_time, world)


def test_second_job_of_a_look_is_found_unless_a_hand_deleted_the_first(world: World) -> None:
    world.journal.note("look", name="look-1")
    world.journal.note("look", name="look-2")
    world.delete_jobs("main")
    world.run(1)
    world.journal.note("look", name="look-1")
    one_job_a_look(world)
    world.run(1)
    world.journal.note("look", name="look-1")
    _breaks(one_job_a_look, world)


def _alias(world: World, to: str, before: str, **note: object) -> None:
    noted = {"model": MAIN.model, "candidate": "v2", "champion": "v1", "policy": "main", **note}
    texts = [json.dumps(noted)] if note else []
    world.journal.note("alias", model=MAIN.model, to=to, before=before, promotions=texts)


@pytest.mark.parametrize(
    ("kind", "facts", "rollback"),
    [
        ("verdict", {"result": "Worse", "of": "v2", "policy": "main"}, "Observation"),
        ("request", {"what": "rollback", "policy": "main"}, "Request"),
    ],
)
def test_alias_that_goes_back_without_a_reason_is_found(
    world: World, kind: str, facts: dict[str, object], rollback: str
) -> None:
    back = {"candidate": "v1", "champion": "v2", "rollback": rollback}
    _alias(world, "v2", "v1", number=1)
    _alias(world, "v1", "v2", number=1)  # its pods did not come up
    alias_goes_back_for_a_reason(world)
    world.journal.note(kind, **{**facts, "policy": "another"})
    _alias(world, "v1", "v2", **back)
    _breaks(alias_goes_back_for_a_reason, world)
    world.journal.entries.pop()
    world.journal.note(kind, **facts)
    _alias(world, "v1", "v2", **back)
    alias_goes_back_for_a_reason(world)
    _alias(world, "v1", "v2")
    _breaks(alias_goes_back_for_a_reason, world)


def test_run_over_the_budget_is_found(world: World) -> None:
    for number in range(MAX_RUNS):
        _job(world, number)
        _job(world, number)  # another attempt is no run
    budget_holds(world)
    budget_outlives_its_policy(world)
    _job(world, MAX_RUNS, uid="its heir")
    budget_holds(world)
    _breaks(budget_outlives_its_policy, world)
    _job(world, MAX_RUNS)
    _breaks(budget_holds, world)


def test_runs_of_another_window_are_not_counted(world: World) -> None:
    for number in range(MAX_RUNS):
        _job(world, number)
    world.jump(api=86_401)
    _job(world, MAX_RUNS)
    budget_holds(world)


def test_move_away_from_ready_pods_is_found(world: World) -> None:
    _move(world, MAIN.fallback, unready_for=5.0, before_ready=0)
    traffic_goes_to_ready_pods(world)
    _move(world, MAIN.fallback, unready_for=5.0)
    _breaks(traffic_goes_to_ready_pods, world)


def test_decision_from_an_old_sample_is_found(world: World) -> None:
    world.journal.note("decision", policy="main", ages={"drift": 30.0, "championUnavailable": 1e9})
    actions_have_current_signals(world)
    world.journal.note("decision", policy="main", ages={"drift": 60.0})
    _breaks(actions_have_current_signals, world)


def test_two_moves_within_the_dwell_time_are_found(world: World) -> None:
    world.run(6 * MINUTE)
    _move(world, MAIN.fallback)
    world.run(MINUTE)
    _move(world, MAIN.champion, before_ready=0)
    traffic_dwells(world)
    world.run(MINUTE)
    _move(world, MAIN.fallback)
    _breaks(traffic_dwells, world)


def test_action_of_a_policy_that_only_watches_is_found(world: World) -> None:
    world.run(MINUTE)
    _job(world, 1)
    world.edit("main", mode="Suspend")
    world.run(MINUTE)
    world.journal.note("alias", model=MAIN.model, to="v", promotions=["{}"])
    _move(world, MAIN.fallback, intended=["Fallback"])
    watching_changes_nothing(world)
    _move(world, MAIN.fallback, intended=["Champion"])
    _breaks(watching_changes_nothing, world)


def test_defect_is_found(world: World) -> None:
    world.journal.note("defect", text="KeyError()")
    _breaks(no_defects, world)


def test_action_on_the_neighbour_is_found(world: World) -> None:
    _job(world, 1)
    neighbour_is_left_alone(world, OTHER)
    world.journal.note("roll", deployment=OTHER.champion)
    with pytest.raises(AssertionError):
        neighbour_is_left_alone(world, OTHER)


def test_alias_that_is_left_on_what_no_pod_can_load_is_found(world: World) -> None:
    alias_rests_on_a_version_that_starts(world)
    world.models.point(MAIN.model, Alias.CHAMPION, "new")
    _breaks(alias_rests_on_a_version_that_starts, world)
    world.models.not_loadable.add("new")
    with pytest.raises(AssertionError, match="does not start"):
        alias_rests_on_a_version_that_starts(world)


@pytest.mark.parametrize(
    "status",
    [
        {"run": {"state": "Running"}},
        {"run": {"state": "Observing"}},
        {"traffic": {"active": "Fallback", "since": "2025-10-09"}},
    ],
)
def test_run_or_switch_that_is_left_open_is_found(world: World, status: dict[str, object]) -> None:
    obligations_end(world)
    world.write_status("main", status)
    _breaks(obligations_end, world)


def test_promotion_that_is_left_open_is_found(world: World) -> None:
    service = world.objects.find(SERVICES, MAIN.service)
    assert service is not None
    service["metadata"]["annotations"][PROMOTION] = "{}"
    _breaks(obligations_end, world)


def test_policy_that_is_not_served_is_found(world: World) -> None:
    ready = {"type": "Ready", "status": "True", "reason": "PolicyAccepted", "message": ""}
    world.write_status("main", {"conditions": [ready]})
    served(world)
    world.write_status("main", {"conditions": [{**ready, "status": "False"}]})
    _breaks(served, world)


def test_series_has_holes_marks_and_ages() -> None:
    source = Source()
    source.set(100.0, 1.0)
    assert source.value(104.0, 60.0) is None  # the first scrape is at 105
    assert source.value(106.0, 60.0) == 1.0
    source.set(200.0, None)
    assert source.value(210.0, 60.0) is None
    source.marked = False
    assert source.value(210.0, 60.0) == 1.0
    assert source.newest(300.0) == (195.0, 1.0)
    assert source.value(300.0, 60.0) is None


@pytest.mark.parametrize("fault", [Fault.KILL_BEFORE, Fault.KILL_AFTER])
def test_process_that_is_killed_in_a_call_is_started_anew(world: World, fault: Fault) -> None:
    world.start()
    world.network.armed.append(Armed(1, fault))
    world.run(MINUTE)
    assert [one.facts["process"] for one in world.journal.of("kill")] == ["operator-1"]
    assert [one.caller.name for one in world.processes] == ["operator-2"]
    assert world.status("main")["conditions"][0]["status"] == "True"


def test_server_that_hangs_lets_calls_wait(world: World) -> None:
    world.start()
    world.network.outages[Server.PROMETHEUS] = Outage.HUNG
    world.run(MINUTE)
    assert world.status("main")["conditions"][1]["reason"] == "PrometheusUnreachable"
