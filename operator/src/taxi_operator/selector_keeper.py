"""Keeping the selectors: every active Service sends where its policy wants, or to the champion."""

import logging
from dataclasses import dataclass
from typing import Any

from taxi_domain.errors import TaxiError
from taxi_domain.metrics import OPERATOR_TRAFFIC
from taxi_operator.claims import Claims
from taxi_operator.core.decisions import Traffic
from taxi_operator.core.services import is_retained
from taxi_operator.locks import Locks
from taxi_operator.memory.status_document import traffic_of
from taxi_operator.reporting import Reporter
from taxi_operator.spec.ownership import age_of, enforces, service_of
from taxi_operator.spec.policy import retains
from taxi_operator.traffic import TrafficControl

logger = logging.getLogger(__name__)

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Wish:
    """What a policy wants of its Service.

    Attributes:
        traffic: What it selects; None while the policy does not know.
        retained: The traffic stays there when the policy is gone.
    """

    traffic: Traffic | None
    retained: bool


class SelectorKeeper:
    """Gives Services the selectors that they should have, also when nobody changes a policy.

    Args:
        claims: Who speaks for which Service.
        traffic: Where all of them are looked at.
        reporter: Tells people.
        locks: Of the Services.
        direct: Where one is looked at before it is changed; None: in the same place.
    """

    def __init__(
        self, claims: Claims, traffic: TrafficControl, reporter: Reporter, locks: Locks,
        direct: TrafficControl | None = None,
    ) -> None:  # fmt: skip
        self._claims = claims
        self._traffic = traffic
        self._direct = direct or traffic
        self._reporter = reporter
        self._locks = locks

    async def keep(self) -> None:
        """Pass once over all active Services.

        Raises:
            TaxiError: a Service could not be given its selector; the others were.
        """
        problems: list[str] = []
        wishes = await self._wishes(surely=False)
        for service in await self._traffic.services():
            name = service["metadata"]["name"]
            try:
                await self._keep_one(service, wishes.get(name))
            except TaxiError as error:
                problems.append(str(error))
            except Exception as error:
                # A defect in the face of one Service must not stop the others.
                logger.exception("selector is not kept", extra={"service": name})
                problems.append(f"Service {name}: a defect ({type(error).__name__})")
        if problems:
            raise TaxiError("; ".join(problems))

    async def _keep_one(self, service: Document, wish: Wish | None) -> None:
        name = service["metadata"]["name"]
        active = await self._traffic.selected(service)
        goal = await self._goal(self._traffic, service, wish)
        is_marked = wish is None or is_retained(service) is wish.retained
        if active is None or not is_marked or await self._is_to_move(service, active, goal):
            active = await self._correct(name) or active
        # Not always the goal: the traffic stays away from it while its pods are not ready.
        for one in Traffic:
            self._reporter.metrics[OPERATOR_TRAFFIC].labels(name, str(one).lower()).set(
                float(one is active)
            )

    async def _is_to_move(self, service: Document, active: Traffic, goal: Traffic | None) -> bool:
        if goal is None or goal is active:
            return False
        return not await self._traffic.stays_away(service, goal)

    @staticmethod
    async def _goal(
        traffic: TrafficControl, service: Document, wish: Wish | None
    ) -> Traffic | None:
        """Return where a Service is to send; None leaves it where it is."""
        if wish is not None:
            return wish.traffic
        return await traffic.wanted_without_policy(service)

    async def _correct(self, name: str) -> Traffic | None:
        """Change a Service, as the policies have it now: a switch may have ended meanwhile."""
        async with self._locks.of(name):
            wish = (await self._wishes(surely=True)).get(name)
            services = await self._direct.services()
            service = next((one for one in services if one["metadata"]["name"] == name), None)
            if service is None:
                return None
            if wish is not None:
                # Written ahead: when the policy is gone, nobody can say it any more.
                await self._direct.mark_retained(service, retained=wish.retained)
            goal = await self._goal(self._direct, service, wish)
            active, moved = await self._direct.assert_selector(service, goal)
        if wish is None and moved and (service.get("spec") or {}).get("selector"):
            await self._reporter.emit_event(
                service, "ChampionRestored", "no policy speaks for it any more", kind="Service"
            )
        return active

    async def _wishes(self, *, surely: bool) -> dict[str, Wish]:
        """Return what each Service's policy wants."""
        wishes: dict[str, Wish] = {}
        # Of several that only watch, the oldest keeps its traffic where it is.
        for found in sorted(await self._claims.policies(surely=surely), key=age_of):
            # None: it does not know, or a status that was lost, which is no reason to move.
            known, service = traffic_of(found.get("status")), service_of(found)
            stays = retains(found.get("spec"))
            leaves = found["metadata"].get("deletionTimestamp") and not stays
            knows = known is not None or enforces(found)
            if service is not None and self._claims.speaks(found) and knows and not leaves:
                retained = stays and known is not Traffic.CHAMPION
                wishes.setdefault(service, Wish(known, retained=retained))
        return wishes
