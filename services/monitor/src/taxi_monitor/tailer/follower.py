"""Reads what is stored in a collection of the log, each item once."""

import threading
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from taxi_monitor.windows.lately import Lately
from taxi_store.log.prediction_log import Stored

#: How far a writer's clock may be behind the monitor's; items also become visible a little late.
OVERLAP: Final = timedelta(seconds=20)
#: What was stored so long before a look can be seen by it as a rule; what came before is counted.
SETTLED: Final = timedelta(seconds=2)
#: Items that are remembered.
MAX_TAKEN: Final = 100_000
#: Times are stored in whole milliseconds.
_TICK: Final = timedelta(milliseconds=1)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
#: When an item was stored that is ahead of the clock, or was not read yet.
_OPEN: Final = 0


class Follower:
    """Follows one collection by the time of storing.

    A whole look begins `OVERLAP` before the last whole one began; what was taken then is passed
    over by its id. It is not even read where the log has as many items of that time, up to
    `SETTLED` before the last look, as were taken: a late one among them makes one more. Since one
    may be deleted meanwhile, which makes one less, a look is whole at least every `OVERLAP`. Where
    more than `max_taken` were stored in that time, it begins after the newest that is not
    remembered: nothing is taken for ever anew.

    Args:
        clock: Tells the time; the first look begins `OVERLAP` before now.
        max_taken: Items that are remembered, at least.
    """

    def __init__(self, clock: Callable[[], datetime], max_taken: int = MAX_TAKEN) -> None:
        self._clock = clock
        #: When the last look began, and the last one that read all.
        self._since = self._whole = clock()
        self._forgotten = datetime.min.replace(tzinfo=UTC)
        #: When items were stored, milliseconds since the epoch, or `_OPEN`.
        self._taken = Lately(max_taken)
        self._anew = False
        self._lock = threading.Lock()

    def follow(
        self,
        read: Callable[[datetime], Iterable[list[Stored]]],
        count: Callable[[datetime, datetime], int],
        take: Callable[[list[Stored]], None],
    ) -> None:
        """Take what was stored since the last look; one that fails goes on with the next.

        Args:
            read: Yields what was stored after a time, in the order of storing.
            count: Counts what was stored after a time and up to another.
            take: Called with those that were not taken yet.
        """
        begin = self._clock()
        since = reached = max(self._whole - OVERLAP, self._forgotten)
        try:
            start = since if begin - self._whole >= OVERLAP else self._unread(since, count)
            with self._lock:
                # What is not read again was deleted, and is not to be counted as taken.
                self._taken.renumber(_milliseconds(start), _OPEN)
            for items in read(start):
                if fresh := self._fresh(items):
                    take(fresh)
                reached, now = items[-1].stored_at, self._clock()
                # What is ahead of the clock must not hide what is stored next.
                times = [
                    _milliseconds(one.stored_at) if one.stored_at <= now else _OPEN for one in items
                ]
                with self._lock:
                    self._remember([one.row_id for one in items], times)
        except Exception:
            with self._lock:
                # More of the same time may not have been read.
                self._forgotten = max(since, min(self._forgotten, reached - _TICK))
            raise
        self._since, self._anew = begin, False
        if start == since:
            self._whole = begin

    def mark(self, row_ids: Iterable[str]) -> None:
        """Remember what was taken in another way; any thread may call it."""
        ids = list(row_ids)
        with self._lock:
            known = self._taken.get(ids)
            # When one was stored stays known.
            self._remember(ids, [max(one, _OPEN) for one in known.tolist()])

    def rewind(self, since: datetime) -> None:
        """Take all anew that is stored since a time, less the overlap."""
        with self._lock:
            self._taken.clear()
            self._since, self._whole = min(self._since, since), min(self._whole, since)
            self._forgotten = datetime.min.replace(tzinfo=UTC)
            # Also what another thread marks meanwhile: it may have taken it before.
            self._anew = True

    def _unread(self, since: datetime, count: Callable[[datetime, datetime], int]) -> datetime:
        """Return from when on there may be what was not read."""
        upto = self._since - SETTLED
        if upto <= since:
            return since
        with self._lock:
            taken = self._taken.count(_milliseconds(since), _milliseconds(upto))
        return upto if count(since, upto) == taken else since

    def _fresh(self, items: list[Stored]) -> list[Stored]:
        with self._lock:
            if self._anew:
                return items
            taken = self._taken.has([one.row_id for one in items]).tolist()
        return [one for one, known in zip(items, taken, strict=True) if not known]

    def _remember(self, row_ids: Sequence[str], stored_at: Sequence[int]) -> None:
        """Remember when items were stored; the caller holds the lock."""
        gone = self._taken.update(row_ids, stored_at)
        if len(gone) and (newest := int(gone.max())) != _OPEN:
            self._forgotten = max(self._forgotten, _EPOCH + newest * _TICK)


def _milliseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // _TICK
