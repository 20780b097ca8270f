"""Reads what is stored in a collection of the log, each item once."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Final

from taxi_store.log.prediction_log import Stored

#: How far a writer's clock may be behind the monitor's; items also become visible a little late.
OVERLAP: Final = timedelta(seconds=20)
#: Items that are remembered.
MAX_TAKEN: Final = 100_000
#: Times are stored in whole milliseconds.
_TICK: Final = timedelta(milliseconds=1)


class Follower:
    """Follows one collection by the time of storing.

    Each look begins `OVERLAP` before the last one began; what was taken then is passed over by its
    id. Where more than `max_taken` were stored in that time, it begins after the newest that is
    not remembered: nothing is taken for ever anew.

    Args:
        clock: Tells the time; the first look begins `OVERLAP` before now.
        max_taken: Items that are remembered.
    """

    def __init__(self, clock: Callable[[], datetime], max_taken: int = MAX_TAKEN) -> None:
        self._clock = clock
        self._since = clock()
        self._max_taken = max_taken
        self._forgotten = datetime.min.replace(tzinfo=UTC)
        #: When items were stored; None where that is ahead of the clock or not known yet.
        self._taken: OrderedDict[str, datetime | None] = OrderedDict()
        self._anew = False
        self._lock = threading.Lock()

    def follow(
        self,
        read: Callable[[datetime], Iterable[list[Stored]]],
        take: Callable[[list[Stored]], None],
    ) -> None:
        """Take what was stored since the last look; one that fails goes on with the next.

        Args:
            read: Yields what was stored after a time, in the order of storing.
            take: Called with those that were not taken yet.
        """
        begin = self._clock()
        since = reached = max(self._since - OVERLAP, self._forgotten)
        try:
            for items in read(since):
                if fresh := self._fresh(items):
                    take(fresh)
                reached, now = items[-1].stored_at, self._clock()
                # What is ahead of the clock must not hide what is stored next.
                self._remember(
                    (one.row_id, one.stored_at if one.stored_at <= now else None) for one in items
                )
        except Exception:
            with self._lock:
                # More of the same time may not have been read.
                self._forgotten = max(since, min(self._forgotten, reached - _TICK))
            raise
        self._since, self._anew = begin, False

    def mark(self, row_ids: Iterable[str]) -> None:
        """Remember what was taken in another way; any thread may call it."""
        self._remember((row_id, None) for row_id in row_ids)

    def rewind(self, since: datetime) -> None:
        """Take all anew that is stored since a time, less the overlap."""
        with self._lock:
            self._taken.clear()
            self._since = min(self._since, since)
            self._forgotten = datetime.min.replace(tzinfo=UTC)
            # Also what another thread marks meanwhile: it may have taken it before.
            self._anew = True

    def _fresh(self, items: list[Stored]) -> list[Stored]:
        with self._lock:
            return [one for one in items if self._anew or one.row_id not in self._taken]

    def _remember(self, items: Iterable[tuple[str, datetime | None]]) -> None:
        with self._lock:
            for row_id, stored_at in items:
                self._taken[row_id] = stored_at or self._taken.get(row_id)
            while len(self._taken) > self._max_taken:
                _, stored_at = self._taken.popitem(last=False)
                self._forgotten = max(self._forgotten, stored_at or self._forgotten)
