"""From the spool to MongoDB and the monitor, in a process of its own.

The workers only append: whatever happens to MongoDB, the monitor or this process, requests
do not notice. Only what the log has confirmed leaves the spool.
"""

import logging
import random
import time
from collections.abc import Callable, Sequence
from typing import Final, Protocol

import msgspec

from taxi_domain.errors import TaxiError
from taxi_domain.logs import ROW_ID
from taxi_domain.metrics import (
    PREDICTOR_LOG_WRITES,
    PREDICTOR_LOGGED_RECORDS,
    PREDICTOR_SPOOL_BYTES,
    PREDICTOR_SPOOL_LOST,
    PREDICTOR_SPOOL_OLDEST_AGE,
    PREDICTOR_SPOOL_RECORDS,
)
from taxi_domain.records import PredictionRecord
from taxi_predict.delivery.bson_template import BsonTemplates
from taxi_predict.delivery.refusals import RefusalSlots
from taxi_predict.metrics import Metrics
from taxi_predict.spool.reader import PendingBatch, SpoolReader
from taxi_predict.spool.record import Entry, decode
from taxi_store.log.encoding import encoded

logger = logging.getLogger(__name__)

_MEASURE_SECONDS: Final = 1.0
_MAX_PAUSE: Final = 5.0
#: The listener is told when nothing more waits, or so many records or bytes were delivered.
_MAX_UNNOTIFIED: Final = 2000
_MAX_UNNOTIFIED_BYTES: Final = 2 * 1024 * 1024

#: An answered row, and the names of its values.
NamedEntry = tuple[Entry, Sequence[str]]


class Sink(Protocol):
    """Takes encoded prediction records."""

    name: str

    def write(self, records: Sequence[bytes]) -> None:
        """Write all; raise TaxiError when it did not work."""


class Scorer(Protocol):
    """Adds other versions' answers to records."""

    def refresh(self) -> None:
        """Load what is needed."""

    def score(self, records: Sequence[PredictionRecord]) -> list[PredictionRecord]:
        """Return them with `shadow`; must not fail because a version cannot be loaded."""


