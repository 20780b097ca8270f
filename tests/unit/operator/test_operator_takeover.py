"""A policy that loses its target to an older one: nothing of its own memory acts later."""

import asyncio
import copy
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from taxi_operator.adapters.servers import Servers
from taxi_operator.metrics import Metrics
from taxi_operator.places import Places
from taxi_operator.reconciler import Reconciler
from taxi_operator.reports import ReportSource
from taxi_operator.spec.addresses import AllowList

Document = dict[str, Any]

SPEC: Document = {
    "target": {"deploymentName": "p", "activeServiceName": "s"},
    "prometheus": {"url": "http://127.0.0.1:1"},
    "signals": [
        {
            "name": "drift", "promql": "q",
            "enter": {"op": "GreaterOrEqual", "value": "1"},
            "exit": {"op": "Less", "value": "0.8"},
        }
    ],
}  # fmt: skip
AWAY: Document = {
    "traffic": {"active": "Fallback", "since": "2026-01-02T00:00:00Z", "lastSwapSeconds": "1.00"},
    "run": {
        "number": 3, "attempt": 1, "state": "Running", "jobName": "j",
        "startedAt": "2026-01-02T00:00:00Z",
    },
}  # fmt: skip


class FakeCluster:
    """Two policies with one target; nothing else is there."""

    def __init__(self) -> None:
        self.found = {
            name: {
                "metadata": {
                    "name": name, "namespace": "n", "uid": f"uid-{name}", "generation": 1,
                    "resourceVersion": "1", "creationTimestamp": created,
                },
                "spec": copy.deepcopy(SPEC),
                "status": {},
            }
            for name, created in (
                ("older", "2026-01-01T00:00:00Z"), ("younger", "2026-01-02T00:00:00Z"),
            )
        }  # fmt: skip
        self.events: list[str] = []

    def clock(self) -> float:
        return 1_800_000_000.0

    def set_mode(self, name: str, mode: str) -> None:
        self.found[name]["spec"]["mode"] = mode
        self.found[name]["metadata"]["generation"] += 1

    async def policy(self, name: str) -> Document:
        return copy.deepcopy(self.found[name])

    async def policies(self) -> list[Document]:
        return copy.deepcopy(list(self.found.values()))

    async def services(self, _selector: str) -> list[Document]:
        return []

    async def service(self, _name: str) -> None:
        """There is none."""

    async def jobs(self, _uid: str) -> list[Document]:
        return []

    async def apply_status(self, policy: Document, status: Document) -> None:
        self.found[policy["metadata"]["name"]]["status"] = status

    async def event(self, _policy: Document, reason: str, *_: object, **__: object) -> None:
        self.events.append(reason)


def reconciler_of(cluster: Any) -> Reconciler:
    registry: Any = None
    servers = Servers(AllowList("http://127.0.0.1:1"))
    return Reconciler(
        cluster, registry, Metrics(CollectorRegistry()), ReportSource(), servers, Places(1)
    )


def ready_of(cluster: FakeCluster, name: str) -> str:
    conditions = cluster.found[name]["status"]["conditions"]
    (found,) = (one["reason"] for one in conditions if one["type"] == "Ready")
    return str(found)


def test_policy_that_loses_its_target_forgets_the_traffic_and_its_run() -> None:
    cluster = FakeCluster()
    cluster.found["younger"]["status"] = copy.deepcopy(AWAY)

    asyncio.run(reconciler_of(cluster).reconcile("younger"))

    status = cluster.found["younger"]["status"]
    assert ready_of(cluster, "younger") == "TargetConflict"
    assert "traffic" not in status
    assert status["run"]["state"] == "Abandoned"
    assert "RetrainAbandoned" in cluster.events


@pytest.mark.parametrize("mode", ["DryRun", "Suspend"])
def test_policy_that_enforces_anew_does_not_act_before_others_are_seen(mode: str) -> None:
    cluster = FakeCluster()
    cluster.set_mode("younger", mode)
    reconciler = reconciler_of(cluster)

    async def switch() -> None:
        await reconciler.keep_selectors()
        cluster.set_mode("younger", "Enforce")
        await reconciler.reconcile("younger")

    asyncio.run(switch())

    assert ready_of(cluster, "younger") == "TargetConflict"


def test_older_policy_that_enforces_anew_is_seen_by_the_younger_one_at_once() -> None:
    cluster = FakeCluster()
    cluster.set_mode("older", "DryRun")
    reconciler = reconciler_of(cluster)

    async def switch() -> None:
        await reconciler.keep_selectors()
        cluster.set_mode("older", "Enforce")
        await reconciler.reconcile("older")
        await reconciler.reconcile("younger")

    asyncio.run(switch())

    assert ready_of(cluster, "older") != "TargetConflict"
    assert ready_of(cluster, "younger") == "TargetConflict"
