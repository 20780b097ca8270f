"""The spool, as the delivery sees it: the segments of all workers, oldest first."""

import fcntl
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from taxi_predict.spool.columns import SpooledColumns
from taxi_predict.spool.segments import SUFFIX, UNNAMED, Batch, SegmentReader

#: Making a segment takes milliseconds; a process that did not finish it by now was killed.
_ABANDONED_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class PendingBatch:
    """Records that wait, and where each came from.

    Attributes:
        parts: Segments and what was read of each.
        torn_bytes: Of records that were cut off before they were answered.
        damaged_bytes: Of answered records that cannot be read.
    """

    parts: list[tuple[SegmentReader, Batch]]
    torn_bytes: int
    damaged_bytes: int

    @property
    def payloads(self) -> list[bytes]:
        """The records."""
        return [payload for _, batch in self.parts for payload in batch.payloads]


class SpoolReader:
    """Reads segments and removes them when they are delivered; one process at a time.

    Attributes:
        columns: Names of the records' values.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self.columns = SpooledColumns(folder)
        self._lock = os.open(folder / "delivery.lock", os.O_RDWR | os.O_CREAT, 0o640)
        self._segments: dict[str, SegmentReader] = {}

    def claim(self) -> bool:
        """Become the folder's only reader; False while another process is it."""
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def next(self, max_records: int) -> PendingBatch:
        """Return the oldest waiting records; delivered segments are removed on the way."""
        self._find()
        parts: list[tuple[SegmentReader, Batch]] = []
        room, torn, damaged = max_records, 0, 0
        for name in sorted(self._segments):
            segment = self._segments[name]
            batch = segment.read(room)
            if batch.last:
                torn += batch.torn
                segment.remove()
                del self._segments[name]
            elif batch.payloads:
                parts.append((segment, batch))
                damaged += batch.damaged
                room -= len(batch.payloads)
                if room <= 0:
                    break
        return PendingBatch(parts, torn, damaged)

    def confirm(self, waiting: PendingBatch) -> None:
        """Record that records were delivered."""
        for segment, batch in waiting.parts:
            segment.confirm(batch)

    def waiting_bytes(self) -> int:
        """Return the bytes that MongoDB does not have yet."""
        return sum(segment.count()[1] for segment in self._segments.values())

    def waiting_records(self) -> int:
        """Return the records that MongoDB does not have yet."""
        return sum(segment.count()[0] for segment in self._segments.values())

    def oldest(self) -> list[bytes]:
        """Return the oldest record that waits in each segment."""
        payloads = (segment.next_payload() for segment in self._segments.values())
        return [payload for payload in payloads if payload is not None]

    def _find(self) -> None:
        for entry in os.scandir(self._folder):
            if entry.name.endswith(SUFFIX) and entry.name not in self._segments:
                self._segments[entry.name] = SegmentReader(Path(entry.path))
            elif entry.name.endswith(UNNAMED):
                _remove_abandoned(Path(entry.path))


def _remove_abandoned(path: Path) -> None:
    """Remove a segment whose maker was killed; one that only slept finds it gone and tries anew."""
    try:
        if time.time() - path.stat().st_mtime > _ABANDONED_SECONDS:
            path.unlink()
    except FileNotFoundError:
        pass  # it has its name by now
