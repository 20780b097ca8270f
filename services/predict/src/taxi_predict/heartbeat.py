"""The file by which the delivery's process says that it lives."""

import stat
import time
from pathlib import Path
from typing import Final

#: A file that the delivery did not touch yet may be read by its owner only: neither mode needs
#: room on the disk, which records may have filled.
_NOT_STARTED: Final = 0o600
_STARTED: Final = 0o644
_MAX_START_SECONDS: Final = 60.0


class Heartbeat:
    """Whether the delivery ever started in this container.

    One that ran once is reported by its age alone: rows wait in the spool meanwhile, and
    a pod that answers well stays in service. One that cannot even start never will.

    Args:
        file: Touched by the delivery again and again.
    """

    def __init__(self, file: Path) -> None:
        self._file = file

    def begin(self) -> None:
        """Let the time without a sign of life count from now, whatever a container before left."""
        self._file.parent.mkdir(parents=True, exist_ok=True)
        self._file.touch()
        self._file.chmod(_NOT_STARTED)

    def start(self) -> None:
        """Say that the delivery has started."""
        self._file.touch()
        self._file.chmod(_STARTED)

    def cannot_start(self) -> bool:
        """Tell whether the delivery had a minute and did not start."""
        status = self._file.stat()
        waits = stat.S_IMODE(status.st_mode) == _NOT_STARTED
        return waits and time.time() - status.st_mtime > _MAX_START_SECONDS
