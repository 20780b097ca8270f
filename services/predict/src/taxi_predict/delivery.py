"""From the spool to MongoDB and the monitor, in a process of its own.

The workers only append: whatever happens to MongoDB, the monitor or this process, requests
do not notice. Only what the log has confirmed leaves the spool.
"""

import contextlib
import logging
import os
import random
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, Protocol

import msgspec

from taxi_domain.errors import TaxiError
from taxi_domain.records import PredictionRecord
from taxi_predict.backlog import Backlog, Waiting
from taxi_predict.documents import Documents
from taxi_predict.entries import Entry, decode
from taxi_predict.metrics import Metrics
from taxi_store.encoding import encoded

logger = logging.getLogger(__name__)

#: Whoever is not in the idle class stalls the workers for as long as a batch takes.
_SMALL_BATCH: Final = 200
_BATCH: Final = 500
_LARGE_BATCH: Final = 2000
#: Requests that want the whole core may keep the log behind for so long, seconds; after twice
#: that, batches are large: they cost less for each record.
_BEHIND_SECONDS: Final = 10.0
_PAUSE_SECONDS: Final = 0.2
_MEASURE_SECONDS: Final = 1.0
_LONGEST_PAUSE: Final = 5.0
BEAT_FILE: Final = "delivery.beat"


class Destination(Protocol):
    """Takes encoded prediction records."""

    name: str

    def write(self, records: Sequence[bytes]) -> None:
        """Write all; raise TaxiError when it did not work."""


class Scorer(Protocol):
    """Adds other versions' answers to records."""

    def score(self, records: Sequence[PredictionRecord]) -> list[PredictionRecord]:
        """Return them with `shadow`; must not fail because a version cannot be loaded."""


