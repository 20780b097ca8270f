"""Reads records of the log as columns, and fills the windows of a version."""

from collections.abc import Iterator, Sequence

import numpy as np
from pymongo.database import Database

from taxi_domain.mongodb import PREDICTIONS
from taxi_monitor.records.batch import RecordBatch, part_of
from taxi_monitor.records.bson import Decoder
from taxi_monitor.windows.versions import WatchedVersion
from taxi_store.connection import Document
from taxi_store.log import encoded_pages
from taxi_store.log.malformed import Unreadable
from taxi_store.log.prediction_log import labels_of

#: Records are looked at where some cannot be read, or have no label, so many times as are wanted.
_UNREADABLE_TIMES = 10
_UNLABELLED_TIMES = 50


class LogReader:
    """Reads the log; safe for several threads.

    Args:
        database: Where the log is.
        unreadable: Is told what cannot be read; it is left out.
    """

    def __init__(self, database: Database[Document], unreadable: Unreadable) -> None:
        self._database = database
        self._unreadable = unreadable
        self._decoder = Decoder()

    def batches_of(self, row_ids: Sequence[str]) -> Iterator[RecordBatch]:
        """Yield the records of rows that are in the log, each row once."""
        return map(self.decoded, encoded_pages.pages_of(self._database, row_ids))

    def fill(self, watched: WatchedVersion, rows: int, error_rows: int) -> None:
        """Fill a version's windows.

        Args:
            watched: The version; its windows are empty.
            rows: Records that are wanted.
            error_rows: Labelled records that are wanted, of such labels as errors count.

        Raises:
            StoreUnavailableError: MongoDB does not answer.
        """
        labelled = _Labelled(self._database, self._unreadable, watched, error_rows)
        most = max(rows * _UNREADABLE_TIMES, error_rows * _UNLABELLED_TIMES)
        for batch in self._newest(watched.version, most):
            if rows > 0:
                watched.add(batch if len(batch) <= rows else part_of(batch, range(rows)))
                rows -= len(batch)
            if not labelled.full:
                labelled.add(batch)
            if rows <= 0 and labelled.full:
                return

    def _newest(self, version: str, most: int) -> Iterator[RecordBatch]:
        return map(self.decoded, encoded_pages.newest_pages(self._database, version, most))

    def decoded(self, page: bytes) -> RecordBatch:
        """Return the records of a page that can be read."""
        batch, refused = self._decoder.decoded(page)
        for one in refused:
            self._unreadable.add(PREDICTIONS, one.document_id, one.error)
        return batch


class _Labelled:
    """Fills the windows of labelled rows of a version, from the newest rows to the oldest."""

    def __init__(
        self,
        database: Database[Document],
        unreadable: Unreadable,
        watched: WatchedVersion,
        rows: int,
    ) -> None:
        self._database = database
        self._unreadable = unreadable
        self._watched = watched
        self._wanted = self._uncounted = rows
        self._unseen = rows * _UNLABELLED_TIMES

    @property
    def full(self) -> bool:
        """Whether no more rows are wanted, or looked at."""
        return self._uncounted == 0 or self._unseen <= 0

    def add(self, batch: RecordBatch) -> None:
        """Take those that have a label."""
        watched = self._watched
        self._unseen -= len(batch)
        labels = labels_of(self._database, batch.ids, self._unreadable)
        chosen = []
        for place, row_id in enumerate(batch.ids):
            label = labels.get(row_id)
            if label is None:
                continue
            counts = watched.schema.target.is_evaluated(label.value)
            # Beyond the newest rows only labels that errors count matter.
            if counts or self._wanted > 0:
                chosen.append(place)
                self._wanted -= 1
                self._uncounted -= counts
            if self._uncounted == 0:
                break
        part = part_of(batch, chosen)
        watched.join(part.ids, np.array([labels[one].value for one in part.ids]), part)
