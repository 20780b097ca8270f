"""The two ways to look at a policy's world: as the watches tell of it, and as it is now."""

from dataclasses import dataclass
from typing import Self

from taxi_operator.adapters.cluster import Cluster
from taxi_operator.adapters.reads import Reads
from taxi_operator.facts.runs import RunFacts
from taxi_operator.facts.target import TargetFacts
from taxi_operator.traffic import TrafficControl
from taxi_store.registry.registry_async import AsyncRegistry


@dataclass(frozen=True, slots=True)
class Looks:
    """One of the ways.

    Attributes:
        reads: Objects.
        traffic: Active Services.
        target: What a policy acts on.
        runs: Runs of the policy.
    """

    reads: Reads
    traffic: TrafficControl
    target: TargetFacts
    runs: RunFacts

    @classmethod
    def of(
        cls, reads: Reads, cluster: Cluster, registry: AsyncRegistry, instance: str
    ) -> Self:  # fmt: skip
        """Put together what looks.

        Args:
            reads: Where it looks.
            cluster: The API server, for what is read whole, and for changes.
            registry: Reports, versions and aliases.
            instance: The release whose objects are ours; empty when all of the namespace are.
        """
        traffic = TrafficControl(cluster, instance, reads)
        runs = RunFacts(reads, registry, instance, cluster)
        return cls(reads, traffic, TargetFacts(reads, traffic), runs)
