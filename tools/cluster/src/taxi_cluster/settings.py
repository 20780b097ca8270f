"""What this machine can do, and what follows for the cluster."""

import os
from dataclasses import dataclass
from enum import StrEnum

from taxi_cluster.commands import works
from taxi_cluster.errors import ClusterError

_PROBE_IMAGE = "registry.k8s.io/pause:3.10.1"
_PROBE_SECONDS = 15


class Target(StrEnum):
    """Which cluster is meant (variable CLUSTER)."""

    KIND = "kind"
    MINIKUBE = "minikube"
    EXISTING = "existing"


class Source(StrEnum):
    """Where images come from."""

    REGISTRY = "registry"
    LOCAL = "local"


@dataclass(frozen=True)
class Settings:
    """What the user asked for in the environment.

    Attributes:
        target: CLUSTER: kind (default), minikube or existing.
        image_registry: IMAGE_REGISTRY: where images are pushed for an existing cluster.
        may_start_docker: TAXI_START_DOCKER is not 0.
        registry: TAXI_REGISTRY: reachable, none, or empty to find out.
    """

    target: Target
    image_registry: str
    may_start_docker: bool
    registry: str


def read_settings(environment: dict[str, str] | None = None, *, delivers: bool = True) -> Settings:
    """Read the variables.

    Args:
        environment: The process' own if None.
        delivers: The verb brings images to a cluster, so it has to be known how.

    Raises:
        ClusterError: a variable has a value that it cannot have.
    """
    env = dict(os.environ) if environment is None else environment
    cluster = env.get("CLUSTER") or Target.KIND
    if cluster not in set(Target):
        raise ClusterError(f"CLUSTER={cluster}: choose one of {', '.join(Target)}")
    registry = env.get("TAXI_REGISTRY", "")
    if registry not in {"", "reachable", "none"}:
        raise ClusterError(f"TAXI_REGISTRY={registry}: choose reachable or none, or leave it out")
    image_registry = env.get("IMAGE_REGISTRY", "").rstrip("/")
    if delivers and cluster == Target.EXISTING and not image_registry:
        raise ClusterError(
            "CLUSTER=existing needs IMAGE_REGISTRY: a registry that your cluster can pull from"
        )
    return Settings(
        Target(cluster), image_registry, env.get("TAXI_START_DOCKER", "1") != "0", registry
    )


def find_source(settings: Settings) -> Source:
    """Find out whether a container registry can be reached; the engine must answer."""
    if settings.registry:
        return Source.REGISTRY if settings.registry == "reachable" else Source.LOCAL
    reachable = works(["docker", "manifest", "inspect", _PROBE_IMAGE], timeout=_PROBE_SECONDS)
    return Source.REGISTRY if reachable else Source.LOCAL
