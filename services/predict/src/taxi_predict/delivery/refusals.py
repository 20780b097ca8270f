"""What the workers refused, written down now and then: the log has answered rows only.

A monitor that sees answers alone finds nothing wrong with clients half of whose rows are refused.
The counts are the workers' counters, so requests pay nothing for it.
"""

import logging
import random
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Protocol

from prometheus_client import Metric

from taxi_domain.errors import TaxiError
from taxi_domain.metrics import PREDICTOR_MODEL_INFO, PREDICTOR_REFUSED
from taxi_store.log.refusals import Refusals

logger = logging.getLogger(__name__)

#: Length of a slot.
_SLOT_SECONDS: Final = 10.0
#: Reasons that are no fields.
_WORDS: Final = frozenset(values[0] for values in PREDICTOR_REFUSED.series)


class Write(Protocol):
    """Writes a slot; a repeat under the same id changes nothing."""

    def __call__(self, slot: str, version: str, at: datetime, refused: Refusals) -> None:
        """Raise TaxiError when it did not work."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    slot: str
    version: str
    refused: Refusals


class RefusalSlots:
    """Writes down what was refused since the last slot.

    What was refused before it began is not told: a delivery of before may have told it.

    Args:
        read: Returns the counters of all workers.
        write: Writes a slot.
        pod: Name of the pod.
        clock: Seconds since the epoch.
    """

    def __init__(
        self,
        read: Callable[[], Iterable[Metric]],
        write: Write,
        pod: str,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._read = read
        self._write = write
        self._pod = pod
        self._clock = clock
        self._known: dict[str, int] | None = None
        self._waiting: _Waiting | None = None
        self._next_at = clock()

    def look(self) -> None:
        """Write a slot when one is over; one that fails is written the next time, before others."""
        if self._clock() < self._next_at:
            return
        self._next_at = self._clock() + _SLOT_SECONDS * random.uniform(0.9, 1.1)
        try:
            if self._waiting is None:
                self._waiting = self._slot()
            if self._waiting is not None:
                one, now = self._waiting, datetime.fromtimestamp(self._clock(), UTC)
                self._write(one.slot, one.version, now, one.refused)
                self._waiting = None
        except TaxiError as error:
            logger.warning("refused rows are not told", extra={"reason": str(error)})

    def _slot(self) -> _Waiting | None:
        samples = list(_samples(self._read()))
        versions = [
            labels["version"]
            for name, labels, value in samples
            if name == PREDICTOR_MODEL_INFO.name and value
        ]
        counts = {
            labels["reason"]: int(value)
            for name, labels, value in samples
            if name == PREDICTOR_REFUSED.name and labels["reason"] not in _WORDS
        }
        if self._known is None:
            self._known = counts
            return None
        before = self._known
        fields = {
            field: count - before.get(field, 0)
            for field, count in counts.items()
            if count > before.get(field, 0)
        }
        if not fields or len(versions) != 1:
            return None
        self._known = counts
        slot = f"{self._pod}/{int(self._clock() * 1000)}"
        return _Waiting(slot, versions[0], Refusals(sum(fields.values()), fields))


def _samples(metrics: Iterable[Metric]) -> Iterator[tuple[str, dict[str, str], float]]:
    for metric in metrics:
        for sample in metric.samples:
            yield sample.name, sample.labels, sample.value
