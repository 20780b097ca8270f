"""A namespace as watches tell of it: without calls while they do, and never old for long."""

import random
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, TypeVar

import pytest
from support.simulator.cluster import SimulatedCluster
from support.simulator.faults import Caller, Outage, Server
from support.simulator.objects import CRON_JOBS, DEPLOYMENTS, POLICIES
from support.simulator.policies import MAIN, OTHER
from support.simulator.world import World

from taxi_domain.errors import NotAvailableError, TaxiError
from taxi_domain.kube import INSTANCE_LABEL, POLICY_UID_LABEL
from taxi_operator.adapters import kinds
from taxi_operator.adapters import watch as watches
from taxi_operator.adapters.cluster import ApiError
from taxi_operator.adapters.kinds import WATCHED, Kind
from taxi_operator.adapters.view import View
from taxi_operator.adapters.watch import Pace, Page
from taxi_operator.core.services import ACTIVE_SERVICES

Answer = TypeVar("Answer")

PACE = Pace()


class Counted(Caller):
    """A process whose calls are counted."""

    calls = 0
    refusal: Exception | None = None

    async def call(
        self, server: Server, act: Callable[[], Any], *, changes: bool = False
    ) -> Any:  # fmt: skip
        self.calls += 1
        if self.refusal is not None:
            raise self.refusal
        return await super().call(server, act, changes=changes)


class Viewer:
    """A view of a world in which no operator runs."""

    def __init__(self) -> None:
        self.world = World(MAIN, OTHER)
        self.world.add_policy(MAIN)
        self.caller = Counted("viewer", self.world.network, lambda: None)
        self.cluster = SimulatedCluster(self.world.namespace, self.caller)
        self.failures: list[TaxiError] = []
        pace = Pace(clock=self.world.loop.time, jitter=random.Random(1))
        self.view = View(self.cluster, self.failures.append, pace)
        self.changes = self.world.namespace.changes

    def start(self) -> None:
        async def start() -> None:
            self.view.start()

        self.ask(start)
        self.world.run(1.0)

    def ask(self, what: Callable[[], Awaitable[Answer]]) -> Answer:
        return self.world.loop.run_until_complete(what())

    def calls(self, what: Callable[[], Awaitable[object]]) -> int:
        """Return how many calls something needs."""
        before = self.caller.calls
        self.ask(what)
        return self.caller.calls - before

    def ready(self, name: str = MAIN.champion) -> int:
        found = self.ask(lambda: self.view.deployment(name))
        return 0 if found is None else found["status"]["readyReplicas"]

    def is_current(self) -> bool:
        return all(self.view.is_current(one) for one in WATCHED)

    def break_pods(self) -> None:
        self.world.workloads.break_pods(MAIN.champion)


@pytest.fixture
def viewer() -> Iterator[Viewer]:
    """Return a view that knows its namespace."""
    found = Viewer()
    found.start()
    yield found
    found.view.stop()
    found.world.close()


def everything(view: View) -> list[Callable[[], Awaitable[object]]]:
    return [
        lambda: view.policy(MAIN.policy), view.policies, lambda: view.cron_job(MAIN.cron_job),
        lambda: view.jobs("uid"), lambda: view.deployment(MAIN.champion),
        lambda: view.services(ACTIVE_SERVICES), lambda: view.service(MAIN.service),
    ]  # fmt: skip


def test_nothing_is_asked_for_while_watches_tell(viewer: Viewer) -> None:
    for _ in range(5):
        assert viewer.is_current()
        assert sum(viewer.calls(one) for one in everything(viewer.view)) == 0
        viewer.world.run(200.0)

    assert viewer.failures == []
    assert viewer.ready() == 1
    assert viewer.caller.calls < 10 + 5 * 1000 / PACE.shortest


def test_everything_is_asked_for_before_the_first_list() -> None:
    viewer = Viewer()

    assert [viewer.calls(one) for one in everything(viewer.view)] == [1] * 7
    viewer.world.close()


def test_what_changes_is_told_at_once(viewer: Viewer) -> None:
    viewer.break_pods()
    viewer.world.run(0.1)
    assert viewer.ready() == 0

    viewer.world.delete_policy(MAIN.policy)
    viewer.world.run(0.1)
    assert viewer.ask(viewer.view.policies) == []


def test_watch_that_was_cut_goes_on_where_it_was(viewer: Viewer) -> None:
    viewer.world.network.outages[Server.CLUSTER] = Outage.DOWN
    viewer.world.run(25.0)
    viewer.break_pods()
    viewer.world.run(5.0)
    viewer.world.network.heal()
    viewer.world.run(20.0)

    assert (viewer.ready(), viewer.is_current()) == (0, True)
    assert len(viewer.failures) >= len(WATCHED)


