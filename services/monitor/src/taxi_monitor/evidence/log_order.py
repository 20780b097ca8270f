"""Reads the rows of one version, and its labels, in the order of storing.

A labelled row has its place where the later of row and label was stored: there both are known to
whoever reads, now or later.
"""

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Final, NamedTuple

import numpy as np
from pymongo.database import Database

from taxi_domain.mongodb import PREDICTIONS
from taxi_monitor.evidence.pieces import Piece, Times, milliseconds_of, sorted_piece
from taxi_monitor.records.batch import RecordBatch, part_of
from taxi_monitor.records.bson import Decoder, documents_of
from taxi_monitor.windows.misfits import LOG
from taxi_monitor.windows.reader import RowReader
from taxi_monitor.windows.window import Floats, Mask
from taxi_store.connection import Document
from taxi_store.log import encoded_pages, stored_order
from taxi_store.log.malformed import Unreadable
from taxi_store.log.prediction_log import CHUNK
from taxi_store.log.stored_order import EARLIEST, Place, StoredLabel

#: Ids that are looked at together for labels that came before their rows.
_IDS: Final = 2 * CHUNK


class LabelsRead(NamedTuple):
    """A part of the log in the order of labels.

    Attributes:
        begin: The part is from then on.
        end: The part is before.
        labels: That were stored in it, of any version.
        rows: Of the version that have their place in it.
    """

    begin: datetime
    end: datetime
    labels: int
    rows: int


class LogOrder:
    """Reads one version's rows.

    Args:
        database: Where the log is.
        reader: Of the version.
        unreadable: Is told what cannot be read; it is left out.
        page_rows: Rows that are read at once.
        turned: Called before each page, of which there may be many without a row of the version;
            what it raises ends the reading.

    Attributes:
        labels_read: Told of each part of the log that was read for labels.
    """

    def __init__(
        self,
        database: Database[Document],
        reader: RowReader,
        unreadable: Unreadable,
        page_rows: int = CHUNK,
        turned: Callable[[], None] = lambda: None,
    ) -> None:
        self._database = database
        self._reader = reader
        self._unreadable = unreadable
        self._page_rows = page_rows
        self._turned = turned
        self._decoder = Decoder()
        self.labels_read: Callable[[LabelsRead], None] = lambda _: None

    def rows(self, begin: datetime, after: Place | None, end: datetime) -> Iterator[Piece]:
        """Yield the rows that were stored from a time on, behind a place of it, and before another.

        Raises:
            StoreUnavailableError: MongoDB does not answer.
        """
        while begin < end:
            self._turned()
            batch, over = self._page(begin, end)
            yield self._piece(batch, batch.stored_at, None, after)
            begin = over

    def labelled(self, begin: datetime, after: Place | None, end: datetime) -> Iterator[Piece]:
        """Yield the labelled rows that have their place from a time on, likewise.

        Raises:
            StoreUnavailableError: MongoDB does not answer.
        """
        version = self._reader.version
        if begin <= EARLIEST:
            # Years of other versions' labels may be before, or of rows without any; early labels
            # are found by their rows.
            first = stored_order.first_stored(self._database, version)
            labelled = stored_order.first_label_stored(self._database)
            begin = end if first is None or labelled is None else max(first, labelled)
        while begin < end:
            self._turned()
            labels = stored_order.labels_between(
                self._database, begin, end, self._page_rows, self._unreadable
            )
            rows = stored_order.ids_between(self._database, version, begin, labels.end, _IDS)
            known: dict[str, StoredLabel] = {
                one.label.row_id: one for one in labels.items if one.stored_at < rows.end
            }
            # Labels that came before their rows.
            for start in range(0, len(rows.items), CHUNK):
                ids = [one for one in rows.items[start : start + CHUNK] if one not in known]
                early = stored_order.stored_labels(self._database, ids, self._unreadable)
                known |= {one.label.row_id: one for one in early if one.stored_at < begin}
            count = sum(begin <= one.stored_at for one in known.values())
            placed = 0
            if known:
                batch, places, targets = self._joined(known, begin, rows.end)
                placed = len(batch)
                yield self._piece(batch, places, targets, after)
            self.labels_read(LabelsRead(begin, rows.end, count, placed))
            begin = rows.end

    def _page(self, begin: datetime, end: datetime) -> tuple[RecordBatch, datetime]:
        """Return the rows of some time, all of them, and when it is over."""
        most = self._page_rows
        while True:
            data = encoded_pages.stored_between(
                self._database, self._reader.version, begin, end, most
            )
            documents = documents_of(data)
            batch = self._decoded(documents.data)
            if len(documents) < most:
                return batch, end
            # More of the last time may not be among them.
            last = documents.document(len(documents) - 1)["stored_at"]
            if documents.document(0)["stored_at"] < last:
                whole = batch.stored_at < milliseconds_of(last)
                return _chosen(batch, whole), last
            most *= 2

    def _joined(
        self, known: dict[str, StoredLabel], begin: datetime, end: datetime
    ) -> tuple[RecordBatch, Times, Floats]:
        """Return the rows of labels that have their place in a time, with places and labels."""
        found = b"".join(encoded_pages.pages_of(self._database, list(known), self._reader.version))
        batch = self._decoded(found)
        labelled_at = np.array(
            [milliseconds_of(known[one].stored_at) for one in batch.ids], np.int64
        )
        places = np.maximum(batch.stored_at, labelled_at)
        here = (places >= milliseconds_of(begin)) & (places < milliseconds_of(end))
        batch, places = _chosen(batch, here), places[here]
        targets = np.array([known[one].label.value for one in batch.ids])
        return batch, places, targets

    def _decoded(self, data: bytes) -> RecordBatch:
        batch, refused = self._decoder.decoded(data)
        for one in refused:
            self._unreadable.add(PREDICTIONS, one.document_id, one.error)
        return batch

    def _piece(
        self,
        batch: RecordBatch,
        places: Times,
        targets: Floats | None,
        after: Place | None,
    ) -> Piece:
        chosen, answers = batch.answers(self._reader.version)
        rows = self._reader.rows_of(batch, chosen, answers, LOG)
        if targets is not None:
            rows = rows.labelled(targets[chosen])
        return sorted_piece(places[chosen], rows.ids, rows.ts, rows.table, after)


def _chosen(batch: RecordBatch, chosen: Mask) -> RecordBatch:
    return batch if chosen.all() else part_of(batch, np.flatnonzero(chosen).tolist())
