"""Schedules delivery: an idle-class thread does the work; a normal one takes over when it starves.

Idle-class work costs requests nothing: the kernel preempts it as soon as a worker has something to
do. A thread cannot leave that class without a privilege that pods do not have, and beside a core
that is always busy it makes next to no progress.
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

#: The idle thread holds the lock until its batch is done, however long it starves; a batch of the
#: normal thread stalls the workers for as long as it takes.
_SMALL_BATCH: Final = 200
_LARGE_BATCH: Final = 2000
#: Requests that want the whole core may keep the log behind for so long, seconds; after twice
#: that, batches are large: they cost less for each record.
_BEHIND_SECONDS: Final = 10.0
#: Waiting a little turns many single records into one batch.
_PAUSE_SECONDS: Final = 0.2
_LOCK_SECONDS: Final = 1.0
_LOOK_SECONDS: Final = 0.1
#: Records wait so long for the first refresh: what is delivered before it is not scored.
_FIRST_SECONDS: Final = 20.0
#: The time-outs of a batch add up to less, but for a MongoDB of several addresses that is slow to
#: log in to: it will hardly end.
_STUCK_SECONDS: Final = 30.0


class Work(Protocol):
    """The work that the threads share."""

    #: Seconds to wait after a failure; 0 when the last batch was delivered.
    pause: float

    def batch(self, limit: int) -> int:
        """Deliver at most `limit` records; return how many, 0 after a failure too."""

    def measure(self) -> None:
        """Export what waits."""

    def refresh(self) -> None:
        """Do what takes long and needs no lock."""

    def waiting_bytes(self) -> int:
        """Return the bytes that wait."""


class DeliveryLoop:
    """Runs the work in threads until told to stop.

    Args:
        work: Called by one thread at a time, except `refresh`.
        heartbeat: File that is touched regularly, for the supervisor of this process; not while a
            batch is stuck.
        clock: Seconds.
    """

    def __init__(
        self, work: Work, heartbeat: Path, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._work = work
        self._heartbeat = heartbeat
        self._clock = clock
        self._lock = threading.Lock()
        #: When the current batch began.
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
        Heartbeat(self._heartbeat).start()
        refresher = threading.Thread(target=self._run_refresh, name="refresh", daemon=True)
        refresher.start()
        self._await_refresh(refresher)
        idle = threading.Thread(target=self._run_idle, name="idle", daemon=True)
        normal = threading.Thread(
            target=self._run_normal, args=(drain_seconds,), name="normal", daemon=True
        )
        idle.start()
        normal.start()
        # This thread delivers nothing, so a slow call delays no heartbeat.
        while normal.is_alive():
            whole = idle.is_alive() and refresher.is_alive() and os.getppid() == parent
            if not whole and not self._stopping:
                break
            if time.monotonic() - self._began < _STUCK_SECONDS:
                self._heartbeat.touch()
            if not self._stopping:
                self._measure()
            normal.join(_PAUSE_SECONDS)
        if self._lock.acquire(timeout=_LOCK_SECONDS) and (waiting := self._work.waiting_bytes()):
            logger.warning("records stay in the spool", extra={"bytes": waiting})

    def normal_limit(self) -> int:
        """Return the largest batch that the normal thread may deliver now, 0 for none."""
        behind = self._clock() - self._caught_up_at
        if behind > 2 * _BEHIND_SECONDS:
            return _LARGE_BATCH
        return _SMALL_BATCH if behind > _BEHIND_SECONDS else 0

    def _run_refresh(self) -> None:
        while not self._stopping:
            self._work.refresh()
            self._refreshed = True
            self._rest(_LOCK_SECONDS)

    def _await_refresh(self, refresher: threading.Thread) -> None:
        end = time.monotonic() + _FIRST_SECONDS
        while refresher.is_alive() and not self._refreshed and time.monotonic() < end:
            self._heartbeat.touch()
            self._rest(_LOOK_SECONDS)
            if self._stopping:
                return

    def _run_idle(self) -> None:
        with contextlib.suppress(PermissionError):
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
        while not self._stopping:
            # When delivery is behind, the normal thread does it all.
            if self.normal_limit() or (self._take(_SMALL_BATCH) or 0) < _SMALL_BATCH:
                self._rest(max(_PAUSE_SECONDS, self._work.pause))

    def _run_normal(self, drain_seconds: float) -> None:
        while not self._stopping:
            limit = self.normal_limit()
            if not limit or (self._take(limit) or 0) < limit:
                self._rest(max(_PAUSE_SECONDS, self._work.pause if limit else 0))
        self._drain(time.monotonic() + drain_seconds)

    def _drain(self, deadline: float) -> None:
        while time.monotonic() < deadline:
            moved = self._take(_LARGE_BATCH)
            if moved == 0 and not self._work.pause:
                return
            if not moved:
                time.sleep(_LOOK_SECONDS)

    def _take(self, limit: int) -> int | None:
        """Deliver a batch; None when the other thread does not release the lock in time."""
        if not self._lock.acquire(timeout=_LOCK_SECONDS):
            return None
        self._began = time.monotonic()
        try:
            moved = self._work.batch(limit)
            if moved < limit and not self._work.pause:
                self._caught_up_at = self._clock()
            return moved
        finally:
            self._began = math.inf
            self._lock.release()

    def _measure(self) -> None:
        if self._lock.acquire(timeout=_LOCK_SECONDS):
            try:
                self._work.measure()
            finally:
                self._lock.release()

    def _rest(self, seconds: float) -> None:
        """Wait; a stop shortens it."""
        end = time.monotonic() + seconds
        while not self._stopping and (left := end - time.monotonic()) > 0:
            time.sleep(min(left, _LOOK_SECONDS))
