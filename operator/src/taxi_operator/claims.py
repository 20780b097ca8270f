"""Which of several policies with one target is served: the oldest. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

Object = Mapping[str, Any]


def rival_of(policy: Object, others: Sequence[Object]) -> str | None:
    """Return the name of an older policy with the same target, None when there is none.

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
    return set((policy.get("spec") or {}).get("target", {}).items())
