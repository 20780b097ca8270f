"""Moving the traffic: intent, selector, endpoints; and keeping it where it belongs."""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

from taxi_domain.errors import TaxiError
from taxi_domain.metrics import OPERATOR_SWITCH_SECONDS, OPERATOR_TRAFFIC
from taxi_operator.adapters.cluster import Cluster
from taxi_operator.core.decisions import Action, Decision, Traffic
from taxi_operator.memory.status import Status, status_of
from taxi_operator.reconcile_context import ReconcileContext
from taxi_operator.reporting import Reporter
from taxi_operator.settings import Failpoint
from taxi_operator.spec.ownership import age_of, conflicting_policy_of, enforces, service_of
from taxi_operator.traffic import TrafficControl

logger = logging.getLogger(__name__)

Document = dict[str, Any]

_PATIENCE: Final = 30.0


@dataclass(frozen=True, slots=True)
class Wish:
    """What a policy wants of its Service.

    Attributes:
        traffic: What it selects; None while the policy does not know.
        retained: The traffic stays there when the policy is gone.
    """

    traffic: Traffic | None
    retained: bool


class TrafficSwitch:
    """Moves traffic and keeps it where it belongs."""

    def __init__(
        self,
        cluster: Cluster,
        traffic: TrafficControl,
        reporter: Reporter,
        failpoint: Callable[[Failpoint], None],
    ) -> None:
        self._cluster = cluster
        self._traffic = traffic
        self._reporter = reporter
        self._failpoint = failpoint
        # Selectors must not be reconciled by a status that a switch is just replacing.
        self._lock = asyncio.Lock()
        self._conflicting: dict[tuple[str, int], str | None] = {}
        #: Policies that only watch a target which another one claims.
        self._onlookers: set[str] = set()

    async def switch(self, context: ReconcileContext, status: Status, decision: Decision) -> None:
        """Move the traffic; the intent, which is in `status`, is written before."""
        action = decision.action
        target = Traffic.FALLBACK if action is Action.FALLBACK else Traffic.CHAMPION
        begin = time.monotonic()
        async with self._lock:
            status = replace(
                status, traffic=target, traffic_since=self._reporter.clock(),
                last_swap_seconds=None, rescued=decision.is_rescue,
            )  # fmt: skip
            await self._reporter.save(context, status)
            self._failpoint(Failpoint.AFTER_INTENT)
            service = await self._traffic.service(context.policy.service)
            retained = retains(context.found) and target is Traffic.FALLBACK
            await self._traffic.mark_retained(service, retained=retained)
            await self._traffic.assert_selector(service, target)
        await self._finish(context, begin, _PATIENCE)

    async def carry_on(self, context: ReconcileContext) -> None:
        """Finish a switch that a crash or slow endpoints left open."""
        status = context.status
        if not status.is_swapping:
            return
        async with self._lock:
            service = await self._traffic.service(context.policy.service)
            await self._traffic.assert_selector(service, status.traffic)
        waited = max(self._reporter.clock() - (status.traffic_since or 0.0), 0.0)
        await self._finish(context, time.monotonic() - waited, 0.0)

    async def _finish(self, context: ReconcileContext, begin: float, patience: float) -> None:
        """See the endpoints switch, and report how long it took."""
        policy, status = context.policy, context.status
        to_fallback = status.traffic is Traffic.FALLBACK
        deployment = policy.deployment
        if to_fallback and policy.fallback is not None:
            deployment = policy.fallback.deployment
        if not await self._traffic.switched(policy.service, deployment, patience):
            return
        seconds = time.monotonic() - begin
        await self._reporter.save(context, replace(status, last_swap_seconds=seconds))
        self._reporter.metrics[OPERATOR_SWITCH_SECONDS].labels(policy.service).set(seconds)
        await self._reporter.emit_event(
            context.found,
            "FallbackActivated" if to_fallback else "ChampionRestored",
            f"decision {status.number}: {policy.service} switched in {seconds:.1f} s",
            warning=to_fallback,
        )

    async def keep(self) -> None:
        """Give every active Service the selector that its policy wants, or the champion's.

        Raises:
            TaxiError: a Service could not be given its selector; the others were.
        """
        problems: list[str] = []
        async with self._lock:
            wanted = await self._wanted()
            for service in await self._traffic.services():
                try:
                    await self._keep_one(service, wanted)
                except TaxiError as error:
                    problems.append(str(error))
                except Exception as error:
                    # A defect in the face of one Service must not stop the others.
                    name = service["metadata"]["name"]
                    logger.exception("selector is not kept", extra={"service": name})
                    problems.append(f"Service {name}: a defect ({type(error).__name__})")
        if problems:
            raise TaxiError("; ".join(problems))

    async def _keep_one(self, service: Document, wanted: dict[str, Wish]) -> None:
        name = service["metadata"]["name"]
        if name in wanted:
            goal, retained = wanted[name].traffic, wanted[name].retained
            # Written ahead: when the policy is gone, nobody can say it any more.
            await self._traffic.mark_retained(service, retained=retained)
            active, _ = await self._traffic.assert_selector(service, goal)
        else:
            goal = await self._traffic.wanted_without_policy(service)
            active, moved = await self._traffic.assert_selector(service, goal)
            if moved and (service.get("spec") or {}).get("selector"):
                await self._reporter.emit_event(
                    service, "ChampionRestored", "no policy speaks for it any more",
                    kind="Service",
                )  # fmt: skip
        # Not always the goal: the traffic stays away from it while its pods are not ready.
        for one in Traffic:
            self._reporter.metrics[OPERATOR_TRAFFIC].labels(name, str(one).lower()).set(
                float(one is active)
            )

    async def _wanted(self) -> dict[str, Wish]:
        """Return what each Service's policy wants."""
        policies = await self._policies()
        wanted: dict[str, Wish] = {}
        # Of several that only watch, the oldest keeps its traffic where it is.
        for found in sorted(policies, key=age_of):
            if found["metadata"]["uid"] in self._onlookers:
                continue
            status, service = status_of(found.get("status")), service_of(found)
            leaving = found["metadata"].get("deletionTimestamp") and not retains(found)
            conflicting = self._conflicting[_version_of(found)]
            speaks = status.traffic_known or enforces(found)
            if service is not None and not leaving and conflicting is None and speaks:
                # A status that was lost is no reason to move: the next reconcile asks the Service.
                known = status.traffic if status.traffic_known else None
                retained = retains(found) and known is not Traffic.CHAMPION
                wanted.setdefault(service, Wish(known, retained=retained))
        return wanted

    async def conflicting_policy_of(self, found: Document) -> str | None:
        """Return the older policy that has a policy's target, None when it is its own."""
        version = _version_of(found)
        if version not in self._conflicting:
            # Also after an edit: what it made of the mode has to be known before anything acts.
            await self._policies()
        return self._conflicting.get(version)

    def only_watches(self, found: Document) -> bool:
        """Tell whether a policy does not claim its target, and another one does."""
        return not enforces(found) and found["metadata"]["uid"] in self._onlookers

    async def _policies(self) -> list[Document]:
        """List all policies; owners of targets are known from it until the next listing."""
        foreign = await self._traffic.foreign()
        policies = [one for one in await self._cluster.policies() if service_of(one) not in foreign]
        self._conflicting = {
            _version_of(one): conflicting_policy_of(one, policies) for one in policies
        }
        claimed = {service_of(one) for one in policies if enforces(one)}
        self._onlookers = {
            one["metadata"]["uid"]
            for one in policies
            if not enforces(one) and service_of(one) in claimed
        }
        return policies


def _version_of(found: Document) -> tuple[str, int]:
    return found["metadata"]["uid"], found["metadata"].get("generation", 0)


def retains(found: Document) -> bool:
    """Tell whether the traffic stays where it is when a policy is deleted."""
    return bool((found.get("spec") or {}).get("deletionPolicy") == "Retain")
