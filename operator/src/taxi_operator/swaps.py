"""Moving the traffic: intent, selector, endpoints; and leaving nothing behind."""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from taxi_domain.errors import TaxiError
from taxi_operator.adapters.cluster import Cluster
from taxi_operator.champion import ready_pods
from taxi_operator.claims import rival_of, service_of
from taxi_operator.decisions import Action, Decision, Traffic
from taxi_operator.reporting import Reporter
from taxi_operator.settings import FaultPoint
from taxi_operator.statuses import Status, status_of
from taxi_operator.ticks import Tick
from taxi_operator.times import seconds_since_epoch
from taxi_operator.traffic import TrafficControl

logger = logging.getLogger(__name__)

Document = dict[str, Any]

FINALIZER: Final = "taxi-monitoring.io/drift-operator"
_LONGEST_DELETION: Final = 60.0
_PATIENCE: Final = 30.0


class Swaps:
    """Moves traffic and keeps it where it belongs."""

    def __init__(
        self,
        cluster: Cluster,
        traffic: TrafficControl,
        reporter: Reporter,
        die_at: Callable[[FaultPoint], None],
    ) -> None:
        self._cluster = cluster
        self._traffic = traffic
        self._reporter = reporter
        self._die_at = die_at
        # Whoever keeps selectors must not act on a status that a swap is just replacing.
        self._lock = asyncio.Lock()
        self._rivals: dict[str, str | None] = {}

    async def swap(self, tick: Tick, status: Status, decision: Decision) -> None:
        """Move the traffic; the intent, which is in `status`, is written before."""
        action = decision.action
        target = Traffic.FALLBACK if action is Action.FALLBACK else Traffic.CHAMPION
        begin = time.monotonic()
        async with self._lock:
            if target is Traffic.FALLBACK:
                await self._hold(tick.found, held=True)
            status = replace(
                status, traffic=target, traffic_since=self._reporter.clock(),
                last_swap_seconds=None, rescued=decision.is_rescue,
            )  # fmt: skip
            await self._reporter.save(tick, status)
            self._die_at(FaultPoint.AFTER_INTENT)
            service = await self._traffic.service(tick.policy.service)
            await self._traffic.assert_selector(service, target)
        await self._finish(tick, begin, _PATIENCE)

    async def carry_on(self, tick: Tick) -> None:
        """Finish a swap that a crash or slow endpoints left open; else tidy the finalizer."""
        status = tick.status
        if status.is_swapping:
            async with self._lock:
                service = await self._traffic.service(tick.policy.service)
                await self._traffic.assert_selector(service, status.traffic)
            waited = max(self._reporter.clock() - (status.traffic_since or 0.0), 0.0)
            await self._finish(tick, time.monotonic() - waited, 0.0)
            return
        await self._hold(tick.found, held=status.traffic is Traffic.FALLBACK)

    async def _finish(self, tick: Tick, begin: float, patience: float) -> None:
        """See the endpoints switch, and report how long it took."""
        policy, status = tick.policy, tick.status
        to_fallback = status.traffic is Traffic.FALLBACK
        deployment = policy.deployment
        if to_fallback and policy.fallback is not None:
            deployment = policy.fallback.deployment
        if not await self._traffic.switched(policy.service, deployment, patience):
            return
        seconds = time.monotonic() - begin
        await self._reporter.save(tick, replace(status, last_swap_seconds=seconds))
        self._reporter.metrics.swap_seconds.labels(policy.service).set(seconds)
        if not to_fallback:
            await self._hold(tick.found, held=False)
        await self._reporter.tell(
            tick.found,
            "FallbackActivated" if to_fallback else "ChampionRestored",
            f"decision {status.number}: {policy.service} switched in {seconds:.1f} s",
            warning=to_fallback,
        )

    async def let_go(self, found: Document) -> None:
        """Let a deleted policy go: the traffic returns first where that is wanted and possible."""
        metadata, spec = found["metadata"], found.get("spec") or {}
        if FINALIZER not in (metadata.get("finalizers") or []):
            return
        status = status_of(found.get("status"))
        away = status.traffic is Traffic.FALLBACK or status.is_swapping
        service = service_of(found)
        if service is None:
            away = False  # nothing was ever moved for it
        if away and _retains(found):
            await self._traffic.retain(str(service))
        elif away:
            waited = self._reporter.clock() - (
                seconds_since_epoch(metadata["deletionTimestamp"]) or 0.0
            )
            problem = await self._give_back(spec["target"])
            if problem and waited < _LONGEST_DELETION:
                return
            await self._reporter.tell(
                found,
                "FallbackStays" if problem else "ChampionRestored",
                f"the policy was deleted: {problem or 'the champion answers again'}",
                warning=bool(problem),
            )
        await self._hold(found, held=False)

    async def _give_back(self, target: Document) -> str:
        """Give the traffic to the champion; return what is in the way, empty when it is done."""
        if not ready_pods(await self._cluster.deployment(target["deploymentName"])):
            return f"{target['deploymentName']} has no ready pod"
        try:
            async with self._lock:
                service = await self._traffic.service(target["activeServiceName"])
                await self._traffic.assert_selector(service, Traffic.CHAMPION)
        except TaxiError as error:
            return str(error)
        return ""

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
                    problems.append(f"Service {name}: {error!r}")
        if problems:
            raise TaxiError("; ".join(problems))

    async def _keep_one(self, service: Document, wanted: dict[str, Traffic | None]) -> None:
        name = service["metadata"]["name"]
        goal = wanted.get(name)
        if name not in wanted:
            goal = await self._traffic.wanted_without_policy(service)
        # Not always the goal: the traffic stays away from it while its pods are not ready.
        active = await self._traffic.assert_selector(service, goal)
        for one in Traffic:
            self._reporter.metrics.traffic.labels(name, str(one).lower()).set(float(one is active))

    async def _wanted(self) -> dict[str, Traffic | None]:
        """Return what each Service's policy wants; None while it does not know whom it selects."""
        policies = await self._policies()
        wanted: dict[str, Traffic | None] = {}
        for found in policies:
            status, service = status_of(found.get("status")), service_of(found)
            leaving = found["metadata"].get("deletionTimestamp") and not _retains(found)
            rival = self._rivals[found["metadata"]["uid"]]
            if service is not None and not leaving and rival is None:
                # A status that was lost is no reason to move: the next tick asks the Service.
                wanted[service] = status.traffic if status.traffic_known else None
        return wanted

    async def rival_of(self, found: Document) -> str | None:
        """Return the older policy that has a policy's target, None when it is its own."""
        uid = found["metadata"]["uid"]
        if uid not in self._rivals:
            await self._policies()
        return self._rivals.get(uid)

    async def _policies(self) -> list[Document]:
        """List all policies; who has which target is known from it until the next time."""
        foreign = await self._traffic.foreign()
        policies = [one for one in await self._cluster.policies() if service_of(one) not in foreign]
        self._rivals = {one["metadata"]["uid"]: rival_of(one, policies) for one in policies}
        return policies

    async def _hold(self, found: Document, *, held: bool) -> None:
        """Have our finalizer on a policy only while its deletion must wait for us."""
        finalizers = found["metadata"].get("finalizers") or []
        if held is (FINALIZER in finalizers):
            return
        await self._cluster.apply_finalizers(found, [FINALIZER] if held else [])
        others = [one for one in finalizers if one != FINALIZER]
        found["metadata"]["finalizers"] = [*others, FINALIZER] if held else others


def _retains(found: Document) -> bool:
    """Tell whether the traffic stays where it is when a policy is deleted."""
    return bool((found.get("spec") or {}).get("deletionPolicy") == "Retain")
