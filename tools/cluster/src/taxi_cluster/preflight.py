"""Whether the machine has room: a build that ends with a full disk is worse than none."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from taxi_cluster.errors import ClusterError

_GIGA = 10**9


@dataclass(frozen=True)
class Room:
    """Disk and memory in gigabytes (10^9 bytes), free or needed."""

    disk: float
    memory: float


#: What a first build without a registry takes: compiler cache, images and three nodes.
FIRST_BUILD = Room(disk=25, memory=4)
#: What new nodes take beside the cached pieces.
NEW_NODES = Room(disk=8, memory=3)


def free_room(folder: Path) -> Room:
    """Return what is free on the folder's disk and in memory."""
    lines = Path("/proc/meminfo").read_text().splitlines()
    available = next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable"))
    return Room(shutil.disk_usage(folder).free / _GIGA, available * 1024 / _GIGA)


def check(free: Room, needed: Room, folder: Path) -> None:
    """Refuse to begin what cannot be finished.

    Raises:
        ClusterError: names what is short, how much of it, and how to get more.
    """
    if free.disk < needed.disk:
        raise ClusterError(
            f"disk: {free.disk:.0f} GB free below {folder}, {needed.disk:.0f} are needed; make "
            "room, or set XDG_CACHE_HOME to a folder on a larger disk"
        )
    if free.memory < needed.memory:
        raise ClusterError(
            f"memory: {free.memory:.1f} GB free, {needed.memory:.0f} are needed for three nodes; "
            "end other programs or take a larger machine"
        )
