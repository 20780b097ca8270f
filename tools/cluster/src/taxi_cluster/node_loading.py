"""Bringing images into the nodes, only where they can run and only if they are not there."""

from taxi_cluster.commands import run
from taxi_cluster.errors import ClusterError
from taxi_cluster.kind_cluster import node_names
from taxi_cluster.progress import step


def workers() -> list[str]:
    """Return the nodes that take workloads."""
    return [name for name in node_names() if "control-plane" not in name]


def load(names: list[str]) -> None:
    """Load images into every worker that lacks them."""
    for node in workers():
        there = _images_of(node)
        missing = [name for name in names if _full(name) not in there]
        if missing:
            with step(f"loading {len(missing)} images into {node}"):
                _stream(node, missing)


def _stream(node: str, names: list[str]) -> None:
    """Import through a pipe: no temporary archive, and one pass for shared layers."""
    run(
        ["bash", "-c",
         f"set -o pipefail; docker save {' '.join(names)} | docker exec -i {node} "
         "ctr -n k8s.io images import --digests=false --snapshotter overlayfs -"],
        timeout=600,
    )  # fmt: skip


def _images_of(node: str) -> set[str]:
    """Return the names that a node's containerd has."""
    try:
        answer = run(["docker", "exec", node, "ctr", "-n", "k8s.io", "images", "list", "-q"])
    except ClusterError as error:
        raise ClusterError(f"node {node} does not answer; run `make up` ({error})") from error
    return set(answer.split())


def _full(name: str) -> str:
    """Return the name as containerd writes it.

    >>> _full("taxi-monitoring/predict:1")
    'docker.io/taxi-monitoring/predict:1'
    """
    first = name.split("/")[0]
    return name if "." in first or ":" in first else f"docker.io/{name}"
