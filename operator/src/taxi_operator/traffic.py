"""The active Service: who answers the rides. Owned by the operator, asserted at each tick."""

import asyncio
import logging
import time
from collections.abc import Mapping
from typing import Any, Final

from taxi_domain.errors import TaxiError
from taxi_domain.kube import GROUP
from taxi_operator.adapters.cluster import Cluster
from taxi_operator.decisions import Traffic

logger = logging.getLogger(__name__)

ACTIVE_SERVICES: Final = f"{GROUP}/active-service=true"
_CHAMPION: Final = f"{GROUP}/champion-deployment"
_FALLBACK: Final = f"{GROUP}/fallback-deployment"
#: Set on a Service whose traffic stays where a deleted policy left it.
RETAINED: Final = f"{GROUP}/retained"
_SWITCHED_SECONDS: Final = 30.0


class TargetMissingError(TaxiError):
    """A Service or Deployment that a policy needs is not there."""


class TrafficControl:
    """Reads and sets the selectors of active Services."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    async def wanted_without_policy(self, service: Mapping[str, Any]) -> Traffic | None:
        """Return where a Service goes that no policy speaks for: to a champion that is ready.

        None leaves it where it is: the champion has no ready pod, or a deleted policy with
        `deletionPolicy: Retain` left it so.
        """
        annotations = service["metadata"].get("annotations") or {}
        champion = annotations.get(_CHAMPION)
        if annotations.get(RETAINED) == "true" or champion is None:
            return None
        return Traffic.CHAMPION if await self.ready_pods(champion) else None

    async def services(self) -> list[dict[str, Any]]:
        """Return the active Services of the namespace."""
        return await self._cluster.services(ACTIVE_SERVICES)

    async def ready_pods(self, deployment: str) -> int:
        """Return the ready pods of a Deployment, 0 when there is none."""
        found = await self._cluster.deployment(deployment)
        return int(((found or {}).get("status") or {}).get("readyReplicas") or 0)

    async def assert_selector(
        self, service: Mapping[str, Any], wanted: Traffic | None
    ) -> Traffic | None:
        """Let a Service select what it should; return what was set, None without a change.

        Args:
            service: The Service as it is.
            wanted: What a policy wants; None keeps a selector that is one of ours, and sets the
                champion otherwise (a Service that was just installed has none).
        """
        now = (service.get("spec") or {}).get("selector") or {}
        options = {
            Traffic.CHAMPION: await self._labels(service, _CHAMPION),
            Traffic.FALLBACK: await self._labels(service, _FALLBACK),
        }
        if wanted is None and now and now in options.values():
            return None
        target = wanted or Traffic.CHAMPION
        labels = options[target]
        if labels is None:
            raise TargetMissingError(
                f"Service {service['metadata']['name']}: its {target}'s Deployment is not there"
            )
        if labels == now:
            return None
        await self._cluster.select_pods(service["metadata"]["name"], labels)
        return target

    async def wait_switched(self, service: str, deployment: str) -> float:
        """Wait until a Service sends to a Deployment's pods only; return the seconds.

        Raises:
            TargetMissingError: it did not switch in time.
        """
        begin = time.monotonic()
        found = await self._cluster.deployment(deployment)
        if found is None:
            raise TargetMissingError(f"Deployment {deployment}: is not there")
        labels = found["spec"]["selector"]["matchLabels"]
        while time.monotonic() - begin < _SWITCHED_SECONDS:
            pods = {one["metadata"]["name"] for one in await self._cluster.pods(labels)}
            endpoints = await self._cluster.endpoint_pods(service)
            if endpoints and endpoints <= pods:
                return time.monotonic() - begin
            await asyncio.sleep(0.2)
        raise TargetMissingError(f"Service {service}: has no ready endpoints of {deployment}")

    async def _labels(self, service: Mapping[str, Any], annotation: str) -> dict[str, str] | None:
        name = (service["metadata"].get("annotations") or {}).get(annotation)
        found = await self._cluster.deployment(name) if name else None
        return dict(found["spec"]["selector"]["matchLabels"]) if found else None