class Shipper:
    """Moves records on, oldest first.

    Args:
        spool: Where records wait.
        log: The destination that decides whether a record was delivered.
        listener: Told afterwards, best effort: it fills its gaps from the log itself.
        scorer: Scores records before they are written, or None.
        metrics: Counters.
        refusals: Tells what was refused, or None.
        clock: Seconds, for pauses.
    """

    def __init__(  # noqa: PLR0913 - its parts, put together in one place
        self,
        spool: SpoolReader,
        log: Sink,
        listener: Sink | None,
        scorer: Scorer | None,
        metrics: Metrics,
        *,
        refusals: RefusalSlots | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._refusals = refusals
        self._spool = spool
        self._log = log
        self._listener = listener
        self._scorer = scorer
        self._metrics = metrics
        self._clock = clock
        self._documents = BsonTemplates()
        self._unnotified: list[bytes] = []
        self._failures = 0
        self._listener_back_at = clock()
        self._measured_at = clock() - _MEASURE_SECONDS
        #: Seconds to wait after a failure; 0 when the last batch was delivered.
        self.pause = 0.0

    def batch(self, limit: int) -> int:
        """Deliver at most `limit` records; return how many, 0 after a failure too."""
        if not self._spool.claim():
            return 0
        try:
            moved = self._deliver(limit)
        except (TaxiError, OSError) as error:
            self._failures += 1
            self._metrics[PREDICTOR_LOG_WRITES].labels(self._log.name, "error").inc()
            if self._failures == 1:
                logger.warning("log does not take records", extra={"reason": str(error)})
            longest = min(0.1 * 2 ** min(self._failures, 10), _MAX_PAUSE)
            self.pause = random.uniform(longest / 2, longest)
            return 0
        if self._failures:
            logger.info("log takes records again", extra={"failures": self._failures})
        self._failures, self.pause = 0, 0.0
        return moved

    def refresh(self) -> None:
        """Load the version that scores, if there is one, and tell what was refused."""
        if self._scorer is not None:
            self._scorer.refresh()
        if self._refusals is not None:
            self._refusals.look()

    def measure(self) -> None:
        """Export what waits; counting costs, so once a second at most."""
        now = self._clock()
        if now - self._measured_at < _MEASURE_SECONDS:
            return
        self._measured_at = now
        try:
            waiting = self._spool.waiting_bytes(), self._spool.waiting_records()
            entries, _ = self._decoded(self._spool.oldest())
        except OSError as error:
            logger.warning("the spool cannot be measured", extra={"reason": str(error)})
            return
        self._metrics[PREDICTOR_SPOOL_BYTES].set(waiting[0])
        self._metrics[PREDICTOR_SPOOL_RECORDS].set(waiting[1])
        answered = min((entry.milliseconds / 1000 for entry, _ in entries), default=None)
        self._metrics[PREDICTOR_SPOOL_OLDEST_AGE].set(
            0.0 if answered is None else max(0.0, time.time() - answered)
        )

    def waiting_bytes(self) -> int:
        """Return the bytes that wait."""
        return self._spool.waiting_bytes()

    def _deliver(self, limit: int) -> int:
        waiting = self._spool.next(limit)
        payloads = waiting.payloads
        entries, malformed = self._decoded(payloads)
        records = self._encoded(entries)
        if records:
            self._log.write(records)
            self._metrics[PREDICTOR_LOG_WRITES].labels(self._log.name, "ok").inc()
            self._metrics[PREDICTOR_LOGGED_RECORDS].labels(self._log.name).inc(len(records))
        self._spool.confirm(waiting)
        self._report(waiting, malformed)
        self._unnotified += records
        if len(payloads) < limit or self._much_unnotified():
            self._notify_listener()
        return len(payloads)

    def _decoded(self, payloads: Sequence[bytes]) -> tuple[list[NamedEntry], list[bytes]]:
        """Return the entries, and payloads that are none: one must not hold up the others.

        Raises:
            OSError: names of values cannot be read now.
        """
        columns_of = self._spool.columns.of
        entries: list[NamedEntry] = []
        malformed = []
        for payload in payloads:
            try:
                entry = decode(payload)
            except msgspec.DecodeError:
                malformed.append(payload)
                continue
            columns = columns_of(entry.model_version)
            if columns is None or len(columns) != len(entry.values):
                malformed.append(payload)
            else:
                entries.append((entry, columns))
        return entries, malformed

    def _encoded(self, entries: Sequence[NamedEntry]) -> list[bytes]:
        if self._scorer is None:
            return [self._documents.encoded(entry, columns) for entry, columns in entries]
        records = [entry.record(columns) for entry, columns in entries]
        return [encoded(record) for record in self._scorer.score(records)] if records else []

    def _report(self, waiting: PendingBatch, malformed: Sequence[bytes]) -> None:
        """Say what could not be delivered."""
        if waiting.torn_bytes:
            logger.warning(
                "a record was cut off before it was answered", extra={"bytes": waiting.torn_bytes}
            )
        if waiting.damaged_bytes:
            logger.error("the spool is damaged", extra={"bytes": waiting.damaged_bytes})
            self._metrics[PREDICTOR_SPOOL_LOST].labels("damaged").inc(waiting.damaged_bytes)
        for payload in malformed:
            # Its text is the only copy that is left.
            told = {"payload": payload[:1000].hex(), **_named(payload)}
            logger.error("a record cannot be read", extra=told)
            self._metrics[PREDICTOR_SPOOL_LOST].labels("malformed").inc(len(payload))

    def _much_unnotified(self) -> bool:
        records = self._unnotified
        return len(records) >= _MAX_UNNOTIFIED or sum(map(len, records)) >= _MAX_UNNOTIFIED_BYTES

    def _notify_listener(self) -> None:
        records, self._unnotified = self._unnotified, []
        if not records or self._listener is None or self._clock() < self._listener_back_at:
            return
        try:
            self._listener.write(records)
        except TaxiError as error:
            logger.warning("monitor is not told", extra={"reason": str(error)})
            self._metrics[PREDICTOR_LOG_WRITES].labels(self._listener.name, "error").inc()
            self._listener_back_at = self._clock() + random.uniform(5.0, 10.0)
        else:
            self._metrics[PREDICTOR_LOG_WRITES].labels(self._listener.name, "ok").inc()
            self._metrics[PREDICTOR_LOGGED_RECORDS].labels(self._listener.name).inc(len(records))


def _named(payload: bytes) -> dict[str, str]:
    """Return the id of a record whose values cannot be named, nothing of one that is none."""
    try:
        return {ROW_ID: decode(payload).row_id}
    except msgspec.DecodeError:
        return {}
