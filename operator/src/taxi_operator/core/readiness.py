"""Since when the champion has had no ready pod, or has had one. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

Object = Mapping[str, Any]

#: A champion without a ready pod for as long is unavailable; a rollout takes less, seconds.
GRACE_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class Readiness:
    """Ready pods of the champion, and since when there are none, or some (epoch seconds)."""

    pods: int
    since: float

    @property
    def is_ready(self) -> bool:
        """Whether at least one pod is ready."""
        return self.pods > 0

    def unavailable(self, now: float) -> bool:
        """Tell whether it has had no ready pod for longer than a rollout takes."""
        return not self.is_ready and now - self.since >= GRACE_SECONDS


def readiness_of(deployment: Object | None, before: Readiness | None, now: float) -> Readiness:
    """Return how ready a Deployment is, and since when.

    The Deployment's own condition tells since when, as far as it speaks of the same thing: it turns
    with the first pod that is missing, which need not be the last one. Where it does not, or there
    is no Deployment, it is since the first look at it.

    Args:
        deployment: The Deployment, None when there is none.
        before: What the last look found, None when it is not known.
        now: Present time, seconds since the epoch.
    """
    pods = ready_pods(deployment)
    since = now if before is None or before.is_ready != (pods > 0) else before.since
    if deployment is not None:
        told = _available_since(deployment, available=pods > 0)
        since = since if told is None else told
    return Readiness(pods, min(since, now))


def ready_pods(deployment: Object | None) -> int:
    """Return the ready pods of a Deployment, 0 when there is none."""
    return int(((deployment or {}).get("status") or {}).get("readyReplicas") or 0)


def _available_since(deployment: Object, *, available: bool) -> float | None:
    """Return since when the condition `Available` is so; None when it says something else."""
    needed = _needed_pods(deployment)
    # With more pods needed it turns False while some are still ready; with none it never does.
    if needed < 1 or (needed > 1 and not available):
        return None
    for one in (deployment.get("status") or {}).get("conditions") or []:
        if one.get("type") == "Available" and one.get("status") == str(available):
            at = one.get("lastTransitionTime")
            return None if at is None else datetime.fromisoformat(at).timestamp()
    return None


def _needed_pods(deployment: Object) -> int:
    """Return how many pods must be available for the condition `Available`."""
    spec = deployment.get("spec") or {}
    replicas = int(spec.get("replicas", 1))
    strategy = spec.get("strategy") or {}
    if strategy.get("type") == "Recreate":
        return replicas
    most = (strategy.get("rollingUpdate") or {}).get("maxUnavailable", "25%")
    if isinstance(most, str):
        most = replicas * int(most.removesuffix("%")) // 100
    return replicas - int(most)
