"""Which of several policies with one target or one model acts: the oldest that enforces. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from taxi_domain.models import MODEL_NAME
from taxi_operator.spec.policy import Mode

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


def enforces(policy: Object) -> bool:
    """Tell whether a policy claims its target: one that only watches keeps nobody from acting."""
    spec = policy.get("spec")
    return isinstance(spec, Mapping) and spec.get("mode", Mode.ENFORCE) == Mode.ENFORCE


def conflicting_policy_of(policy: Object, others: Sequence[Object]) -> str | None:
    """Return the name of the older policy that has the target or model of one that claims it.

    None when there is none, and for a policy that only watches. A policy that is being deleted
    keeps its claim until it is gone.
    """
    holder = holder_of(policy, others)
    if not enforces(policy) or holder is None or age_of(holder) >= age_of(policy):
        return None
    return str(holder["metadata"]["name"])


def holder_of(policy: Object, others: Sequence[Object]) -> Object | None:
    """Return the oldest other policy that claims the target or the model of a policy."""
    uid = policy["metadata"]["uid"]
    conflicting = [
        one
        for one in others
        if one["metadata"]["uid"] != uid and enforces(one) and _targets(one) & _targets(policy)
    ]
    return min(conflicting, key=age_of, default=None)


def age_of(policy: Object) -> tuple[str, str]:
    """Return what policies are ordered by, the oldest first."""
    return policy["metadata"]["creationTimestamp"], policy["metadata"]["uid"]


def _targets(policy: Object) -> set[tuple[str, str]]:
    spec = policy.get("spec")
    if service_of(policy) is None or not isinstance(spec, Mapping):
        return set()  # it cannot be served, so it keeps nobody from anything
    # Two policies must not move one alias either.
    found = [*spec["target"].items(), ("modelName", spec.get("modelName", MODEL_NAME))]
    return {(name, value) for name, value in found if isinstance(value, str)}
