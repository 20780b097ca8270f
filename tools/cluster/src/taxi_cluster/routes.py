"""Whether every node knows the way to the pods of every other node."""

import json
import time
from collections.abc import Mapping
from typing import Any

from taxi_cluster.commands import run
from taxi_cluster.errors import ClusterError
from taxi_cluster.kind_cluster import Clients
from taxi_cluster.progress import step

_SECONDS = 240


def wait(tools: Clients) -> None:
    """Wait until all routes are set: without them DNS and scrapes across nodes time out.

    Raises:
        ClusterError: which routes are missing, and whose log tells why.
    """
    missing = _missing_now(tools)
    if not missing:
        return
    with step("waiting for the routes between the nodes", lambda: ", ".join(missing)):
        deadline = time.monotonic() + _SECONDS
        while missing := _missing_now(tools):
            if time.monotonic() > deadline:
                raise ClusterError(
                    f"no route after {_SECONDS} s: {', '.join(missing)}; see "
                    "`kubectl logs --namespace kube-system daemonset/node-routes`"
                )
            time.sleep(1)


def missing_routes(nodes: Mapping[str, Any], tables: Mapping[str, str]) -> list[str]:
    """Return in words which routes are missing.

    Args:
        nodes: The API server's list of nodes.
        tables: For each node the output of `ip route`.
    """
    ranges = {
        node["metadata"]["name"]: node.get("spec", {}).get("podCIDR") for node in nodes["items"]
    }
    return [
        f"{here} to the pods of {there}"
        for here, table in sorted(tables.items())
        for there, pods in sorted(ranges.items())
        if here != there and not any(line.startswith(f"{pods} via ") for line in table.splitlines())
    ]


def _missing_now(tools: Clients) -> list[str]:
    nodes = json.loads(tools.ask("get", "nodes", "-o", "json"))
    names = [node["metadata"]["name"] for node in nodes["items"]]
    tables = {name: run(["docker", "exec", name, "ip", "route"]) for name in names}
    return missing_routes(nodes, tables)
