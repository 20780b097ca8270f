"""Which of several policies with one target or one model is served: the oldest. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from taxi_domain.models import MODEL_NAME

Object = Mapping[str, Any]


def service_of(policy: Object) -> str | None:
    """Return the active Service that a policy names; None when its spec cannot be read.

    An object that was made under the schema of another release need not have this field.
    """
    spec = policy.get("spec")
    target = spec.get("target") if isinstance(spec, Mapping) else None
    name = target.get("activeServiceName") if isinstance(target, Mapping) else None
    return name if isinstance(name, str) and name else None


@dataclass(frozen=True, slots=True)
class Target:
    """What a policy acts on."""

    service: str
    model: str
    deployment: str


def target_of(policy: Object) -> Target | None:
    """Return what a policy acts on; None when its spec cannot be read."""
    service = service_of(policy)
    if service is None:
        return None
    spec = policy["spec"]
    model, deployment = spec.get("modelName", MODEL_NAME), spec["target"].get("deploymentName")
    if not isinstance(model, str) or not isinstance(deployment, str):
        return None
    return Target(service, model, deployment)


def rival_of(policy: Object, others: Sequence[Object]) -> str | None:
    """Return the name of an older policy with the same target or model, None when there is none.

    A policy that is being deleted keeps its claim until it is gone: its traffic may have to return
    first.
    """
    for other in sorted(others, key=_age):
        if _age(other) >= _age(policy):
            return None
        if _targets(other) & _targets(policy):
            return str(other["metadata"]["name"])
    return None


def _age(policy: Object) -> tuple[str, str]:
    return policy["metadata"]["creationTimestamp"], policy["metadata"]["uid"]


def _targets(policy: Object) -> set[tuple[str, str]]:
    spec = policy.get("spec")
    if service_of(policy) is None or not isinstance(spec, Mapping):
        return set()  # it cannot be served, so it keeps nobody from anything
    # Two policies must not move one alias either.
    found = [*spec["target"].items(), ("modelName", spec.get("modelName", MODEL_NAME))]
    return {(name, value) for name, value in found if isinstance(value, str)}
