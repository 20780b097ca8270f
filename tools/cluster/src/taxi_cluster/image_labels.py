"""The labels of the project's images that only a build knows (opencontainers annotations)."""

import re
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit, urlunsplit

from taxi_cluster import images
from taxi_cluster.commands import run
from taxi_cluster.errors import ClusterError

PREFIX: Final = "org.opencontainers.image"


def labels(root: Path, base: str, base_digest: str) -> dict[str, str]:
    """Return version, revision, source and base; what is not known has no label.

    Args:
        root: Of the repository.
        base: Name of the image that the build starts from, with its tag.
        base_digest: Its digest.
    """
    chart = (root / "charts/taxi-monitoring/Chart.yaml").read_text()
    version = re.search(r"^appVersion: (\S+)$", chart, re.MULTILINE)
    known = {
        "version": version[1] if version else "",
        "revision": _git(root, "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"),
        "source": without_user(_git(root, "config", "--get", "remote.origin.url")),
        "base.name": base,
        "base.digest": base_digest,
    }
    return {f"{PREFIX}.{name}": value for name, value in known.items() if value}


def default_base(dockerfile: str) -> tuple[str, str]:
    """Return name and digest of the base that a Dockerfile takes unless it is told another one.

    >>> default_base("ARG DEBIAN_IMAGE=debian:trixie-slim@sha256:00ff")
    ('docker.io/library/debian:trixie-slim', 'sha256:00ff')

    Raises:
        ClusterError: the base is not pinned.
    """
    found = re.search(r"^ARG DEBIAN_IMAGE=([^@\s]+)@(\S+)$", dockerfile, re.MULTILINE)
    if not found:
        raise ClusterError("the Dockerfile's DEBIAN_IMAGE has no digest; pin it")
    return f"docker.io/library/{found[1]}", found[2]


def labels_of(root: Path, base: str | None, dockerfile: Path) -> dict[str, str]:
    """Return the labels of a build.

    Args:
        root: Of the repository.
        base: Image of this machine that it starts from, None where that is the Dockerfile's.
        dockerfile: The Dockerfile.
    """
    if base:
        return labels(root, base, images.digest(base))
    return labels(root, *default_base(dockerfile.read_text()))


def without_user(address: str) -> str:
    """Return an address without user and password; one that has no scheme is none of the web.

    >>> without_user("https://me:secret@git.example/team/taxi.git")
    'https://git.example/team/taxi.git'
    >>> without_user("/srv/taxi")
    ''
    """
    parts = urlsplit(address)
    if parts.scheme not in {"http", "https"}:
        return ""
    host = parts.netloc.rsplit("@", 1)[-1]
    return urlunsplit((parts.scheme, host, parts.path, "", ""))


def _git(root: Path, *words: str) -> str:
    """Return what git says, empty where there is none."""
    try:
        return run(["git", "-C", root, *words], timeout=20).strip()
    except ClusterError:
        return ""
