"""The spool, as a worker sees it: where answers wait until MongoDB has them."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from taxi_domain.errors import TaxiError
from taxi_predict.spool.columns import SpooledColumns
from taxi_predict.spool.segments import SUFFIX, UNNAMED, SegmentWriter, frame

_SEGMENT_BYTES: Final = 2 * 1024 * 1024
_MIN_SEGMENT_BYTES: Final = 4096
#: Segments that a worker can have at most, when all of them are full.
_SEGMENTS: Final = 8
_LOOK_SECONDS: Final = 0.1


class SpoolFullError(TaxiError):
    """The spool has no room; the row cannot be logged now."""


class SpoolWriter:
    """Appends records of one worker; the delivery process reads and removes them.

    For the one thread that answers requests: nothing in here lets another have its turn.

    Args:
        folder: Shared by the workers of a pod and its delivery.
        max_bytes: Bound of all files in the folder.
        workers: How many share the folder.

    Attributes:
        columns: Names of the records' values; kept before a version's first record.
    """

    def __init__(
        self,
        folder: Path,
        max_bytes: int,
        workers: int = 1,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self.columns = SpooledColumns(folder)
        self._max_bytes = max_bytes
        share = max_bytes // (workers * _SEGMENTS)
        self._segment_bytes = max(min(_SEGMENT_BYTES, share), _MIN_SEGMENT_BYTES)
        self._clock = clock
        self._active: SegmentWriter | None = None
        self._full_until = 0.0

    def append(self, payloads: list[bytes]) -> None:
        """Append records, all or none.

        Raises:
            SpoolFullError: the bound is reached or the disk has no room.
        """
        # Nearly always it is one.
        data = frame(payloads[0]) if len(payloads) == 1 else b"".join(map(frame, payloads))
        if self._active is None or not self._active.append(data):
            self._next_segment(len(data)).append(data)

    def close(self) -> None:
        """Give up the active segment, so that it can be removed when it is delivered."""
        if self._active is not None:
            self._active.close()
            self._active = None

    def _next_segment(self, wanted: int) -> SegmentWriter:
        """Go on to a new segment; the last one stays until there is one."""
        size = max(self._segment_bytes, wanted)
        now = self._clock()
        # Asking the disk for each row would make a full spool slow too.
        if now < self._full_until or bytes_of(self._folder) + size > self._max_bytes:
            self._full_until = self._full_until if now < self._full_until else now + _LOOK_SECONDS
            raise SpoolFullError(
                f"spool: {self._max_bytes} bytes wait for MongoDB; try again later"
            )
        try:
            # The name's order is the order of time, also over workers and restarts.
            name = f"{time.time_ns():020d}-{os.getpid()}"
            fresh = SegmentWriter.create(self._folder, name, size)
        except OSError as error:
            self._full_until = now + _LOOK_SECONDS
            raise SpoolFullError(f"spool: cannot be written ({error}); try again later") from error
        if self._active is not None:
            self._active.close()
        self._active = fresh
        return fresh


def bytes_of(folder: Path) -> int:
    """Return the bytes of all segments of a folder, those included that are being made."""
    total = 0
    for entry in os.scandir(folder):
        if entry.name.endswith((SUFFIX, UNNAMED)):
            try:
                total += entry.stat().st_size
            except FileNotFoundError:
                continue  # delivered and removed just now
    return total
