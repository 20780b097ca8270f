"""Bringing images into the nodes, only where they can run and only if they are not there."""

import subprocess
import tempfile
import time

from taxi_cluster.commands import run
from taxi_cluster.errors import ClusterError
from taxi_cluster.kind_cluster import node_names
from taxi_cluster.progress import step

_IMPORT = (
    "ctr", "-n", "k8s.io", "images", "import", "--digests=false", "--snapshotter", "overlayfs", "-"
)  # fmt: skip
_STREAM_SECONDS = 900
_BLOCK_BYTES = 1 << 20


def workers() -> list[str]:
    """Return the nodes that take workloads."""
    return [name for name in node_names() if "control-plane" not in name]


def load(names: list[str]) -> None:
    """Load images into every worker that lacks them.

    Workers that lack the same images get them from one stream: the engine packs an image
    once, which is most of the work.

    Raises:
        ClusterError: there is no cluster, or a node does not answer.
    """
    nodes = workers()
    if not nodes:
        raise ClusterError("there is no cluster to load images into; run `make up`")
    for missing, takers in group_by_missing(names, {node: _images_of(node) for node in nodes}):
        with step(f"loading {len(missing)} images into {', '.join(takers)}"):
            _stream(takers, missing)


def group_by_missing(
    names: list[str], there: dict[str, set[str]]
) -> list[tuple[list[str], list[str]]]:
    """Return which images go to which nodes, nodes that lack the same ones together.

    Args:
        names: Images as the engine calls them.
        there: For each node the names that its containerd has.
    """
    groups: dict[tuple[str, ...], list[str]] = {}
    for node, has in sorted(there.items()):
        missing = tuple(name for name in names if full_name(name) not in has)
        if missing:
            groups.setdefault(missing, []).append(node)
    return [(list(missing), nodes) for missing, nodes in groups.items()]


def full_name(name: str) -> str:
    """Return the name as containerd writes it.

    >>> full_name("taxi-monitoring/predict:1")
    'docker.io/taxi-monitoring/predict:1'
    """
    first = name.split("/")[0]
    return name if "." in first or ":" in first else f"docker.io/{name}"


def _stream(nodes: list[str], names: list[str]) -> None:
    """Import through pipes: no archive on disk, and shared layers travel once.

    Raises:
        ClusterError: with the words of the program that failed.
    """
    deadline = time.monotonic() + _STREAM_SECONDS
    with tempfile.TemporaryFile("w+") as words:
        packing = subprocess.Popen(["docker", "save", *names], stdout=subprocess.PIPE, stderr=words)
        takers = [
            subprocess.Popen(
                ["docker", "exec", "-i", node, *_IMPORT],
                stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=words,
            )
            for node in nodes
        ]  # fmt: skip
        try:
            _copy_to_all(packing, takers, deadline)
            codes = [one.wait(max(1, deadline - time.monotonic())) for one in (packing, *takers)]
        except (BrokenPipeError, subprocess.TimeoutExpired):
            codes = [1]
        finally:
            for one in (packing, *takers):
                one.kill()
                one.wait()
        if any(codes):
            words.seek(0)
            raise ClusterError(
                f"loading {', '.join(names)} into {', '.join(nodes)} failed; is the disk full? "
                f"The same command tries again\n{words.read()[-2000:]}"
            )


def _copy_to_all(
    packing: subprocess.Popen[bytes], takers: list[subprocess.Popen[bytes]], deadline: float
) -> None:
    """Copy one stream to several; the slowest sets the pace."""
    pipes = [taker.stdin for taker in takers if taker.stdin is not None]
    assert packing.stdout is not None
    while block := packing.stdout.read(_BLOCK_BYTES):
        for pipe in pipes:
            pipe.write(block)
        if time.monotonic() > deadline:
            raise subprocess.TimeoutExpired("docker save", _STREAM_SECONDS)
    for pipe in pipes:
        pipe.close()


def _images_of(node: str) -> set[str]:
    """Return the names that a node's containerd has."""
    try:
        answer = run(["docker", "exec", node, "ctr", "-n", "k8s.io", "images", "list", "-q"])
    except ClusterError as error:
        raise ClusterError(f"node {node} does not answer; run `make up` ({error})") from error
    return set(answer.split())
