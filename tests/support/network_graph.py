"""Who may reach whom, computed from rendered NetworkPolicies as a CNI that enforces them would."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from taxi_domain import kube

Manifest = Mapping[str, Any]
#: A port that nobody listens on: who may reach it may reach all.
NOBODYS = 1
ALL = "all"


@dataclass(frozen=True, slots=True)
class Flow:
    """That one may reach another, by a port (`all`: by any).

    Ends are components, or the names that outside peers were given.
    """

    source: str
    target: str
    port: int | str


@dataclass(frozen=True, slots=True)
class Pods:
    """Pods of one component, in the namespace of their policies."""

    component: str
    labels: Mapping[str, str]


def pods_of(objects: Iterable[Manifest]) -> list[Pods]:
    """Return the pods that objects lead to, each component once."""
    found: dict[str, Pods] = {}
    for one in objects:
        labels = _pod_labels(one)
        if labels is not None:
            found[labels[kube.COMPONENT_LABEL]] = Pods(labels[kube.COMPONENT_LABEL], labels)
    return list(found.values())


def ports_of(objects: Iterable[Manifest]) -> set[int]:
    """Return all ports of all containers."""
    return {
        port["containerPort"]
        for one in objects
        for container in _pod_spec(one).get("containers", [])
        for port in container.get("ports", [])
    }


def graph(objects: Sequence[Manifest], outside: Mapping[str, Manifest]) -> set[Flow]:
    """Return all flows that the policies let through.

    Args:
        objects: A render.
        outside: The peer of each name that stands for something outside of the release.
    """
    policies = [one["spec"] for one in objects if one["kind"] == "NetworkPolicy"]
    pods = pods_of(objects)
    named = {(policy_port, "TCP") for policy_port in ports_of(objects) | {NOBODYS}}
    ports = named | {
        (port["port"], port.get("protocol", "TCP"))
        for policy in policies
        for rule in [*policy.get("ingress", []), *policy.get("egress", [])]
        for port in rule.get("ports", [])
    }
    found: set[tuple[str, str, int]] = set()
    for port, protocol in ports:
        way = (port, protocol)
        for source in pods:
            for target in pods:
                if _allows(policies, "Egress", source, target.labels, way) and _allows(
                    policies, "Ingress", target, source.labels, way
                ):
                    found.add((source.component, target.component, port))
            for name, peer in outside.items():
                if _allows(policies, "Egress", source, peer, way):
                    found.add((source.component, name, port))
                if _allows(policies, "Ingress", source, peer, way):
                    found.add((name, source.component, port))
    return set(_merged(found))


def _merged(found: set[tuple[str, str, int]]) -> Iterator[Flow]:
    for source, target, port in found:
        if (source, target, NOBODYS) in found:
            yield Flow(source, target, ALL)
        else:
            yield Flow(source, target, port)


def _allows(
    policies: Iterable[Manifest],
    direction: str,
    pods: Pods,
    other: Mapping[str, Any],
    way: tuple[int, str],
) -> bool:
    """Tell whether pods may have traffic of a direction; without a policy for it they may."""
    own = [
        one for one in policies
        if direction in one["policyTypes"] and _chooses(one["podSelector"], pods.labels)
    ]  # fmt: skip
    rules = [rule for one in own for rule in one.get(direction.lower(), [])]
    return not own or any(_lets(rule, direction, other, way) for rule in rules)


def _lets(rule: Manifest, direction: str, other: Mapping[str, Any], way: tuple[int, str]) -> bool:
    peers = rule.get("from" if direction == "Ingress" else "to")
    known = {(one["port"], one.get("protocol", "TCP")) for one in rule.get("ports", [])}
    # Of an empty list of ports or peers any is meant, as of none.
    return (not known or way in known) and (not peers or any(_is(one, other) for one in peers))


def _is(peer: Manifest, other: Mapping[str, Any]) -> bool:
    """Tell whether a peer is the other end: the labels of a pod here, or an outside peer."""
    if peer == other:
        return True
    return set(peer) == {"podSelector"} and _chooses(peer["podSelector"], other)


def _chooses(selector: Manifest, labels: Mapping[str, Any]) -> bool:
    wanted: bool = selector.get("matchLabels", {}).items() <= labels.items()
    for one in selector.get("matchExpressions", []):
        assert one["operator"] == "In", one
        wanted = wanted and labels.get(one["key"]) in one["values"]
    return wanted


def _pod_template(one: Manifest) -> Manifest:
    if one["kind"] == "Pod":
        return one
    if one["kind"] == "CronJob":
        one = one["spec"]["jobTemplate"]
    elif one["kind"] not in {"Deployment", "StatefulSet", "DaemonSet", "Job"}:
        return {}
    template: Manifest = one["spec"]["template"]
    return template


def _pod_labels(one: Manifest) -> Mapping[str, str] | None:
    template = _pod_template(one)
    return template["metadata"]["labels"] if template else None


def _pod_spec(one: Manifest) -> Manifest:
    spec: Manifest = _pod_template(one).get("spec", {})
    return spec
