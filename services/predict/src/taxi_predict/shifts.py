"""Who delivers when: a thread of the idle class, and another when that one is starved.

In the idle class the work is free for requests: the kernel stops it at once when a worker has
something to do. But a thread that went into that class does not get out of it again without a
privilege that pods do not have, and beside a core that is always busy it gets next to nothing.
"""

import contextlib
import logging
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol

logger = logging.getLogger(__name__)

#: A thread of the idle class keeps its turn until its batch is done, however long it starves, and
#: the other one stalls the workers for as long as a batch takes.
_SMALL_BATCH: Final = 200
_LARGE_BATCH: Final = 2000
#: Requests that want the whole core may keep the log behind for so long, seconds; after twice
#: that, batches are large: they cost less for each record.
_BEHIND_SECONDS: Final = 10.0
#: Patience makes one batch of many single rides.
_PAUSE_SECONDS: Final = 0.2
_TURN_SECONDS: Final = 1.0
_LOOK_SECONDS: Final = 0.1
#: Records wait so long for the first refresh: what is delivered before it is not scored.
_FIRST_SECONDS: Final = 20.0


class Work(Protocol):
    """What is done in turns."""

    #: Seconds to wait after a failure; 0 when the last batch was delivered.
    pause: float

    def batch(self, most: int) -> int:
        """Deliver so many records at most; return how many, 0 after a failure too."""

    def measure(self) -> None:
        """Export what waits."""

    def refresh(self) -> None:
        """Do what takes long and needs no turn."""

    def waiting_bytes(self) -> int:
        """Return the bytes that wait."""


class Shifts:
    """Lets threads take turns until told to stop.

    Args:
        work: One thread is in it at a time, but for `refresh`.
        beat: File that is touched again and again, for who watches this process.
        clock: Seconds.
    """

    def __init__(self, work: Work, beat: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._work = work
        self._beat = beat
        self._clock = clock
        self._turn = threading.Lock()
        self._stopping = False
        self._refreshed = False
        self._caught_up_at = clock()

    def stop(self) -> None:
        """Let `run` end when nothing waits any more; safe in a signal handler.

        Only a flag: setting an event takes a lock that the interrupted code may hold.
        """
        self._stopping = True

    def run(self, drain_seconds: float) -> None:
        """Deliver until told to stop, and then what waits, but for `drain_seconds` at most.

        It also ends when its parent does: a successor reads on where it stopped.
        """
        parent = os.getppid()
        refresher = threading.Thread(target=self._run_refresh, name="refresh", daemon=True)
        refresher.start()
        self._await_refresh(refresher)
        idle = threading.Thread(target=self._run_idle, name="idle", daemon=True)
        idle.start()
        others = (idle, refresher)
        while os.getppid() == parent and all(one.is_alive() for one in others):
            if self._stopping:
                break
            self._beat.touch()
            self._measure()
            most = self.most()
            if not most or (self._take(most) or 0) < most:
                self._rest(max(_PAUSE_SECONDS, self._work.pause if most else 0))
        if self._stopping:
            self._drain(time.monotonic() + drain_seconds)
        if self._turn.acquire(timeout=_TURN_SECONDS) and (waiting := self._work.waiting_bytes()):
            logger.warning("records stay in the spool", extra={"bytes": waiting})

    def most(self) -> int:
        """Return how many records a batch beside the idle class may have, 0 for none."""
        behind = self._clock() - self._caught_up_at
        if behind > 2 * _BEHIND_SECONDS:
            return _LARGE_BATCH
        return _SMALL_BATCH if behind > _BEHIND_SECONDS else 0

    def _run_refresh(self) -> None:
        while not self._stopping:
            self._work.refresh()
            self._refreshed = True
            self._rest(_TURN_SECONDS)

    def _await_refresh(self, refresher: threading.Thread) -> None:
        end = time.monotonic() + _FIRST_SECONDS
        while refresher.is_alive() and not self._refreshed and time.monotonic() < end:
            self._beat.touch()
            self._rest(_LOOK_SECONDS)
            if self._stopping:
                return

    def _run_idle(self) -> None:
        with contextlib.suppress(PermissionError):
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
        while not self._stopping:
            # When it is behind, the other one does it all.
            if self.most() or (self._take(_SMALL_BATCH) or 0) < _SMALL_BATCH:
                self._rest(max(_PAUSE_SECONDS, self._work.pause))

    def _drain(self, deadline: float) -> None:
        while time.monotonic() < deadline:
            self._beat.touch()
            moved = self._take(_LARGE_BATCH)
            if moved == 0 and not self._work.pause:
                return
            if not moved:
                time.sleep(_LOOK_SECONDS)

    def _take(self, most: int) -> int | None:
        """Do a batch; None when the other thread does not give its turn away."""
        if not self._turn.acquire(timeout=_TURN_SECONDS):
            return None
        try:
            moved = self._work.batch(most)
            if moved < most and not self._work.pause:
                self._caught_up_at = self._clock()
            return moved
        finally:
            self._turn.release()

    def _measure(self) -> None:
        if self._turn.acquire(timeout=_TURN_SECONDS):
            try:
                self._work.measure()
            finally:
                self._turn.release()

    def _rest(self, seconds: float) -> None:
        """Wait; a stop shortens it."""
        end = time.monotonic() + seconds
        while not self._stopping and (left := end - time.monotonic()) > 0:
            time.sleep(min(left, _LOOK_SECONDS))
