"""Segments of the spool: append-only files of framed records.

A frame is the payload's length and its CRC-32 (both 4 bytes, big-endian), then the payload.
A process holds the lock of the segment that it writes; when it dies, the lock is free and
its successor reads on. A frame that is cut off at the end of a dead segment was never
answered: the answer leaves after the append.
"""

import contextlib
import fcntl
import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_HEADER: Final = struct.Struct(">II")
_READ_BYTES: Final = 1 << 20
_MOST_PAYLOAD: Final = 1 << 20
SUFFIX: Final = ".spool"
_MARK: Final = ".mark"


def frame(payload: bytes) -> bytes:
    """Return the payload with its header."""
    return _HEADER.pack(len(payload), zlib.crc32(payload)) + payload


@dataclass(frozen=True, slots=True)
class Batch:
    """Payloads that were read, and where the next ones begin."""

    payloads: list[bytes]
    end: int
    torn: bool


class Segment:
    """A segment that this process holds the lock of."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self._descriptor = descriptor
        self._mark_path = path.with_suffix(_MARK)
        self.size = os.fstat(descriptor).st_size
        self.mark = self._read_mark()
        self.waiting_records = self._count()

    @classmethod
    def create(cls, folder: Path, name: str) -> "Segment":
        """Make a new segment; it gets its name when its lock is held, so nobody adopts it."""
        path = folder / f"{name}{SUFFIX}"
        unnamed = path.with_suffix(".unlocked")
        descriptor = os.open(unnamed, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_EXCL, 0o640)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        os.rename(unnamed, path)  # noqa: PTH104 - beside os.open
        return cls(path, descriptor)

    @classmethod
    def adopt(cls, path: Path) -> "Segment | None":
        """Take over a segment whose writer is gone; None when it is not."""
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_APPEND)
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        if not path.exists():
            # Its former owner finished and removed it between the opening and the lock.
            os.close(descriptor)
            return None
        return cls(path, descriptor)

    @property
    def waiting_bytes(self) -> int:
        """Bytes behind the mark."""
        return self.size - self.mark

    def append(self, data: bytes, records: int) -> None:
        """Write frames at the end, whole or not at all; no fsync.

        Raises:
            OSError: the disk is full or broken; the segment is as before.
        """
        written = os.write(self._descriptor, data)
        if written != len(data):
            os.ftruncate(self._descriptor, self.size)
            raise OSError(28, "no room left for a record", str(self.path))
        self.size += written
        self.waiting_records += records

    def read(self, most_records: int, *, finished: bool) -> Batch:
        """Return payloads behind the mark.

        Args:
            most_records: Upper limit.
            finished: Nobody writes any more, so an incomplete frame at the end is torn.
        """
        payloads: list[bytes] = []
        position = self.mark
        data = os.pread(self._descriptor, min(_READ_BYTES, self.size - position), position)
        start = 0
        while len(payloads) < most_records and len(data) - start >= _HEADER.size:
            length, checksum = _HEADER.unpack_from(data, start)
            if length > _MOST_PAYLOAD:
                return Batch(payloads, self.size, torn=True)
            payload = data[start + _HEADER.size : start + _HEADER.size + length]
            if len(payload) < length:
                break
            if zlib.crc32(payload) != checksum:
                return Batch(payloads, self.size, torn=True)
            payloads.append(payload)
            start += _HEADER.size + length
        end = position + start
        torn = finished and not payloads and end < self.size
        return Batch(payloads, self.size if torn else end, torn=torn)

    def confirm(self, batch: Batch) -> None:
        """Record that a batch was delivered."""
        temporary = self._mark_path.with_suffix(".new")
        temporary.write_text(str(batch.end))
        os.replace(temporary, self._mark_path)  # noqa: PTH105 - the atomic one
        self.mark = batch.end
        self.waiting_records -= len(batch.payloads)

    def remove(self) -> None:
        """Remove a delivered segment and give up its lock."""
        self.path.unlink(missing_ok=True)
        self._mark_path.unlink(missing_ok=True)
        self.close()

    def close(self) -> None:
        """Give up the lock; what is not delivered waits for the next owner."""
        with contextlib.suppress(OSError):
            os.close(self._descriptor)

    def _count(self) -> int:
        """Count the whole frames behind the mark."""
        count, position = 0, self.mark
        while position + _HEADER.size <= self.size:
            length, _ = _HEADER.unpack(os.pread(self._descriptor, _HEADER.size, position))
            position += _HEADER.size + length
            count += position <= self.size
        return count

    def _read_mark(self) -> int:
        try:
            return min(int(self._mark_path.read_text()), self.size)
        except (FileNotFoundError, ValueError):
            return 0


def orphans(folder: Path, own: set[Path]) -> Iterator[Segment]:
    """Take over the segments whose writers are gone, oldest first."""
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        if path not in own:
            segment = Segment.adopt(path)
            if segment is not None:
                yield segment
