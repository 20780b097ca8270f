"""The kind cluster: made, started again, or removed."""

import json
import shutil
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from taxi_cluster import go_tools, node_image, preflight
from taxi_cluster.cache import cache_folder
from taxi_cluster.commands import last_line, log_path, run, run_logged, works
from taxi_cluster.errors import ClusterError
from taxi_cluster.kind_failures import remedy
from taxi_cluster.progress import say, step
from taxi_cluster.readiness import ready_nodes, renewed_since, waiting_for
from taxi_cluster.settings import Source

NAME = "taxi"
CONTEXT = f"kind-{NAME}"
_READY_SECONDS = 240
_REMOVE_SECONDS = 600
_BEGINNING_OF_TIME = datetime.fromtimestamp(0, UTC)


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
    missing = [name for name in ("kind", "kubectl", "helm") if shutil.which(name) is None]
    if missing:
        raise ClusterError(
            f"{', '.join(missing)}: not installed; install and try again, or set "
            "TAXI_REGISTRY=none to have everything built from source"
        )
    return Clients("kind", "kubectl", "helm")


def node_names() -> list[str]:
    """Return the containers of the cluster's nodes, running or not, control plane first."""
    listed = run(
        ["docker", "ps", "--all", "--filter", f"label=io.x-k8s.kind.cluster={NAME}",
         "--format", "{{.Names}}"]
    )  # fmt: skip
    return sorted(listed.split(), key=lambda name: ("control-plane" not in name, name))


def ensure(tools: Clients, source: Source) -> None:
    """Make the cluster, or start it again; all nodes are Ready afterwards.

    Raises:
        ClusterError: no room, a port in use, or the nodes do not become Ready.
    """
    names = node_names()
    wanted = None if source is Source.REGISTRY else node_image.ensure()
    if names and not _whole(names, wanted):
        say("the cluster is not whole or was made of other parts: making it anew")
        remove()
        names = []
    if names and not _bring_back(tools, names):
        say("the nodes do not come back: making the cluster anew")
        remove()
        names = []
    if not names:
        _create(tools, wanted)


def wait_for_system(tools: Clients) -> None:
    """Wait until name resolution, routes and storage answer, not only the nodes."""
    limit = f"--timeout={_READY_SECONDS}s"
    long = _READY_SECONDS + 30.0
    with step("waiting for name resolution, routes and storage"):
        for namespace in ("kube-system", "local-path-storage"):
            tools.ask(
                "wait", "deployments", "--all", "--namespace", namespace,
                "--for=condition=Available", limit, timeout=long,
            )  # fmt: skip
        tools.ask("rollout", "status", "daemonsets", "-n", "kube-system", limit, timeout=long)


def remove() -> None:
    """Delete the cluster; nothing is built for it."""
    kind = shutil.which("kind")
    if go_tools.built("kind"):
        kind = str(go_tools.folder() / "kind")
    if kind:
        run([kind, "delete", "cluster", "--name", NAME], timeout=_REMOVE_SECONDS)
    elif names := node_names():
        run(["docker", "rm", "--force", "--volumes", *names], timeout=_REMOVE_SECONDS)


def ready_names(tools: Clients) -> set[str]:
    """Return the nodes that are Ready, none when the API server does not answer."""
    try:
        return ready_nodes(json.loads(tools.ask("get", "nodes", "-o", "json", timeout=20)))
    except ClusterError:
        return set()


def _whole(names: list[str], wanted: str | None) -> bool:
    """Tell whether all nodes exist and are made of the wanted image."""
    if len(names) != node_image.configured_nodes():
        return False
    if wanted is None:
        return True
    used = run(["docker", "inspect", "--format", "{{.Config.Image}}", *names]).split()
    return set(used) == {wanted}


def _bring_back(tools: Clients, names: list[str]) -> bool:
    """Start stopped nodes and wait until they are Ready; False when they are beyond help."""
    states = run(["docker", "inspect", "--format", "{{.State.Running}}", *names]).split()
    stopped = [name for name, running in zip(names, states, strict=True) if running != "true"]
    if not stopped and ready_names(tools) == set(names):
        return True
    begin = datetime.now(UTC)
    try:
        # Control plane first: the order of starts gives the nodes their old addresses.
        for name in stopped:
            with step(f"starting node {name}"):
                run(["docker", "start", name], timeout=60)
        if not all(_joined(name) for name in names):
            return False
        run([tools.kind, "export", "kubeconfig", "--name", NAME])
        _wait_ready(tools, names, begin if stopped else _BEGINNING_OF_TIME)
    except ClusterError as error:
        say(str(error))
        return False
    return True


def _joined(name: str) -> bool:
    """Tell whether a node got so far that it belongs to the cluster (a cut off run's did not)."""
    return works(["docker", "exec", name, "test", "-f", "/etc/kubernetes/kubelet.conf"])


def _create(tools: Clients, image: str | None) -> None:
    preflight.check(preflight.free_room(cache_folder()), preflight.NEW_NODES, cache_folder())
    command = [
        tools.kind, "create", "cluster", "--name", NAME, "--retain",
        "--config", str(node_image.kind_configuration()), "--wait", "0s",
    ]  # fmt: skip
    if image:
        command += ["--image", image]
    log = log_path("kind-create")
    with step("creating the cluster (one control plane, two workers)", lambda: last_line(log)):
        try:
            run_logged(command, "kind-create", timeout=600)
        except ClusterError as error:
            logs = _keep_logs(tools)
            remove()
            what = remedy(log.read_text(errors="replace")) or "see the logs"
            raise ClusterError(f"{error}\n{what}\nlogs of the nodes: {logs}") from error
    _wait_ready(tools, node_names(), _BEGINNING_OF_TIME)
    # Without a request it gets what the pods leave of a busy node, and leads clients to pods that
    # are long gone.
    tools.ask("set", "resources", "daemonset/kube-proxy", "-n", "kube-system", "--requests=cpu=50m")


def _keep_logs(tools: Clients) -> Path:
    """Save what the nodes of a failed creation have to say; they are removed afterwards."""
    folder = log_path("kind-create").with_suffix(".nodes")
    shutil.rmtree(folder, ignore_errors=True)
    works([tools.kind, "export", "logs", str(folder), "--name", NAME], timeout=120)
    return folder


def _wait_ready(tools: Clients, names: list[str], since: datetime) -> None:
    """Wait until all nodes are Ready and their kubelets have spoken after `since`."""
    lacking = "all"
    with step("waiting for the nodes", lambda: lacking):
        deadline = time.monotonic() + _READY_SECONDS
        while lacking:
            alive = _alive(tools, since)
            lacking = waiting_for(names, ready_names(tools), alive)
            if lacking and time.monotonic() > deadline:
                raise ClusterError(f"nodes after {_READY_SECONDS} s: {lacking}")
            if lacking:
                time.sleep(1)


def _alive(tools: Clients, since: datetime) -> set[str]:
    try:
        leases = tools.ask("get", "leases", "-n", "kube-node-lease", "-o", "json", timeout=20)
    except ClusterError:
        return set()
    return renewed_since(json.loads(leases), since)
