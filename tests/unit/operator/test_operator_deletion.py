"""A deleted policy waits for an absent champion, but not for ever."""

import asyncio
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from taxi_operator.metrics import Metrics
from taxi_operator.reporting import Reporter
from taxi_operator.swaps import FINALIZER, Swaps
from taxi_operator.times import seconds_since_epoch
from taxi_operator.traffic import TrafficControl

DELETED = "2026-01-01T00:00:00Z"


class FakeCluster:
    """Deployments without a ready pod, and what is done to a policy."""

    def __init__(self) -> None:
        self.finalizers = [FINALIZER]
        self.events: list[str] = []

    async def deployment(self, _name: str) -> dict[str, Any]:
        return {"status": {}}

    async def apply_finalizers(self, _policy: dict[str, Any], finalizers: list[str]) -> None:
        self.finalizers = finalizers

    async def event(self, _policy: object, reason: str, _message: str, **_: object) -> None:
        self.events.append(reason)


@pytest.mark.parametrize(
    ("seconds", "finalizers", "events"),
    [(59, [FINALIZER], []), (61, [], ["FallbackStays"])],
)
def test_absent_champion_holds_a_deletion_for_a_minute(
    seconds: float, finalizers: list[str], events: list[str]
) -> None:
    deleted = seconds_since_epoch(DELETED)
    assert deleted is not None
    cluster = FakeCluster()
    reporter = Reporter(cluster, Metrics(CollectorRegistry()), lambda: deleted + seconds)
    swaps = Swaps(cluster, TrafficControl(cluster), reporter, lambda _point: None)
    policy = {
        "metadata": {"name": "p", "deletionTimestamp": DELETED, "finalizers": [FINALIZER]},
        "spec": {"target": {"deploymentName": "d", "activeServiceName": "s"}},
        "status": {"traffic": {"active": "Fallback"}},
    }

    asyncio.run(swaps.let_go(policy))

    assert (cluster.finalizers, cluster.events) == (finalizers, events)
