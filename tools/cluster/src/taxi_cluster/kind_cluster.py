"""The kind cluster: made, started again, or removed."""

import json
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from taxi_cluster import go_tools, node_image
from taxi_cluster.commands import run, run_logged, works
from taxi_cluster.errors import ClusterError
from taxi_cluster.mode import Source
from taxi_cluster.progress import say, step

NAME = "taxi"
CONTEXT = f"kind-{NAME}"
_READY_SECONDS = 240
_NEEDED_GIGABYTES = 12


@dataclass(frozen=True)
class Clients:
    """The programs that talk to the cluster."""

    kind: str
    kubectl: str
    helm: str

    def ask(self, *words: str, timeout: float = 60, stdin: str | None = None) -> str:
        """Run kubectl in the cluster's context."""
        return run(
            [self.kubectl, "--context", CONTEXT, "--request-timeout=30s", *words],
            timeout=timeout, stdin=stdin,
        )  # fmt: skip


def clients(source: Source) -> Clients:
    """Return the clients: our own, or with a registry those of the machine."""
    if source is Source.LOCAL:
        folder = go_tools.ensure()
        return Clients(*(str(folder / name) for name in ("kind", "kubectl", "helm")))
    found = {name: shutil.which(name) for name in ("kind", "kubectl", "helm")}
    missing = [name for name, path in found.items() if path is None]
    if missing:
        raise ClusterError(f"{', '.join(missing)}: not installed; install and try again")
    return Clients("kind", "kubectl", "helm")


def node_names() -> list[str]:
    """Return the containers of the cluster's nodes, running or not, control plane first."""
    listed = run(
        ["docker", "ps", "--all", "--filter", f"label=io.x-k8s.kind.cluster={NAME}",
         "--format", "{{.Names}}"]
    )  # fmt: skip
    return sorted(listed.split())


def ensure(tools: Clients, source: Source) -> None:
    """Make the cluster, or start it again; all nodes are Ready afterwards."""
    names = node_names()
    wanted = None if source is Source.REGISTRY else node_image.ensure()
    if names and not _whole(names, wanted):
        say("the cluster is not whole or was made of other parts: making it anew")
        remove(tools)
        names = []
    if names and not _bring_back(tools, names):
        say("the nodes do not come back: making the cluster anew")
        remove(tools)
        names = []
    if not names:
        _create(tools, wanted)


def remove(tools: Clients) -> None:
    """Delete the cluster."""
    run([tools.kind, "delete", "cluster", "--name", NAME], timeout=180)


def is_ready(tools: Clients) -> bool:
    """Tell whether every node of the configuration is Ready."""
    try:
        nodes = json.loads(tools.ask("get", "nodes", "-o", "json", timeout=20))["items"]
    except ClusterError:
        return False
    ready = [node for node in nodes if _condition(node, "Ready") == "True"]
    return len(ready) == _configured_nodes()


def _whole(names: list[str], wanted: str | None) -> bool:
    """Tell whether all nodes exist and are made of the wanted image."""
    if len(names) != _configured_nodes():
        return False
    if wanted is None:
        return True
    used = run(["docker", "inspect", "--format", "{{.Config.Image}}", *names]).split()
    return set(used) == {wanted}


def _configured_nodes() -> int:
    return node_image.kind_configuration().read_text().count("- role:")


def _bring_back(tools: Clients, names: list[str]) -> bool:
    """Start stopped nodes and wait until they are Ready."""
    states = run(["docker", "inspect", "--format", "{{.State.Running}}", *names]).split()
    stopped = [name for name, running in zip(names, states, strict=True) if running != "true"]
    if not stopped and is_ready(tools):
        return True
    with step(f"starting {len(stopped)} stopped nodes"):
        for name in stopped:
            run(["docker", "start", name], timeout=60)
    try:
        _wait_ready(tools)
    except ClusterError:
        return False
    return True


def _create(tools: Clients, image: str | None) -> None:
    free = shutil.disk_usage(Path.home()).free / 1e9
    if free < _NEEDED_GIGABYTES:
        raise ClusterError(
            f"disk: {free:.0f} GB free, the cluster needs {_NEEDED_GIGABYTES}; make room "
            "(`make down PURGE=1` removes the caches)"
        )
    command = [
        tools.kind, "create", "cluster", "--name", NAME,
        "--config", str(node_image.kind_configuration()), "--wait", "0s",
    ]  # fmt: skip
    if image:
        command += ["--image", image]
    with step("creating the cluster (one control plane, two workers)"):
        try:
            # Nodes are kept for a look when it fails; the next run makes them anew.
            run_logged([*command, "--retain"], "kind-create", timeout=600)
        except ClusterError as error:
            raise ClusterError(f"{error}\nthe nodes are kept for a look: docker ps -a") from error
    _wait_ready(tools)


def _wait_ready(tools: Clients) -> None:
    with step("waiting for the nodes"):
        deadline = time.monotonic() + _READY_SECONDS
        while not is_ready(tools):
            if time.monotonic() > deadline:
                state = (
                    tools.ask("get", "nodes,pods", "-A")
                    if works([tools.kubectl, "--context", CONTEXT, "version"])
                    else "the API server does not answer"
                )
                raise ClusterError(f"nodes are not Ready after {_READY_SECONDS} s:\n{state}")
            time.sleep(1)


def _condition(item: dict[str, object], kind: str) -> str:
    status = item.get("status")
    conditions = status.get("conditions", []) if isinstance(status, dict) else []
    return next((one["status"] for one in conditions if one["type"] == kind), "Unknown")
