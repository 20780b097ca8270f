"""From the spool to MongoDB and the monitor, in a watched thread of each worker."""

import logging
import random
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Final, Protocol

import msgspec

from taxi_domain.errors import TaxiError
from taxi_predict.metrics import Metrics
from taxi_predict.spool import Spool

logger = logging.getLogger(__name__)

_BATCH: Final = 200
_IDLE_SECONDS: Final = 0.2
_GATHER_SECONDS: Final = 0.05
_ORPHANS_SECONDS: Final = 2.0
_LONGEST_PAUSE: Final = 5.0


class Destination(Protocol):
    """Takes documents of prediction records."""

    name: str

    def write(self, documents: Sequence[dict[str, Any]]) -> None:
        """Write all; raise TaxiError when it did not work."""


class Scorer(Protocol):
    """Adds other versions' answers to documents."""

    def score(self, documents: Sequence[dict[str, Any]]) -> None:
        """Fill `shadow`; must not fail because a version cannot be loaded."""


class Delivery:
    """Moves records on; only what the log has confirmed leaves the spool.

    Args:
        spool: Where records wait.
        log: The destination that decides whether a record was delivered.
        listener: Told afterwards, best effort: it fills its gaps from the log itself.
        scorer: Scores records before they are written, or None.
        metrics: Counters.
    """

    def __init__(
        self,
        spool: Spool,
        log: Destination,
        listener: Destination | None,
        scorer: Scorer | None,
        metrics: Metrics,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._spool = spool
        self._log = log
        self._listener = listener
        self._scorer = scorer
        self._metrics = metrics
        self._clock = clock
        self._stop = threading.Event()
        self._failures = 0
        self._listener_back_at = 0.0
        self._orphans_at = 0.0
        self._thread = self._start()

    def is_alive(self) -> bool:
        """Tell whether the thread lives; a dead one is started again."""
        if self._thread.is_alive():
            return True
        if not self._stop.is_set():
            logger.error("delivery thread died and is started again")
            self._thread = self._start()
        return False

    def stop(self, drain_seconds: float) -> None:
        """Deliver what waits, but not longer than `drain_seconds`, and end."""
        self._stop.set()
        self._spool.arrived.set()
        self._thread.join(drain_seconds)
        waiting = self._spool.waiting_bytes()
        if waiting:
            logger.warning("records stay in the spool", extra={"bytes": waiting})
        if not self._thread.is_alive():
            self._spool.close()

    def _start(self) -> threading.Thread:
        thread = threading.Thread(target=self._run, name="delivery", daemon=True)
        thread.start()
        return thread

    def _run(self) -> None:
        while True:
            try:
                moved = self._deliver_one()
            except TaxiError as error:
                self._failures += 1
                self._metrics.log_writes.labels(self._log.name, "error").inc()
                if self._failures == 1:
                    logger.warning("log does not take records", extra={"reason": str(error)})
                self._pause()
                continue
            finally:
                self._measure()
            if moved:
                continue
            if self._stop.is_set():
                return
            self._spool.arrived.wait(_IDLE_SECONDS)
            if self._spool.arrived.is_set():
                # A little patience makes one batch of many single rides.
                self._stop.wait(_GATHER_SECONDS)
            self._spool.arrived.clear()

    def _deliver_one(self) -> bool:
        """Deliver one batch; return whether there was one."""
        now = self._clock()
        if now >= self._orphans_at:
            self._orphans_at = now + _ORPHANS_SECONDS
            if found := self._spool.adopt_orphans():
                logger.info("segments of an ended worker are read on", extra={"segments": found})
        waiting = self._spool.next_batch(_BATCH)
        if waiting is None:
            return False
        segment, batch = waiting
        documents = [_document(one) for one in batch.payloads]
        if documents:
            if self._scorer is not None:
                self._scorer.score(documents)
            self._log.write(documents)
            self._metrics.log_writes.labels(self._log.name, "ok").inc()
            self._metrics.logged_records.labels(self._log.name).inc(len(documents))
            if self._failures:
                logger.info("log takes records again", extra={"failures": self._failures})
                self._failures = 0
        if batch.torn:
            logger.warning("a record was cut off before it was answered", extra={"at": batch.end})
        self._spool.confirm(segment, batch)
        if documents:
            self._tell_listener(documents)
        return True

    def _tell_listener(self, documents: Sequence[dict[str, Any]]) -> None:
        if self._listener is None or self._clock() < self._listener_back_at:
            return
        try:
            self._listener.write(documents)
        except TaxiError as error:
            logger.warning("monitor is not told", extra={"reason": str(error)})
            self._metrics.log_writes.labels(self._listener.name, "error").inc()
            self._listener_back_at = self._clock() + random.uniform(5.0, 10.0)
        else:
            self._metrics.log_writes.labels(self._listener.name, "ok").inc()
            self._metrics.logged_records.labels(self._listener.name).inc(len(documents))

    def _pause(self) -> None:
        """Wait before the next try, longer each time, with jitter; a stop shortens it."""
        longest = min(0.1 * 2 ** min(self._failures, 10), _LONGEST_PAUSE)
        pause = random.uniform(longest / 2, longest)
        if self._stop.is_set():
            time.sleep(min(pause, 0.5))
        else:
            self._stop.wait(pause)

    def _measure(self) -> None:
        waiting = self._spool.waiting_bytes()
        self._metrics.spool_bytes.set(waiting)
        self._metrics.spool_records.set(self._spool.waiting_records())
        self._metrics.spool_age.set(self._spool.oldest_age(self._clock()))


def _document(payload: bytes) -> dict[str, Any]:
    document: dict[str, Any] = msgspec.json.decode(payload)
    document["ts"] = datetime.fromisoformat(document["ts"]).astimezone(UTC)
    if document["pickup_at"] is not None:
        # Local time without a zone, as the client sent it; MongoDB keeps it as it stands.
        document["pickup_at"] = datetime.fromisoformat(document["pickup_at"])
    return document