def test_changes_that_were_forgotten_meanwhile_are_listed(viewer: Viewer) -> None:
    viewer.world.network.outages[Server.CLUSTER] = Outage.DOWN
    viewer.world.run(25.0)
    viewer.break_pods()
    viewer.world.objects.remove(CRON_JOBS, MAIN.cron_job)
    viewer.changes.forget()
    viewer.world.network.heal()
    viewer.world.run(20.0)

    assert (viewer.ready(), viewer.is_current()) == (0, True)
    assert viewer.ask(lambda: viewer.view.cron_job(MAIN.cron_job)) is None
    assert any(isinstance(one, ApiError) and one.status == 410 for one in viewer.failures)


def test_changes_that_are_forgotten_under_a_watch_are_listed(viewer: Viewer) -> None:
    viewer.changes.lag = 10.0
    viewer.break_pods()
    viewer.changes.forget()
    viewer.world.run(12.0)

    assert (viewer.ready(), viewer.is_current()) == (0, True)


def test_silent_watches_are_not_looked_at_for_long(viewer: Viewer) -> None:
    viewer.changes.silent_until = 1e6
    viewer.break_pods()
    viewer.world.run(PACE.longest + PACE.stale)

    assert not viewer.view.is_current(kinds.DEPLOYMENTS)
    assert viewer.calls(lambda: viewer.view.deployment(MAIN.champion)) == 1
    assert viewer.ready() == 0

    viewer.changes.heal()
    viewer.world.run(PACE.longest + 40.0)
    assert viewer.is_current()


@pytest.mark.parametrize("outage", [Outage.DOWN, Outage.HUNG])
def test_what_is_old_is_no_answer(viewer: Viewer, outage: Outage) -> None:
    viewer.world.network.outages[Server.CLUSTER] = outage
    viewer.world.run(PACE.longest + PACE.stale)

    for one in everything(viewer.view):
        with pytest.raises(NotAvailableError):
            viewer.ask(one)


def test_own_changes_are_known_before_watches_tell(viewer: Viewer) -> None:
    viewer.changes.lag = 1e6
    cluster, view = viewer.cluster, viewer.view
    policy = viewer.ask(lambda: view.policy(MAIN.policy))
    assert policy is not None
    model = {"name": "TAXI_MODEL", "value": MAIN.model}
    job = {
        "metadata": {"name": "j", "labels": {}, "ownerReferences": [{"name": "p"}]},
        "spec": {
            "activeDeadlineSeconds": 60,
            "template": {"spec": {"containers": [{"args": ["run"], "env": [model]}]}},
        },
    }  # fmt: skip

    viewer.ask(lambda: cluster.apply_status(policy, {"traffic": {"active": "Fallback"}}))
    viewer.ask(lambda: cluster.select_pods(MAIN.service, {"app": MAIN.fallback}))
    viewer.ask(lambda: cluster.annotate_pods(MAIN.champion, {"taxi-monitoring.io/x": "1"}))
    viewer.ask(lambda: cluster.create_job(job))

    before = viewer.caller.calls
    written = viewer.ask(lambda: view.policy(MAIN.policy))
    service = viewer.ask(lambda: view.service(MAIN.service))
    deployment = viewer.ask(lambda: view.deployment(MAIN.champion))
    assert viewer.caller.calls == before
    assert written is not None
    assert written["status"] == {"traffic": {"active": "Fallback"}}
    assert service is not None
    assert service["spec"]["selector"] == {"app": MAIN.fallback}
    assert deployment is not None
    assert deployment["spec"]["template"]["metadata"]["annotations"] == {
        "taxi-monitoring.io/x": "1"
    }


def test_own_job_is_known_at_once(viewer: Viewer) -> None:
    viewer.changes.lag = 1e6
    labels = {POLICY_UID_LABEL: "u"}
    viewer.world.objects.add("jobs", "j", {"metadata": {"labels": labels}})
    assert viewer.ask(lambda: viewer.view.jobs("u")) == []

    assert viewer.calls(lambda: viewer.view.job("j")) == 1
    assert [one["metadata"]["name"] for one in viewer.ask(lambda: viewer.view.jobs("u"))] == ["j"]


def test_object_that_seems_to_be_missing_is_asked_for(viewer: Viewer) -> None:
    viewer.changes.lag = 1e6
    viewer.world.add_policy(OTHER)
    viewer.world.workloads.add("late")

    assert viewer.ask(lambda: viewer.view.policy(OTHER.policy)) is not None
    assert viewer.ask(lambda: viewer.view.deployment("late")) is not None
    assert viewer.ask(lambda: viewer.view.service("nobody")) is None


