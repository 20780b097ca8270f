"""What a deleted policy leaves: the selector loop brings the traffic back, and nothing waits."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from taxi_operator.claims import Claims
from taxi_operator.core.decisions import Traffic
from taxi_operator.core.services import DEPLOYMENT_ANNOTATIONS
from taxi_operator.locks import Locks
from taxi_operator.metrics import Metrics
from taxi_operator.reporting import Reporter
from taxi_operator.selector_keeper import SelectorKeeper
from taxi_operator.traffic import TrafficControl

Document = dict[str, Any]

RETAINED = "taxi-monitoring.io/retained"


class FakeCluster:
    """A Service at the fallback, and at most one policy."""

    def __init__(self, *policies: Document) -> None:
        self.found = list(policies)
        self.champion_ready = 1
        self.selector = {"who": str(Traffic.FALLBACK)}
        self.annotations = {name: str(one) for one, name in DEPLOYMENT_ANNOTATIONS.items()}
        self.events: list[tuple[str, str]] = []

    async def policies(self) -> list[Document]:
        return self.found

    async def services(self, _selector: str) -> list[Document]:
        metadata = {"name": "s", "uid": "u", "annotations": dict(self.annotations)}
        return [{"metadata": metadata, "spec": {"selector": dict(self.selector)}}]

    async def deployment(self, name: str) -> Document:
        ready = self.champion_ready if name == Traffic.CHAMPION else 1
        return {
            "metadata": {"name": name}, "spec": {"selector": {"matchLabels": {"who": name}}},
            "status": {"readyReplicas": ready},
        }  # fmt: skip

    async def select_pods(self, _service: str, labels: Mapping[str, str]) -> None:
        self.selector = dict(labels)

    async def annotate_service(self, _name: str, changes: Mapping[str, str | None]) -> None:
        merged = {**self.annotations, **changes}
        self.annotations = {name: value for name, value in merged.items() if value is not None}

    async def event(
        self, _found: object, reason: str, _message: str, *, kind: str, **_: object
    ) -> None:
        self.events.append((kind, reason))


def policy(traffic: Traffic, deletion: str, **metadata: str) -> Document:
    created = {"name": "p", "uid": "p", "creationTimestamp": "2026-01-01T00:00:00Z"}
    return {
        "metadata": {**created, **metadata},
        "spec": {
            "target": {"deploymentName": str(Traffic.CHAMPION), "activeServiceName": "s"},
            "deletionPolicy": deletion,
        },
        "status": {"traffic": {"active": str(traffic)}},
    }


def keep(cluster: Any) -> None:
    reporter = Reporter(cluster, Metrics(CollectorRegistry()), lambda: 0.0)
    traffic = TrafficControl(cluster)
    asyncio.run(SelectorKeeper(Claims(cluster, traffic), traffic, reporter, Locks()).keep())


def serves(cluster: FakeCluster) -> str:
    return cluster.selector["who"]


def test_traffic_returns_when_the_policy_is_gone_and_the_champion_is_ready() -> None:
    cluster = FakeCluster()
    cluster.champion_ready = 0
    keep(cluster)
    assert serves(cluster) == Traffic.FALLBACK

    cluster.champion_ready = 1
    for _ in range(2):
        keep(cluster)

    assert serves(cluster) == Traffic.CHAMPION
    assert cluster.events == [("Service", "ChampionRestored")]


@pytest.mark.parametrize(
    ("deletion", "back"), [("Restore", Traffic.CHAMPION), ("Retain", Traffic.FALLBACK)]
)
def test_what_becomes_of_the_traffic_is_known_before_the_policy_goes(
    deletion: str, back: Traffic
) -> None:
    cluster = FakeCluster(policy(Traffic.FALLBACK, deletion))
    keep(cluster)
    assert (RETAINED in cluster.annotations) is (deletion == "Retain")

    cluster.found = []
    keep(cluster)

    assert serves(cluster) == back


def test_policy_that_somebody_else_holds_gives_the_traffic_back_too() -> None:
    cluster = FakeCluster(
        policy(Traffic.FALLBACK, "Restore", deletionTimestamp="2026-01-01T00:00:00Z")
    )

    keep(cluster)

    assert serves(cluster) == Traffic.CHAMPION


def test_note_goes_with_its_reason() -> None:
    cluster = FakeCluster(policy(Traffic.FALLBACK, "Retain"))
    keep(cluster)
    for now in (policy(Traffic.FALLBACK, "Restore"), policy(Traffic.CHAMPION, "Retain")):
        cluster.annotations[RETAINED] = "true"
        cluster.found = [now]

        keep(cluster)

        assert RETAINED not in cluster.annotations
