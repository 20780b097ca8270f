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
from taxi_operator.memory.status import status_of
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
    """Gives Services the selectors that they should have, also when nobody changes a policy."""

    def __init__(
        self, claims: Claims, traffic: TrafficControl, reporter: Reporter, locks: Locks
    ) -> None:
        self._claims = claims
        self._traffic = traffic
        self._reporter = reporter
        self._locks = locks

    async def keep(self) -> None:
        """Pass once over all active Services.

        Raises:
            TaxiError: a Service could not be given its selector; the others were.
        """
        problems: list[str] = []
        wishes = await self._wishes()
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
        goal = await self._goal(service, wish)
        is_marked = wish is None or is_retained(service) is wish.retained
        if active is None or goal not in {None, active} or not is_marked:
            active = await self._correct(name) or active
        # Not always the goal: the traffic stays away from it while its pods are not ready.
        for one in Traffic:
            self._reporter.metrics[OPERATOR_TRAFFIC].labels(name, str(one).lower()).set(
                float(one is active)
            )

    async def _goal(self, service: Document, wish: Wish | None) -> Traffic | None:
        """Return where a Service is to send; None leaves it where it is."""
        if wish is not None:
            return wish.traffic
        return await self._traffic.wanted_without_policy(service)

    async def _correct(self, name: str) -> Traffic | None:
        """Change a Service, as the policies have it now: a switch may have ended meanwhile."""
        async with self._locks.of(name):
            wish = (await self._wishes()).get(name)
            services = await self._traffic.services()
            service = next((one for one in services if one["metadata"]["name"] == name), None)
            if service is None:
                return None
            if wish is not None:
                # Written ahead: when the policy is gone, nobody can say it any more.
                await self._traffic.mark_retained(service, retained=wish.retained)
            goal = await self._goal(service, wish)
            active, moved = await self._traffic.assert_selector(service, goal)
        if wish is None and moved and (service.get("spec") or {}).get("selector"):
            await self._reporter.emit_event(
                service, "ChampionRestored", "no policy speaks for it any more", kind="Service"
            )
        return active

    async def _wishes(self) -> dict[str, Wish]:
        """Return what each Service's policy wants."""
        wishes: dict[str, Wish] = {}
        # Of several that only watch, the oldest keeps its traffic where it is.
        for found in sorted(await self._claims.policies(), key=age_of):
            status, service = status_of(found.get("status")), service_of(found)
            stays = retains(found.get("spec"))
            leaves = found["metadata"].get("deletionTimestamp") and not stays
            knows = status.traffic_known or enforces(found)
            if service is not None and self._claims.speaks(found) and knows and not leaves:
                # A status that was lost is no reason to move: the next reconcile asks the Service.
                known = status.traffic if status.traffic_known else None
                retained = stays and known is not Traffic.CHAMPION
                wishes.setdefault(service, Wish(known, retained=retained))
        return wishes
