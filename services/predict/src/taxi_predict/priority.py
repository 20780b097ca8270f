"""The delivery's share of a busy core: requests first, but it must not fall behind."""

import contextlib
import os
from typing import Final

#: Beside requests that take the whole core, about a tenth of it (weights 110 and 1024,
#: https://docs.kernel.org/scheduler/sched-nice-design.html).
_NICE: Final = 10


class Priority:
    """Of this process: idle time only, or a tenth of the core while it is behind.

    A process in the idle class never keeps a request waiting, which a nice one does for the
    milliseconds of its slice.
    """

    def __init__(self) -> None:
        os.nice(_NICE)
        self._behind: bool | None = None

    def set(self, *, behind: bool) -> None:
        """Choose by whether records pile up; where the kernel forbids it, nothing changes."""
        if behind is self._behind:
            return
        self._behind = behind
        policy = os.SCHED_OTHER if behind else os.SCHED_IDLE
        with contextlib.suppress(PermissionError):
            os.sched_setscheduler(0, policy, os.sched_param(0))
