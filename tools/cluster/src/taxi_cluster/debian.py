"""Debian packages, where the machine is a Debian and we may install."""

import os
import shutil
from pathlib import Path

from taxi_cluster.commands import run, run_logged
from taxi_cluster.errors import ClusterError
from taxi_cluster.progress import say, step

_ENVIRONMENT = {"DEBIAN_FRONTEND": "noninteractive"}


def may_install() -> bool:
    """Tell whether packages can be installed by us: root, and apt is there."""
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


def need(program: str, *packages: str) -> None:
    """Make sure that a program exists; install its packages when we may.

    Raises:
        ClusterError: it is missing and we may not install.
    """
    if shutil.which(program) or Path(f"/usr/sbin/{program}").exists():
        return
    install(*packages, why=program)


def install(*packages: str, why: str) -> None:
    """Install packages with apt-get."""
    names = " ".join(packages)
    if not may_install():
        raise ClusterError(f"{why} is not installed; install it (Debian: apt-get install {names})")
    say(f"{why} is not installed: apt-get install {names}")
    with step(f"apt-get install {names}"):
        run_logged(["apt-get", "update", "-q"], "apt-update", timeout=300, env=_ENVIRONMENT)
        run_logged(
            ["apt-get", "install", "-q", "-y", "--no-install-recommends", *packages],
            "apt-install", timeout=900, env=_ENVIRONMENT,
        )  # fmt: skip


def mirror() -> str:
    """Return the package mirror that this machine uses itself."""
    lines = run(["apt-get", "indextargets", "--format", "$(REPO_URI)"]).splitlines()
    if not lines:
        raise ClusterError("apt-get knows no mirror; run `apt-get update` and try again")
    return lines[0]
