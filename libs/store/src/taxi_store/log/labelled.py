"""Labelled rows for training: as many as memory allows, however long the log is."""

import hashlib
import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from pymongo.database import Database

from taxi_domain.models import Alias
from taxi_domain.mongodb import PREDICTIONS
from taxi_domain.records import PredictionRecord
from taxi_store.connection import Document, translated
from taxi_store.log.malformed import Unreadable, lenient
from taxi_store.log.prediction_log import CHUNK, chunks, labels_of

#: Share of a sample that is simply the newest: after a drift only they show what is. The others
#: stand for all the time before, and for values that few rows have.
NEWEST_SHARE: Final = 0.9


@dataclass(frozen=True, slots=True)
class LabelledRow:
    """A logged row and its label, in the target's unit."""

    record: PredictionRecord
    label: float


def labelled_pieces(  # noqa: PLR0913 - one keyword for each restriction
    database: Database[Document],
    model: str,
    *,
    limit: int,
    unreadable: Unreadable,
    since: datetime | None = None,
    version: str | None = None,
) -> Iterator[list[LabelledRow]]:
    """Yield labelled rows in pieces: all of them, or a sample of `limit`.

    Each piece is in the order of time, and all of it is before the piece that came before. A reader
    that keeps columns of each needs little memory: records as dictionaries take many times theirs.

    A sample is mostly the newest rows and, of all before, those whose ids have the smallest
    hashes: each had the same chance, and the same log gives the same sample. The log is read
    once; only a tenth of `limit` is held here, whatever the log's length.

    Args:
        database: Where the log is.
        model: Name of the model whose rows are wanted.
        limit: Most rows of all pieces.
        unreadable: Is told what cannot be read; it is left out.
        since: Only rows answered at or after this time.
        version: Only rows that it answered as the champion; None: those of all versions and roles.
    """
    selector: Document = {"model": model}
    if version is not None:
        selector |= {"model_version": version, "model_role": str(Alias.CHAMPION)}
    if since is not None:
        selector["ts"] = {"$gte": since}
    newest = 0
    sample = _Sample(limit)
    most_newest = max(1, int(limit * NEWEST_SHARE))
    with translated():
        found = lenient(database, PREDICTIONS).find(selector).sort([("ts", -1), ("_id", -1)])
        for chunk in chunks(unreadable.named(found.batch_size(CHUNK))):
            wanted = chunk if newest < most_newest else list(filter(sample.wants, chunk))
            labels = labels_of(database, (one["_id"] for one in wanted), unreadable)
            labelled = (one for one in wanted if one["_id"] in labels)
            rows = [
                LabelledRow(record, labels[record.row_id].value)
                for record in unreadable.records(labelled)
            ]
            piece = rows[: most_newest - newest]
            newest += len(piece)
            sample.room = limit - newest
            for row in rows[len(piece) :]:
                sample.add(row)
            if piece:
                yield piece[::-1]
    yield from sample.pieces()


class _Sample:
    """The rows with the smallest hashes of their ids."""

    def __init__(self, room: int) -> None:
        self.room = room
        self._heap: list[tuple[int, str, LabelledRow]] = []

    def wants(self, document: Document) -> bool:
        """Tell whether a row can still come in; it is not decoded for that."""
        if len(self._heap) < self.room:
            return True
        return bool(self._heap) and -_hash(document["_id"]) >= self._heap[0][0]

    def add(self, row: LabelledRow) -> None:
        """Take a row; the one with the largest hash goes when there is no room."""
        row_id = row.record.row_id
        # The id decides between equal hashes: rows have no order.
        entry = (-_hash(row_id), row_id, row)
        if len(self._heap) < self.room:
            heapq.heappush(self._heap, entry)
        elif self._heap:
            heapq.heappushpop(self._heap, entry)

    def pieces(self) -> Iterator[list[LabelledRow]]:
        """Give away what it has, as `labelled_pieces` does."""
        chosen = [row for _, _, row in self._heap]
        self._heap.clear()
        chosen.sort(key=lambda row: (row.record.ts, row.record.row_id))
        while chosen:
            piece = chosen[-CHUNK:]
            del chosen[-CHUNK:]
            yield piece


def _hash(row_id: str) -> int:
    return int.from_bytes(hashlib.blake2b(row_id.encode(), digest_size=8).digest())
