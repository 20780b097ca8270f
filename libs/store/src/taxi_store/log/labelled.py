"""Labelled rides for training: as many as memory allows, however long the log is."""

import hashlib
import heapq
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from pymongo.database import Database

from taxi_domain.mongodb import PREDICTIONS
from taxi_domain.records import PredictionRecord
from taxi_store.connection import Document, translated
from taxi_store.log.malformed import Unreadable, lenient
from taxi_store.log.prediction_log import CHUNK, chunks, labels_of

#: Share of a sample that is simply the newest: after a drift only they show what is. The others
#: stand for all the time before, and for places that few rides go to.
NEWEST_SHARE: Final = 0.9


@dataclass(frozen=True, slots=True)
class LabelledRide:
    """A logged ride and its true duration, minutes."""

    record: PredictionRecord
    duration: float


def labelled_rides(
    database: Database[Document],
    model: str,
    *,
    limit: int,
    unreadable: Unreadable,
    since: datetime | None = None,
    until: datetime | None = None,
) -> list[LabelledRide]:
    """Return labelled rides, oldest first: all of them, or a sample of `limit`.

    A sample is mostly the newest rides and, of all before, those whose ids have the smallest
    hashes: each had the same chance, and the same log gives the same sample. The log is read
    once, in pieces; memory grows with `limit`, not with the log.

    Args:
        database: Where the log is.
        model: Name of the model whose rides are wanted (any version).
        limit: Most rides that are returned.
        unreadable: Is told what cannot be read; it is left out.
        since: Only rides answered at or after this time.
        until: Only rides answered before this time.
    """
    period = {
        key: moment for key, moment in (("$gte", since), ("$lt", until)) if moment is not None
    }
    selector: Document = {"model": model, **({"ts": period} if period else {})}
    newest: list[LabelledRide] = []
    sample = _Sample(limit)
    most_newest = max(1, int(limit * NEWEST_SHARE))
    with translated():
        found = lenient(database, PREDICTIONS).find(selector).sort([("ts", -1), ("_id", -1)])
        for chunk in chunks(unreadable.named(found.batch_size(CHUNK))):
            wanted = chunk if len(newest) < most_newest else list(filter(sample.wants, chunk))
            labels = labels_of(database, (one["_id"] for one in wanted), unreadable)
            labelled = (one for one in wanted if one["_id"] in labels)
            for record in unreadable.records(labelled):
                ride = LabelledRide(record, labels[record.ride_id].duration)
                if len(newest) < most_newest:
                    newest.append(ride)
                    sample.room = limit - len(newest)
                else:
                    sample.add(ride)
    return [*sample.rides(), *reversed(newest)]


class _Sample:
    """The rides with the smallest hashes of their ids."""

    def __init__(self, room: int) -> None:
        self.room = room
        self._heap: list[tuple[int, str, LabelledRide]] = []

    def wants(self, document: Document) -> bool:
        """Tell whether a ride can still come in; it is not decoded for that."""
        if len(self._heap) < self.room:
            return True
        return bool(self._heap) and -_hash(document["_id"]) >= self._heap[0][0]

    def add(self, ride: LabelledRide) -> None:
        """Take a ride; the one with the largest hash goes when there is no room."""
        ride_id = ride.record.ride_id
        # The id decides between equal hashes: rides have no order.
        entry = (-_hash(ride_id), ride_id, ride)
        if len(self._heap) < self.room:
            heapq.heappush(self._heap, entry)
        elif self._heap:
            heapq.heappushpop(self._heap, entry)

    def rides(self) -> list[LabelledRide]:
        """Return what it has, oldest first."""
        chosen = (ride for _, _, ride in self._heap)
        return sorted(chosen, key=lambda one: (one.record.ts, one.record.ride_id))


def _hash(ride_id: str) -> int:
    return int.from_bytes(hashlib.blake2b(ride_id.encode(), digest_size=8).digest())
