"""How many of the rows have labels, and how many came too late for their block."""

from collections import deque
from datetime import datetime, timedelta
from typing import Final, NamedTuple

import numpy as np
from pymongo.database import Database

from taxi_monitor.evidence.block import Block
from taxi_monitor.evidence.pieces import moment_of
from taxi_store.connection import Document
from taxi_store.log.stored_order import Place, answered_between, rows_after

#: A block's rows are counted again so long after it was closed.
_AGAIN: Final = timedelta(minutes=2)
_MAX_WAITING: Final = 200
#: Of a block of labels, the rows between these shares of their answer times stand for all: some
#: labels are of long ago.
_MIDDLE: Final = (0.1, 0.9)


def coverage_of(database: Database[Document], version: str, block: Block) -> float | None:
    """Return the share of rows that have a label, in the time that most of a block are of.

    None when all of them were answered at once.

    Raises:
        StoreUnavailableError: MongoDB does not answer.
    """
    ts = np.sort(block.piece.ts)
    low, high = (float(ts[int(share * (len(ts) - 1))]) for share in _MIDDLE)
    labelled = int(((ts >= low) & (ts <= high)).sum())
    # What is outside of the target's limits has a label, too.
    labelled += round(block.outside * labelled / len(ts))
    rows = answered_between(
        database, version, moment_of(int(low * 1000)), moment_of(int(high * 1000)), 100 * len(ts)
    )
    return min(1.0, labelled / rows) if rows else None


class _Waiting(NamedTuple):
    due: datetime
    after: Place | None
    last: Place
    rows: int


class LateRows:
    """Counts rows that can be seen only after their block was closed; it stays as it is.

    Args:
        database: Where the log is.
        version: Model version.
    """

    def __init__(self, database: Database[Document], version: str) -> None:
        self._database = database
        self._version = version
        self._waiting: deque[_Waiting] = deque(maxlen=_MAX_WAITING)
        self.count = 0

    def closed(self, block: Block, now: datetime) -> None:
        """Let a block be counted again later."""
        self._waiting.append(_Waiting(now + _AGAIN, block.after, block.place, len(block.piece)))

    def look(self, now: datetime) -> int:
        """Count what is due; return how many rows were late.

        Raises:
            StoreUnavailableError: MongoDB does not answer.
        """
        found = 0
        while self._waiting and self._waiting[0].due <= now:
            one = self._waiting[0]
            rows = rows_after(self._database, self._version, one.after, one.last)
            found += max(0, rows - one.rows)
            self._waiting.popleft()
        self.count += found
        return found
