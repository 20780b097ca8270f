"""What the API server's answers say about the nodes: pure functions on its JSON."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any


def ready_nodes(nodes: Mapping[str, Any]) -> set[str]:
    """Return the names of a node list whose condition Ready is true."""
    return {
        node["metadata"]["name"]
        for node in nodes.get("items", [])
        for condition in node.get("status", {}).get("conditions", [])
        if condition["type"] == "Ready" and condition["status"] == "True"
    }


def renewed_since(leases: Mapping[str, Any], moment: datetime) -> set[str]:
    """Return the nodes whose kubelet has renewed its lease after a moment.

    A node that was stopped stays `Ready` in the API server's memory for some 40 s: only its
    lease tells that its kubelet lives again.
    """
    return {
        lease["metadata"]["name"]
        for lease in leases.get("items", [])
        if (renewed := lease.get("spec", {}).get("renewTime"))
        and datetime.fromisoformat(renewed) > moment
    }


def waiting_for(names: Iterable[str], ready: set[str], alive: set[str]) -> str:
    """Return in words which nodes are missing, empty when none is.

    >>> waiting_for(["a", "b"], {"a", "b"}, {"a"})
    'b (its kubelet is silent)'
    """
    words = [
        f"{name} ({'not Ready' if name not in ready else 'its kubelet is silent'})"
        for name in names
        if name not in ready or name not in alive
    ]
    return ", ".join(words)