class Delivery:
    """Moves records on, oldest first.

    Args:
        backlog: Where records wait.
        log: The destination that decides whether a record was delivered.
        listener: Told afterwards, best effort: it fills its gaps from the log itself.
        scorer: Scores records before they are written, or None.
        metrics: Counters.
        beat: File that is touched in each round, for who watches.
        clock: Seconds, for pauses.
    """

    def __init__(
        self,
        backlog: Backlog,
        log: Destination,
        listener: Destination | None,
        scorer: Scorer | None,
        metrics: Metrics,
        beat: Path,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._backlog = backlog
        self._log = log
        self._listener = listener
        self._scorer = scorer
        self._metrics = metrics
        self._beat = beat
        self._clock = clock
        self._documents = Documents()
        self._untold: list[bytes] = []
        self._stop = threading.Event()
        self._turn = threading.Lock()
        self._failures = 0
        self._caught_up_at = clock()
        self._listener_back_at = clock()
        self._measured_at = clock() - _MEASURE_SECONDS

    def stop(self) -> None:
        """Let `run` end when nothing waits any more; safe in a signal handler."""
        self._stop.set()

    def run(self, drain_seconds: float) -> None:
        """Deliver until told to stop, and then what waits, but for `drain_seconds` at most.

        A thread of the idle class does the work while it keeps up. It also ends when its parent
        does: a successor reads on where it stopped.
        """
        parent = os.getppid()
        deadline: float | None = None
        idle = threading.Thread(target=self._run_idle, name="idle", daemon=True)
        idle.start()
        while os.getppid() == parent and (idle.is_alive() or self._stop.is_set()):
            self._beat.touch()
            if self._stop.is_set() and deadline is None:
                deadline = time.monotonic() + drain_seconds
            if deadline is not None and time.monotonic() > deadline:
                break
            self._measure()
            most = self._most()
            moved = self._round(most) if most else 0
            if moved == 0 and self._failures == 0 and self._stop.is_set():
                break
            if moved < most or not most:
                self._pause(_PAUSE_SECONDS)
        if waiting := self._backlog.bytes():
            logger.warning("records stay in the spool", extra={"bytes": waiting})

    def _most(self) -> int:
        """Return how many records a batch beside the idle class may have, 0 for none."""
        behind = self._clock() - self._caught_up_at
        if self._stop.is_set() or behind > 2 * _BEHIND_SECONDS:
            return _LARGE_BATCH
        return _SMALL_BATCH if behind > _BEHIND_SECONDS else 0

    def _run_idle(self) -> None:
        """Deliver in the time that the core has left: requests do not notice it.

        A thread that went into the idle class does not get out of it again without a privilege
        that pods do not have, hence the other one.
        """
        with contextlib.suppress(PermissionError):
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
        while not self._stop.is_set():
            if self._round(_BATCH) < _BATCH:
                # Patience makes one batch of many single rides.
                self._pause(_PAUSE_SECONDS)

    def _round(self, most: int) -> int:
        """Deliver one batch; return how many records."""
        with self._turn:
            if not self._backlog.claim():
                return 0
            try:
                return self._deliver(most)
            except (TaxiError, OSError) as error:
                self._failures += 1
                self._metrics.log_writes.labels(self._log.name, "error").inc()
                if self._failures == 1:
                    logger.warning("log does not take records", extra={"reason": str(error)})
        longest = min(0.1 * 2 ** min(self._failures, 10), _LONGEST_PAUSE)
        self._pause(random.uniform(longest / 2, longest))
        return 0

    def _deliver(self, most: int) -> int:
        waiting = self._backlog.next(most)
        payloads = waiting.payloads
        entries, strange = _decoded(payloads)
        records = self._encoded(entries)
        if records:
            self._log.write(records)
            self._metrics.log_writes.labels(self._log.name, "ok").inc()
            self._metrics.logged_records.labels(self._log.name).inc(len(records))
        if self._failures:
            logger.info("log takes records again", extra={"failures": self._failures})
            self._failures = 0
        self._backlog.confirm(waiting)
        self._report(waiting, strange)
        self._untold += records
        if len(payloads) < most:
            self._caught_up_at = self._clock()
        if len(payloads) < most or len(self._untold) >= _LARGE_BATCH:
            self._tell_listener()
        return len(payloads)

    def _encoded(self, entries: Sequence[Entry]) -> list[bytes]:
        if self._scorer is None:
            return [self._documents.encoded(one) for one in entries]
        records = [one.record() for one in entries]
        return [encoded(one) for one in self._scorer.score(records)] if records else []

    def _report(self, waiting: Waiting, strange: Sequence[bytes]) -> None:
        """Say what could not be delivered."""
        if waiting.torn_bytes:
            logger.warning(
                "a record was cut off before it was answered", extra={"bytes": waiting.torn_bytes}
            )
        if waiting.damaged_bytes:
            logger.error("the spool is damaged", extra={"bytes": waiting.damaged_bytes})
            self._metrics.spool_lost.labels("damaged").inc(waiting.damaged_bytes)
        for payload in strange:
            # Its text is the only copy that is left.
            logger.error("a record cannot be read", extra={"payload": payload[:1000].hex()})
            self._metrics.spool_lost.labels("strange").inc(len(payload))

    def _tell_listener(self) -> None:
        records, self._untold = self._untold, []
        if not records or self._listener is None or self._clock() < self._listener_back_at:
            return
        try:
            self._listener.write(records)
        except TaxiError as error:
            logger.warning("monitor is not told", extra={"reason": str(error)})
            self._metrics.log_writes.labels(self._listener.name, "error").inc()
            self._listener_back_at = self._clock() + random.uniform(5.0, 10.0)
        else:
            self._metrics.log_writes.labels(self._listener.name, "ok").inc()
            self._metrics.logged_records.labels(self._listener.name).inc(len(records))

    def _pause(self, seconds: float) -> None:
        """Wait; a stop shortens it."""
        if self._stop.is_set():
            time.sleep(min(seconds, 0.05))
        else:
            self._stop.wait(seconds)

    def _measure(self) -> None:
        """Export what waits; counting costs, so not in each round."""
        now = self._clock()
        if now - self._measured_at < _MEASURE_SECONDS:
            return
        self._measured_at = now
        with self._turn:
            self._metrics.spool_bytes.set(self._backlog.bytes())
            self._metrics.spool_records.set(self._backlog.records())
            self._metrics.spool_age.set(self._backlog.oldest_age(time.time()))


def _decoded(payloads: Sequence[bytes]) -> tuple[list[Entry], list[bytes]]:
    """Return the entries, and the payloads that are none: one must not hold up the others."""
    entries, strange = [], []
    for payload in payloads:
        try:
            entries.append(decode(payload))
        except msgspec.DecodeError:
            strange.append(payload)
    return entries, strange
