"""Looking at what a policy acts on: Service, Deployments, endpoints."""

import logging

from taxi_domain.errors import TaxiError
from taxi_operator.adapters.reads import Reads
from taxi_operator.core.decisions import Traffic
from taxi_operator.core.readiness import readiness_of, ready_pods
from taxi_operator.core.services import (
    deployment_name,
    pod_labels,
    require_deployments,
    selected_of,
)
from taxi_operator.memory.status import Status
from taxi_operator.plan.seen import Object, SeenTarget
from taxi_operator.spec.policy import Policy
from taxi_operator.traffic import TrafficControl

logger = logging.getLogger(__name__)


class TargetFacts:
    """Reads what the traffic of a policy depends on."""

    def __init__(self, cluster: Reads, traffic: TrafficControl) -> None:
        self._cluster = cluster
        self._traffic = traffic

    async def look(
        self, policy: Policy, status: Status, now: float, *, only_watches: bool
    ) -> SeenTarget:
        """Return what is there.

        Args:
            policy: What is asked for.
            status: What is remembered: a switch that is under way is followed to its endpoints.
            now: Present time of the API server, seconds since the epoch.
            only_watches: Another policy claims the target, and this one does not.

        Raises:
            TargetMissingError: the Service is not there, or is not that of the Deployments.
            TaxiError: the API server does not answer or refuses.
        """
        service = await self._traffic.service(policy.service)
        fallback = policy.fallback.deployment if policy.fallback is not None else None
        require_deployments(service, policy.deployment, fallback)
        found = {}
        for one in Traffic:
            name = deployment_name(service, one)
            found[one] = await self._cluster.deployment(name) if name else None
        champion, followed = found[Traffic.CHAMPION], found[status.traffic]
        return SeenTarget(
            service=service,
            selected=selected_of(service, found),
            champion=readiness_of(champion, status.champion, now),
            champion_missing=champion is None,
            ready={one: ready_pods(deployment) for one, deployment in found.items()},
            arrived=status.is_swapping
            and followed is not None
            and await self._has_arrived(policy.service, followed),
            only_watches=only_watches,
        )

    async def _has_arrived(self, service: str, deployment: Object) -> bool:
        """Tell whether a switch has ended; what cannot be read holds up nothing but its end."""
        try:
            return await self._traffic.arrived(service, pod_labels(deployment))
        except TaxiError as error:
            logger.warning(
                "endpoints are not known", extra={"service": service, "problem": str(error)}
            )
            return False
