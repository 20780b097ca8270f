"""Debian packages, where the machine is a Debian and we may install."""

import os
import platform
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


def mirror(suite: str) -> str:
    """Return the package mirror: TAXI_DEBIAN_MIRROR, or the one that this machine uses.

    Raises:
        ClusterError: neither is set; the machine is no Debian.
    """
    if chosen := os.environ.get("TAXI_DEBIAN_MIRROR"):
        return chosen
    found = None
    if shutil.which("apt-get"):
        listed = run(
            ["apt-get", "indextargets", "--format", "$(CREATED_BY)|$(CODENAME)|$(REPO_URI)"]
        )
        # A mirror has all suites: that of the machine's own serves when it is another one.
        found = mirror_among(listed, suite) or mirror_among(listed, _own_suite())
    if found is None:
        raise ClusterError(
            f"apt-get names no mirror of Debian {suite}; set TAXI_DEBIAN_MIRROR to its address"
        )
    return found


def _own_suite() -> str:
    """Return the suite of this machine, empty when it is no Debian."""
    said = platform.freedesktop_os_release()
    return said.get("VERSION_CODENAME", "") if said.get("ID") == "debian" else ""


def mirror_among(targets: str, suite: str) -> str | None:
    """Return the address of a suite's packages in apt-get's list of index targets.

    Other repositories of the machine (security updates, vendors) are no mirrors of it.

    >>> mirror_among("Packages|bookworm|http://mirror/debian/", "bookworm")
    'http://mirror/debian/'
    """
    for line in targets.splitlines():
        what, codename, address = line.split("|", 2)
        if what == "Packages" and codename == suite:
            return address
    return None


def unmount_below(folder: Path) -> None:
    """Unmount what a cut off debootstrap or engine left mounted below a folder."""
    for point in mounts_below(Path("/proc/self/mountinfo").read_text(), folder):
        run(["umount", point])


def mounts_below(mountinfo: str, folder: Path) -> list[str]:
    """Return the mount points below a folder, the innermost first."""
    points = [line.split()[4].replace("\\040", " ") for line in mountinfo.splitlines()]
    return sorted((point for point in points if folder in Path(point).parents), reverse=True)
