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


class Holders:
    """The oldest policy that claims each target and each model.

    Args:
        policies: All of them. One that is being deleted keeps its claim until it is gone.
    """

    def __init__(self, policies: Sequence[Object]) -> None:
        self._oldest: dict[tuple[str, str], Object] = {}
        for one in sorted(filter(enforces, policies), key=age_of):
            for target in _targets(one):
                self._oldest.setdefault(target, one)

    def conflicting_policy_of(self, policy: Object) -> str | None:
        """Return the name of the oldest policy that has the target or model of one that claims it.

        None when there is none that is older, and for a policy that only watches.
        """
        if not enforces(policy):
            return None
        found = [self._oldest[one] for one in _targets(policy) if one in self._oldest]
        oldest = min(found, key=age_of, default=policy)
        if age_of(oldest) >= age_of(policy):
            return None
        return str(oldest["metadata"]["name"])


def holder_of(policy: Object, others: Sequence[Object]) -> Object | None:
    """Return the oldest other policy that claims the target or the model of a policy."""
    uid, wanted = policy["metadata"]["uid"], _targets(policy)
    conflicting = [
        one
        for one in others
        if one["metadata"]["uid"] != uid and enforces(one) and _targets(one) & wanted
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
