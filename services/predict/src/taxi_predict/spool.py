"""The spool of one worker: where answers wait until MongoDB has them."""

import os
import threading
import time
from pathlib import Path
from typing import Final

from taxi_domain.errors import TaxiError
from taxi_predict.segments import Batch, Segment, frame, orphans

_SEGMENT_BYTES: Final = 8 * 1024 * 1024


class SpoolFullError(TaxiError):
    """The spool has no room; the ride cannot be logged now."""


class Spool:
    """Appends in request threads, is read by one delivery thread.

    Args:
        folder: Shared by the workers of a pod.
        max_bytes: This worker's share of the bound.
    """

    def __init__(self, folder: Path, max_bytes: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._active = self._new_segment()
        self._finished: list[Segment] = []
        self.arrived = threading.Event()

    def append(self, payloads: list[bytes]) -> None:
        """Append records, all or none.

        Raises:
            SpoolFullError: the bound is reached or the disk has no room.
        """
        data = b"".join(map(frame, payloads))
        with self._lock:
            if self._waiting_bytes() + len(data) > self._max_bytes:
                raise SpoolFullError(
                    f"spool: {self._max_bytes} bytes wait for MongoDB; try again later"
                )
            try:
                if self._active.size >= _SEGMENT_BYTES:
                    self._finished.append(self._active)
                    self._active = self._new_segment()
                self._active.append(data, len(payloads))
            except OSError as error:
                raise SpoolFullError(
                    f"spool: cannot be written ({error}); try again later"
                ) from error
        self.arrived.set()

    def next_batch(self, most_records: int) -> tuple[Segment, Batch] | None:
        """Return the oldest waiting records, None when all were delivered.

        Delivered segments that nobody writes any more are removed on the way.
        """
        for segment in self._readable():
            finished = segment is not self._active
            batch = segment.read(most_records, finished=finished)
            if batch.payloads or batch.torn:
                return segment, batch
            if finished:
                with self._lock:
                    self._finished.remove(segment)
                segment.remove()
        return None

    def adopt_orphans(self) -> int:
        """Take over what dead workers left behind; return how many segments."""
        with self._lock:
            own = {one.path for one in (*self._finished, self._active)}
        found = list(orphans(self._folder, own))
        with self._lock:
            self._finished = sorted([*self._finished, *found], key=lambda one: one.path.name)
        return len(found)

    def confirm(self, segment: Segment, batch: Batch) -> None:
        """Record that a batch was delivered."""
        with self._lock:
            segment.confirm(batch)

    def waiting_records(self) -> int:
        """Records that MongoDB does not have yet."""
        with self._lock:
            return sum(one.waiting_records for one in (*self._finished, self._active))

    def waiting_bytes(self) -> int:
        """Bytes that MongoDB does not have yet."""
        with self._lock:
            return self._waiting_bytes()

    def oldest_age(self, now: float) -> float:
        """Age of the oldest segment that waits, seconds; 0 when nothing waits."""
        with self._lock:
            waiting = [one for one in (*self._finished, self._active) if one.waiting_bytes]
        if not waiting:
            return 0.0
        return max(0.0, now - int(waiting[0].path.name.split("-")[0]) / 1e9)

    def close(self) -> None:
        """Give up the locks, so that a successor reads on at once."""
        with self._lock:
            for segment in (*self._finished, self._active):
                segment.close()

    def _readable(self) -> list[Segment]:
        with self._lock:
            return [*self._finished, self._active]

    def _waiting_bytes(self) -> int:
        return sum(one.waiting_bytes for one in (*self._finished, self._active))

    def _new_segment(self) -> Segment:
        # The name's order is the order of time, also over workers and restarts.
        return Segment.create(self._folder, f"{time.time_ns():020d}-{os.getpid()}")
