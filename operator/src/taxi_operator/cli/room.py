"""Memory that a replay may take: in the operator's own container it would end the operator."""

from contextlib import suppress
from pathlib import Path
from typing import Final

from taxi_domain.errors import TaxiError

_CGROUP: Final = Path("/sys/fs/cgroup")
#: A month of three signals takes half of it.
_NEEDED_BYTES: Final = 256 * 1024 * 1024


def require_room(cgroup: Path = _CGROUP) -> None:
    """Check that a container has the memory of a replay left; one without a limit has.

    Args:
        cgroup: Where the kernel tells of the container's memory.

    Raises:
        TaxiError: it has not.
    """
    left = _left(cgroup)
    if left is not None and left < _NEEDED_BYTES:
        raise TaxiError(
            f"replay: this container has {left // 1024**2} MiB of memory left, and "
            f"{_NEEDED_BYTES // 1024**2} are needed; run it from a checkout, or in a pod of its own"
        )


def _left(cgroup: Path) -> int | None:
    """Return the bytes that are left, None without a limit. What is only cached can go."""
    with suppress(OSError, ValueError, KeyError):
        most = int((cgroup / "memory.max").read_text())  # "max" without a limit
        lines = (cgroup / "memory.stat").read_text().splitlines()
        used = dict(line.split(" ", 1) for line in lines)
        return most - int(used["anon"])
    return None
