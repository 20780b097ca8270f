"""Who delivers when: a thread of the idle class, and another when that one is starved.

In the idle class the work is free for requests: the kernel stops it at once when a worker has
something to do. But a thread that went into that class does not get out of it again without a
privilege that pods do not have, and beside a core that is always busy it gets next to nothing.
"""

import contextlib
import logging
import math
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol

from taxi_predict.heartbeat import Heartbeat

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
#: The time-outs of a batch add up to less, but for a MongoDB of several addresses that is slow to
#: log in to: it will hardly end.
_STUCK_SECONDS: Final = 30.0


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
        beat: File that is touched again and again, for who watches this process; not while a
            batch does not end.
        clock: Seconds.
    """

    def __init__(self, work: Work, beat: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._work = work
        self._beat = beat
        self._clock = clock
        self._turn = threading.Lock()
        #: When the batch under way began.
        self._began = math.inf
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
        Heartbeat(self._beat).start()
        refresher = threading.Thread(target=self._run_refresh, name="refresh", daemon=True)
        refresher.start()
        self._await_refresh(refresher)
        idle = threading.Thread(target=self._run_idle, name="idle", daemon=True)
        helper = threading.Thread(
            target=self._run_helper, args=(drain_seconds,), name="helper", daemon=True
        )
        idle.start()
        helper.start()
        # This thread delivers nothing: a slow call delays no sign of life.
        while helper.is_alive():
            whole = idle.is_alive() and refresher.is_alive() and os.getppid() == parent
            if not whole and not self._stopping:
                break
            if time.monotonic() - self._began < _STUCK_SECONDS:
                self._beat.touch()
            if not self._stopping:
                self._measure()
            helper.join(_PAUSE_SECONDS)
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

    def _run_helper(self, drain_seconds: float) -> None:
        while not self._stopping:
            most = self.most()
            if not most or (self._take(most) or 0) < most:
                self._rest(max(_PAUSE_SECONDS, self._work.pause if most else 0))
        self._drain(time.monotonic() + drain_seconds)

    def _drain(self, deadline: float) -> None:
        while time.monotonic() < deadline:
            moved = self._take(_LARGE_BATCH)
            if moved == 0 and not self._work.pause:
                return
            if not moved:
                time.sleep(_LOOK_SECONDS)

    def _take(self, most: int) -> int | None:
        """Do a batch; None when the other thread does not give its turn away."""
        if not self._turn.acquire(timeout=_TURN_SECONDS):
            return None
        self._began = time.monotonic()
        try:
            moved = self._work.batch(most)
            if moved < most and not self._work.pause:
                self._caught_up_at = self._clock()
            return moved
        finally:
            self._began = math.inf
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
