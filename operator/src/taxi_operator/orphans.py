"""Promotions whose policies are gone: they are carried to their end or back all the same."""

import logging
from typing import Any

from taxi_domain.errors import TaxiError
from taxi_operator.adapters.cluster import Cluster
from taxi_operator.facts.looks import Looks
from taxi_operator.memory.obligations import PROMOTION_ANNOTATION, OpenPromotion, promotion_on
from taxi_operator.memory.status import Status
from taxi_operator.plan.plan import Plan
from taxi_operator.promotions import Promotions
from taxi_operator.reporting import Reporter
from taxi_operator.traffic import TrafficControl

logger = logging.getLogger(__name__)

Document = dict[str, Any]


class Orphans:
    """Carries on what the active Services remember and no policy does.

    Args:
        cluster: The API server.
        promotions: Takes the steps.
        traffic: Reads the Services.
        reporter: Tells people.
        seen: Where it is looked at first whether there is any; None: nowhere.
    """

    def __init__(
        self,
        cluster: Cluster,
        promotions: Promotions,
        traffic: TrafficControl,
        reporter: Reporter,
        seen: Looks | None = None,
    ) -> None:
        self._seen = seen
        self._cluster = cluster
        self._promotions = promotions
        self._traffic = traffic
        self._reporter = reporter

    async def carry_on(self) -> None:
        """Look at every active Service once.

        Raises:
            TaxiError: a promotion could not be carried on; the others were.
        """
        if self._seen is not None and not await self._are_left(self._seen):
            return
        found = await _remembering(self._traffic)
        if not found:
            return
        uids = {one["metadata"]["uid"] for one in await self._cluster.policies()}
        problems: list[str] = []
        for service in found:
            try:
                await self._carry_on(service, uids)
            except TaxiError as error:
                problems.append(str(error))
        if problems:
            raise TaxiError("; ".join(problems))

    async def _are_left(self, seen: Looks) -> bool:
        """Tell whether a Service remembers a promotion that no policy carries on."""
        found = await _remembering(seen.traffic)
        if not found:
            return False
        uids = {one["metadata"]["uid"] for one in await seen.reads.policies()}
        noted = [promotion_on(one, self._reporter.clock()) for one in found]
        return not all(one is not None and one.policy_uid in uids for one in noted)

    async def _carry_on(self, service: Document, uids: set[str]) -> None:
        now = self._reporter.clock()
        promotion = promotion_on(service, now)
        if promotion is not None and promotion.policy_uid in uids:
            return  # its policy's reconciles do it, in every mode
        if promotion is None or not await self._promotions.is_ours(promotion):
            await self._drop(service)
            return

        async def tell(plan: Plan) -> None:
            if plan.note is not None:
                text = f"policy {promotion.policy} is gone; {plan.note.message}"
                await self._reporter.emit_event(
                    service, plan.note.reason, text, warning=plan.note.warning, kind="Service"
                )

        await self._promotions.carry_on(promotion, _status_of(promotion), tell)

    async def _drop(self, service: Document) -> None:
        """Remove what is no promotion of ours: a hand wrote it, or the registry is another."""
        name = service["metadata"]["name"]
        await self._cluster.annotate_service(name, {PROMOTION_ANNOTATION: None})
        text = f"its annotation {PROMOTION_ANNOTATION} is no promotion that the registry knows of"
        await self._reporter.emit_event(
            service, "PromotionUnreadable", text, warning=True, kind="Service"
        )


async def _remembering(traffic: TrafficControl) -> list[Document]:
    """Return the active Services that remember a promotion."""
    return [
        one
        for one in await traffic.services()
        if PROMOTION_ANNOTATION in (one["metadata"].get("annotations") or {})
    ]


def _status_of(promotion: OpenPromotion) -> Status:
    return Status(number=promotion.number, run=promotion.run(None))
