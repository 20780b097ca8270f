"""The active Service: which predictor answers. Its selector is the operator's."""

import logging
from collections.abc import Mapping
from typing import Any

from taxi_domain.kube import INSTANCE_LABEL
from taxi_operator.adapters.cluster import Cluster
from taxi_operator.adapters.reads import Reads
from taxi_operator.core.decisions import Traffic
from taxi_operator.core.readiness import ready_pods
from taxi_operator.core.services import (
    ACTIVE_LABEL,
    ACTIVE_SERVICES,
    RETAINED_ANNOTATION,
    TargetMissingError,
    deployment_name,
    is_retained,
    pod_labels,
    selected_of,
)

logger = logging.getLogger(__name__)

Object = Mapping[str, Any]


class TrafficControl:
    """Reads and sets the selectors of active Services.

    Args:
        cluster: The API server.
        instance: The release whose Services are ours; empty when all of the namespace are.
        reads: Where Services and Deployments are looked at; None: the API server.
    """

    def __init__(self, cluster: Cluster, instance: str = "", reads: Reads | None = None) -> None:
        self._cluster = cluster
        self._reads: Reads = reads or cluster
        self._ours = f"{INSTANCE_LABEL}={instance}" if instance else ""
        self._others = f"{INSTANCE_LABEL},{INSTANCE_LABEL}!={instance}" if instance else ""

    async def services(self) -> list[dict[str, Any]]:
        """Return the active Services that are ours."""
        return await self._reads.services(",".join(filter(None, (ACTIVE_SERVICES, self._ours))))

    async def foreign(self) -> set[str]:
        """Return the active Services of other releases; their own operators serve them."""
        if not self._others:
            return set()
        found = await self._reads.services(f"{ACTIVE_SERVICES},{self._others}")
        return {one["metadata"]["name"] for one in found}

    async def service(self, name: str) -> dict[str, Any]:
        """Return an active Service.

        Raises:
            TargetMissingError: it is not there, or no active Service.
        """
        found = await self._reads.service(name)
        if found is None:
            raise TargetMissingError(f"Service {name}: is not there")
        if (found["metadata"].get("labels") or {}).get(ACTIVE_LABEL) != "true":
            raise TargetMissingError(
                f"Service {name}: has no label {ACTIVE_SERVICES}; name the chart's active Service"
            )
        return found

    async def selected(self, service: Object) -> Traffic | None:
        """Return what a Service selects now, None when it is neither of the two.

        The Deployments are asked for one after the other: mostly it is the first.
        """
        if not (service.get("spec") or {}).get("selector"):
            return None
        for one in Traffic:
            found = selected_of(service, {one: await self._deployment(service, one)})
            if found is not None:
                return found
        return None

    async def wanted_without_policy(self, service: Object) -> Traffic | None:
        """Return where a Service goes that no policy speaks for: to a champion that is ready.

        None leaves it where it is: the champion has no ready pod, or a deleted policy with
        `deletionPolicy: Retain` left it so.
        """
        champion = deployment_name(service, Traffic.CHAMPION)
        if is_retained(service) or champion is None:
            return None
        ready = ready_pods(await self._reads.deployment(champion))
        return Traffic.CHAMPION if ready else None

    async def stays_away(self, service: Object, wanted: Traffic) -> bool:
        """Tell whether a Service is left at the other of the two: the wanted has no ready pod."""
        deployment = await self._deployment(service, wanted)
        return deployment is not None and not ready_pods(deployment)

    async def mark_retained(self, service: Object, *, retained: bool) -> None:
        """Note on a Service whether its traffic stays when no policy speaks for it any more."""
        if is_retained(service) is not retained:
            value = "true" if retained else None
            name = service["metadata"]["name"]
            await self._cluster.annotate_service(name, {RETAINED_ANNOTATION: value})

    async def assert_selector(
        self, service: Object, wanted: Traffic | None
    ) -> tuple[Traffic, bool]:
        """Let a Service select what it should; return what it selects then, and if that is new.

        It never leaves the other of our two for pods that are not ready: an intent, or a selector
        that was set by hand, can be older than what became of the pods.

        Args:
            service: The Service as it is.
            wanted: What a policy wants; None keeps a selector that is one of ours, and sets the
                champion otherwise (a Service that was just installed has none).

        Raises:
            TargetMissingError: the Deployment is not there.
        """
        name, now = service["metadata"]["name"], await self.selected(service)
        target = wanted or now or Traffic.CHAMPION
        if now is target:
            return now, False
        deployment = await self._deployment(service, target)
        if deployment is None:
            raise TargetMissingError(f"Service {name}: its {target}'s Deployment is not there")
        if now is not None and not ready_pods(deployment):
            return now, False
        labels = pod_labels(deployment)
        if (service.get("spec") or {}).get("selector") == labels:
            return target, False  # both Deployments have the same
        await self._cluster.select_pods(name, labels)
        logger.info("selector is set", extra={"service": name, "traffic": str(target)})
        return target, True

    async def arrived(self, service: str, labels: Mapping[str, str]) -> bool:
        """Tell whether a Service sends to ready pods with these labels, and to no other pod."""
        pods = {one["metadata"]["name"] for one in await self._reads.pods(labels)}
        endpoints = await self._reads.endpoint_pods(service)
        return bool(endpoints) and endpoints <= pods

    async def _deployment(self, service: Object, traffic: Traffic) -> dict[str, Any] | None:
        name = deployment_name(service, traffic)
        return await self._reads.deployment(name) if name else None