def test_policy_that_is_doubted_is_asked_for_once(viewer: Viewer) -> None:
    viewer.changes.lag = 1e6
    viewer.world.edit(MAIN.policy, mode="Suspend")
    old = viewer.ask(lambda: viewer.view.policy(MAIN.policy))
    assert old is not None
    assert old["spec"]["mode"] == "Enforce"

    viewer.view.doubt(MAIN.policy)

    new = viewer.ask(lambda: viewer.view.policy(MAIN.policy))
    assert new is not None
    assert new["spec"]["mode"] == "Suspend"
    assert viewer.calls(lambda: viewer.view.policy(MAIN.policy)) == 0
    new["metadata"]["resourceVersion"] = "written by its reconcile"
    again = viewer.ask(lambda: viewer.view.policy(MAIN.policy))
    assert again is not None
    assert again["metadata"]["resourceVersion"].isdigit()


def test_event_of_another_watch_is_taken(viewer: Viewer) -> None:
    viewer.changes.lag = 1e6
    viewer.world.edit(MAIN.policy, mode="Suspend")
    found = viewer.world.objects.find(POLICIES, MAIN.policy)
    assert found is not None
    viewer.view.bring(kinds.POLICIES, found)
    policy = viewer.ask(lambda: viewer.view.policy(MAIN.policy))
    assert policy is not None
    assert policy["spec"]["mode"] == "Suspend"

    viewer.world.delete_policy(MAIN.policy)
    viewer.view.remove(kinds.POLICIES, found)
    assert viewer.ask(viewer.view.policies) == []


def test_services_of_other_releases_are_told_apart(viewer: Viewer) -> None:
    service = viewer.world.objects.find("services", MAIN.service)
    assert service is not None
    service["metadata"]["labels"][INSTANCE_LABEL] = "ours"
    viewer.world.objects.touch(service)
    viewer.world.run(0.1)

    def names(selector: str) -> list[str]:
        found = viewer.ask(lambda: viewer.view.services(f"{ACTIVE_SERVICES},{selector}"))
        return [one["metadata"]["name"] for one in found]

    assert names(f"{INSTANCE_LABEL}=ours") == [MAIN.service]
    assert names(f"{INSTANCE_LABEL},{INSTANCE_LABEL}!=ours") == []
    assert names(f"{INSTANCE_LABEL},{INSTANCE_LABEL}!=theirs") == [MAIN.service]


def test_role_of_an_earlier_release_costs_calls_and_no_more() -> None:
    viewer = Viewer()
    viewer.caller.refusal = ApiError("GET", "/deployments", 403, "Forbidden", "no list")
    viewer.start()
    viewer.world.run(3600.0)
    assert len(WATCHED) * 100 <= viewer.caller.calls <= len(WATCHED) * 200
    pauses = {type(one) for one in viewer.failures}
    assert pauses == {ApiError}

    viewer.caller.refusal = None
    assert viewer.ready() == 1
    viewer.world.run(60.0)
    assert viewer.is_current()
    viewer.view.stop()
    viewer.world.close()


def test_more_objects_than_are_kept_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watches, "MAX_OBJECTS", 4)
    viewer = Viewer()
    viewer.start()
    assert viewer.is_current()

    viewer.world.workloads.add("fifth")
    viewer.world.run(5.0)

    assert not viewer.view.is_current(kinds.DEPLOYMENTS)
    assert viewer.ready() == 1
    viewer.world.objects.remove(DEPLOYMENTS, "fifth")
    viewer.world.run(60.0)
    assert viewer.is_current()
    viewer.view.stop()
    viewer.world.close()


def test_what_a_watch_left_out_is_found_by_the_next_list(viewer: Viewer) -> None:
    found = viewer.world.objects.find(DEPLOYMENTS, MAIN.champion)
    assert found is not None
    found["spec"]["paused"] = True  # and nobody is told

    viewer.world.run(PACE.relist + PACE.longest)

    deployment = viewer.ask(lambda: viewer.view.deployment(MAIN.champion))
    assert deployment is not None
    assert deployment["spec"]["paused"]


def test_defect_in_a_watch_ends_no_watch(
    viewer: Viewer, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    async def broken(_kind: Kind, _after: str) -> Page:
        raise ValueError("a defect")

    with monkeypatch.context() as patch:
        patch.setattr(viewer.cluster, "page", broken)
        viewer.world.run(PACE.relist + PACE.longest + PACE.stale)
        assert not viewer.is_current()
    viewer.world.run(PACE.longest + 40.0)

    assert viewer.is_current()
