"""How many rows and labels could be seen only after the log was read past them."""

from collections import deque
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from pymongo.database import Database

from taxi_monitor.evidence.log_order import LabelsRead, LogOrder
from taxi_store.connection import Document
from taxi_store.log.stored_order import Place, labels_stored
from taxi_store.verdicts.block_verdict import BlockVerdict

#: What was read is counted again so long afterwards.
_AGAIN: Final = timedelta(minutes=2)
_MAX_WAITING: Final = 200
_MAX_READ: Final = 2000


class _Waiting(NamedTuple):
    due: datetime
    after: Place | None
    last: Place
    rows: int


class LateRows:
    """Counts rows that can be seen only after their block was closed; it stays as it is.

    Args:
        count_after: Counts the rows between two places of the log, the first of which is None where
            it begins.
    """

    def __init__(self, count_after: Callable[[Place | None, Place], int]) -> None:
        self._count_after = count_after
        self._waiting: deque[_Waiting] = deque(maxlen=_MAX_WAITING)
        self.count = 0

    def closed(self, verdict: BlockVerdict, after: Place | None, now: datetime) -> None:
        """Let the block of a verdict be counted again later.

        Args:
            verdict: Of the block.
            after: The last row of the block before.
            now: The time, UTC.
        """
        last = Place(verdict.cursor.stored_at, verdict.cursor.row_id)
        self._waiting.append(_Waiting(now + _AGAIN, after, last, verdict.rows))

    def look(self, now: datetime) -> int:
        """Count what is due; return how many rows were late.

        Raises:
            StoreUnavailableError: MongoDB does not answer.
        """
        found = 0
        while self._waiting and self._waiting[0].due <= now:
            one = self._waiting[0]
            rows = self._count_after(one.after, one.last)
            found += max(0, rows - one.rows)
            self._waiting.popleft()
        self.count += found
        return found


class LateLabels:
    """Counts labelled rows whose label can be seen only after the log was read past it.

    They are in no block, but where a monitor that begins anew reads that part again.

    Args:
        database: Where the log is.
        order: Reads it once more where labels came; nobody is told of what it reads.
    """

    def __init__(self, database: Database[Document], order: LogOrder) -> None:
        self._database = database
        self._order = order
        self._waiting: deque[tuple[datetime, LabelsRead]] = deque(maxlen=_MAX_READ)
        self.count = 0

    def read(self, part: LabelsRead, now: datetime) -> None:
        """Let a part of the log be counted again later."""
        self._waiting.append((now + _AGAIN, part))

    def look(self, now: datetime) -> int:
        """Count what is due; return how many were late.

        Raises:
            StoreUnavailableError: MongoDB does not answer.
        """
        found = 0
        while self._waiting and self._waiting[0][0] <= now:
            _, part = self._waiting[0]
            if labels_stored(self._database, part.begin, part.end) > part.labels:
                # Those of other versions' rows, too: only now are the rows looked at.
                rows = sum(map(len, self._order.labelled(part.begin, None, part.end)))
                found += max(0, rows - part.rows)
            self._waiting.popleft()
        self.count += found
        return found
