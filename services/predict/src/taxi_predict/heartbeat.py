"""The file by which the delivery's process says that it lives."""

import time
from pathlib import Path
from typing import Final

_NOT_STARTED: Final = b"not started"
_MOST_SECONDS: Final = 60.0


class Heartbeat:
    """Whether the delivery ever started in this container.

    One that ran once is watched and told by its age alone: rides wait in the spool meanwhile, and
    a pod that answers well stays in service. One that cannot even start never will.

    Args:
        file: Touched by the delivery again and again.
    """

    def __init__(self, file: Path) -> None:
        self._file = file

    def begin(self) -> None:
        """Let the time without a sign of life count from now, whatever a container before left."""
        self._file.parent.mkdir(parents=True, exist_ok=True)
        self._file.write_bytes(_NOT_STARTED)

    def start(self) -> None:
        """Say that the delivery has started."""
        self._file.write_bytes(b"")

    def cannot_start(self) -> bool:
        """Tell whether the delivery had a minute and did not start."""
        found = self._file.stat()
        return found.st_size > 0 and time.time() - found.st_mtime > _MOST_SECONDS
