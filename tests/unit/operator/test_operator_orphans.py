"""Promotions whose policies are gone."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from taxi_domain.errors import TaxiError
from taxi_operator.effects.executor import Write
from taxi_operator.memory.obligations import PROMOTION_ANNOTATION, OpenPromotion
from taxi_operator.memory.status import Status
from taxi_operator.metrics import Metrics
from taxi_operator.orphans import Orphans
from taxi_operator.plan.plan import Note, Plan
from taxi_operator.reporting import Reporter
from taxi_operator.traffic import TrafficControl

Document = dict[str, Any]

PROMOTION = OpenPromotion("p", "uid", "s", "m", "d", "v2", "v1", 1, 1, "job", 50.0)


class FakeCluster:
    """Services that remember promotions, and the policies that are there."""

    def __init__(self, *annotations: str, uids: tuple[str, ...] = ()) -> None:
        self.annotations: list[dict[str, str]] = [
            {PROMOTION_ANNOTATION: one} if one else {} for one in annotations
        ]
        self.policies_asked = 0
        self.uids = uids
        self.events: list[tuple[str, str]] = []

    async def services(self, _selector: str) -> list[Document]:
        return [
            {"metadata": {"name": f"s{number}", "annotations": dict(one)}}
            for number, one in enumerate(self.annotations)
        ]

    async def policies(self) -> list[Document]:
        self.policies_asked += 1
        return [{"metadata": {"uid": one}} for one in self.uids]

    async def annotate_service(self, name: str, _changes: Mapping[str, str | None]) -> None:
        self.annotations[int(name[1:])].clear()

    async def event(
        self, _found: object, reason: str, _message: str, *, kind: str, **_: object
    ) -> None:
        self.events.append((kind, reason))


class FakePromotions:
    """Carries on what it is given."""

    def __init__(self, *, ours: bool = True) -> None:
        self.carried: list[str] = []
        self._ours = ours

    async def is_ours(self, _promotion: OpenPromotion, /) -> bool:
        return self._ours

    async def carry_on(self, promotion: OpenPromotion, status: Status, write: Write) -> None:
        self.carried.append(promotion.service)
        await write(Plan(status, note=Note("CandidatePromoted", "decision 1")))


def carry_on(cluster: Any, promotions: Any) -> None:
    reporter = Reporter(cluster, Metrics(CollectorRegistry()), lambda: 100.0)
    asyncio.run(Orphans(cluster, promotions, TrafficControl(cluster), reporter).carry_on())


def test_promotion_without_a_policy_is_carried_on_and_told_on_its_service() -> None:
    cluster, promotions = FakeCluster("", PROMOTION.text), FakePromotions()

    carry_on(cluster, promotions)

    assert promotions.carried == ["s1"]
    assert cluster.events == [("Service", "CandidatePromoted")]


def test_promotion_of_a_policy_that_is_there_is_left_to_it() -> None:
    cluster, promotions = FakeCluster(PROMOTION.text, uids=("uid",)), FakePromotions()

    carry_on(cluster, promotions)

    assert (promotions.carried, cluster.events) == ([], [])


def test_nothing_more_is_asked_when_no_service_remembers_one() -> None:
    cluster = FakeCluster("", "")

    carry_on(cluster, FakePromotions())

    assert cluster.policies_asked == 0


@pytest.mark.parametrize(("text", "ours"), [("?", True), (PROMOTION.text, False)])
def test_note_that_is_no_promotion_of_ours_is_removed_and_told(text: str, *, ours: bool) -> None:
    cluster, promotions = FakeCluster(text), FakePromotions(ours=ours)

    for _ in range(2):
        carry_on(cluster, promotions)

    assert promotions.carried == []
    assert cluster.annotations == [{}]
    assert cluster.events == [("Service", "PromotionUnreadable")]


def test_one_that_cannot_be_carried_on_stops_no_other() -> None:
    cluster, promotions = FakeCluster(PROMOTION.text, PROMOTION.text), FakePromotions()

    async def fail_once(promotion: OpenPromotion) -> bool:
        if promotion.service == "s0":
            raise TaxiError("the registry does not answer")
        return True

    promotions.is_ours = fail_once  # type: ignore[method-assign]
    with pytest.raises(TaxiError, match="does not answer"):
        carry_on(cluster, promotions)

    assert promotions.carried == ["s1"]
