"""The active Service: which predictor answers. Its selector is the operator's."""

import asyncio
import logging
import time
from collections.abc import Mapping
from typing import Any, Final

from taxi_domain.errors import TaxiError
from taxi_domain.kube import GROUP, INSTANCE_LABEL
from taxi_operator.adapters.cluster import Cluster
from taxi_operator.core.decisions import Traffic
from taxi_operator.core.readiness import ready_pods

logger = logging.getLogger(__name__)

Object = Mapping[str, Any]

ACTIVE_LABEL: Final = f"{GROUP}/active-service"
ACTIVE_SERVICES: Final = f"{ACTIVE_LABEL}=true"
DEPLOYMENT_ANNOTATIONS: Final = {
    Traffic.CHAMPION: f"{GROUP}/champion-deployment",
    Traffic.FALLBACK: f"{GROUP}/fallback-deployment",
}
#: Set on a Service whose traffic stays where it is when its policy is deleted.
_RETAINED: Final = f"{GROUP}/retained"
_POLL_SECONDS: Final = 0.2


class TargetMissingError(TaxiError):
    """A Service or Deployment that a policy needs is not there, or is not what it should be."""


def require_deployments(service: Object, champion: str, fallback: str | None) -> None:
    """Check that an active Service belongs to the Deployments that a policy names.

    Raises:
        TargetMissingError: its annotations name others, or none.
    """
    annotations = service["metadata"].get("annotations") or {}
    for traffic, name in ((Traffic.CHAMPION, champion), (Traffic.FALLBACK, fallback)):
        annotation = DEPLOYMENT_ANNOTATIONS[traffic]
        actual = annotations.get(annotation)
        if name is not None and actual != name:
            raise TargetMissingError(
                f"Service {service['metadata']['name']}: its {traffic}'s Deployment is {actual} by "
                f"its annotation {annotation}, and not {name}"
            )


class TrafficControl:
    """Reads and sets the selectors of active Services.

    Args:
        cluster: The API server.
        instance: The release whose Services are ours; empty when all of the namespace are.
    """

    def __init__(self, cluster: Cluster, instance: str = "") -> None:
        self._cluster = cluster
        self._ours = f"{INSTANCE_LABEL}={instance}" if instance else ""
        self._others = f"{INSTANCE_LABEL},{INSTANCE_LABEL}!={instance}" if instance else ""

    async def services(self) -> list[dict[str, Any]]:
        """Return the active Services that are ours."""
        return await self._cluster.services(",".join(filter(None, (ACTIVE_SERVICES, self._ours))))

    async def foreign(self) -> set[str]:
        """Return the active Services of other releases; their own operators serve them."""
        if not self._others:
            return set()
        found = await self._cluster.services(f"{ACTIVE_SERVICES},{self._others}")
        return {one["metadata"]["name"] for one in found}

    async def service(self, name: str) -> dict[str, Any]:
        """Return an active Service.

        Raises:
            TargetMissingError: it is not there, or no active Service.
        """
        found = await self._cluster.service(name)
        if found is None:
            raise TargetMissingError(f"Service {name}: is not there")
        if (found["metadata"].get("labels") or {}).get(ACTIVE_LABEL) != "true":
            raise TargetMissingError(
                f"Service {name}: has no label {ACTIVE_SERVICES}; name the chart's active Service"
            )
        return found

    async def selected(self, service: Object) -> Traffic | None:
        """Return what a Service selects now, None when it is neither of the two."""
        now = (service.get("spec") or {}).get("selector")
        if now:
            for one in Traffic:
                found = await self._deployment(service, one)
                if found and now == found["spec"]["selector"].get("matchLabels"):
                    return one
        return None

    async def wanted_without_policy(self, service: Object) -> Traffic | None:
        """Return where a Service goes that no policy speaks for: to a champion that is ready.

        None leaves it where it is: the champion has no ready pod, or a deleted policy with
        `deletionPolicy: Retain` left it so.
        """
        annotations = service["metadata"].get("annotations") or {}
        champion = annotations.get(DEPLOYMENT_ANNOTATIONS[Traffic.CHAMPION])
        if annotations.get(_RETAINED) == "true" or champion is None:
            return None
        ready = ready_pods(await self._cluster.deployment(champion))
        return Traffic.CHAMPION if ready else None

    async def mark_retained(self, service: Object, *, retained: bool) -> None:
        """Note on a Service whether its traffic stays when no policy speaks for it any more."""
        annotations = service["metadata"].get("annotations") or {}
        if (annotations.get(_RETAINED) == "true") is not retained:
            value = "true" if retained else None
            await self._cluster.annotate_service(service["metadata"]["name"], {_RETAINED: value})

    async def stays_away(self, service: Object, wanted: Traffic) -> bool:
        """Tell whether a Service is left at the other of our two: the wanted has no ready pod."""
        if await self.selected(service) in {None, wanted}:
            return False
        return not ready_pods(await self._deployment(service, wanted))

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

    async def switched(self, service: str, deployment: str, patience_seconds: float) -> bool:
        """Wait until a Service sends to ready pods of one Deployment and to no other pod."""
        found = await self._cluster.deployment(deployment)
        if found is None:
            raise TargetMissingError(f"Deployment {deployment}: is not there")
        labels = pod_labels(found)
        deadline = time.monotonic() + patience_seconds
        while True:
            pods = {one["metadata"]["name"] for one in await self._cluster.pods(labels)}
            endpoints = await self._cluster.endpoint_pods(service)
            if endpoints and endpoints <= pods:
                return True
            if time.monotonic() >= deadline:
                return False
            await asyncio.sleep(_POLL_SECONDS)

    async def _deployment(self, service: Object, traffic: Traffic) -> dict[str, Any] | None:
        annotations = service["metadata"].get("annotations") or {}
        name = annotations.get(DEPLOYMENT_ANNOTATIONS[traffic])
        return await self._cluster.deployment(name) if name else None


def pod_labels(deployment: Object) -> dict[str, str]:
    """Return the labels by which a Service finds the pods of a Deployment.

    Raises:
        TargetMissingError: it has none; a Service has no other selector.
    """
    labels: dict[str, str] | None = deployment["spec"]["selector"].get("matchLabels")
    if not labels:
        name = deployment["metadata"]["name"]
        raise TargetMissingError(f"Deployment {name}: its selector has no matchLabels")
    return labels
