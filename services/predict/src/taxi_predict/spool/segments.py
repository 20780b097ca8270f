"""Segments of the spool: files of framed records, written through memory.

A frame is the payload's length and its CRC-32 (both 4 bytes, big-endian), then the payload; a
length of 0 is the end. The file has its whole size from the beginning, so that a full disk is
met when a segment is made and never in the middle of one, and appending is a copy into memory
that the kernel keeps although the process is killed: no system call for a row.

A worker holds the lock of the segment that it writes; when it ends or goes on to the next
segment, the lock is free, and who reads knows that nothing will follow. A frame that is not
whole in such a segment was never answered: the answer leaves after the append.
"""

import contextlib
import fcntl
import mmap
import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

SUFFIX: Final = ".spool"
#: Of a segment that is being made.
UNNAMED: Final = ".unlocked"
_OFFSET: Final = ".offset"
_HEADER: Final = struct.Struct(">II")
_LENGTH: Final = struct.Struct(">I")
_READ_BYTES: Final = 1 << 20
_BLOCK: Final = bytes(4096)


def frame(payload: bytes) -> bytes:
    """Return the payload with its header."""
    return _HEADER.pack(len(payload), zlib.crc32(payload)) + payload


class SegmentWriter:
    """A segment that this worker appends to."""

    def __init__(self, descriptor: int, size: int) -> None:
        self._descriptor = descriptor
        self._memory = mmap.mmap(descriptor, size, flags=mmap.MAP_SHARED | mmap.MAP_POPULATE)
        self._position = 0
        self._size = size

    @classmethod
    def create(cls, folder: Path, name: str, size: int) -> "SegmentWriter":
        """Make a new segment; it gets its name when its lock is held.

        Raises:
            OSError: the disk has no room for it.
        """
        path = folder / f"{name}{SUFFIX}"
        unnamed = path.with_suffix(UNNAMED)
        descriptor = os.open(unnamed, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o640)
        try:
            os.posix_fallocate(descriptor, 0, size)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            writer = cls(descriptor, size)
            os.rename(unnamed, path)  # noqa: PTH104 - beside os.open
        except OSError:
            os.close(descriptor)
            unnamed.unlink(missing_ok=True)
            raise
        return writer

    def append(self, data: bytes) -> bool:
        """Write frames at the end, whole; False when they do not fit."""
        end = self._position + len(data)
        if end > self._size:
            return False
        self._memory[self._position : end] = data
        self._position = end
        return True

    def close(self) -> None:
        """Give up the lock: nothing will follow."""
        self._memory.close()
        with contextlib.suppress(OSError):
            os.close(self._descriptor)


@dataclass(frozen=True, slots=True)
class Batch:
    """Payloads that were read, and where the next ones begin.

    Attributes:
        payloads: Whole records.
        end: Position behind them.
        torn: Bytes of a record at the end of a finished segment that is not whole: it was never
            answered.
        damaged: Bytes before the first payload that cannot be read, although whole records
            follow: those were answered.
        last: Nothing is left and nothing will follow.
    """

    payloads: list[bytes]
    end: int
    torn: int = 0
    damaged: int = 0
    last: bool = False


class SegmentReader:
    """A segment that is being delivered."""

    def __init__(self, path: Path) -> None:
        """Open it.

        Raises:
            OSError: it was removed or cannot be read now; no file stays open.
        """
        self.path = path
        self._descriptor = os.open(path, os.O_RDONLY)
        self._finished = False
        self._offset_file = -1
        try:
            self._size = os.fstat(self._descriptor).st_size
            self.offset = self._read_offset()
        except OSError:
            os.close(self._descriptor)
            raise
        self._counted = self.offset
        self._records = 0

    def finished(self) -> bool:
        """Tell whether its writer is gone or went on to another segment."""
        if not self._finished:
            try:
                fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            self._finished = True
        return True

    def read(self, max_records: int) -> Batch:
        """Return payloads behind the offset."""
        # Asked first: only then is an incomplete frame known to stay incomplete.
        finished = self.finished()
        payloads, end = self._payloads(self.offset, max_records)
        if payloads or not finished:
            return Batch(payloads, end)
        # A node that lost power keeps the pages that it had written, and no others.
        follows = self._next_frame(end)
        if follows is None:
            return Batch(payloads, self._size, torn=self._torn_bytes(end), last=True)
        payloads, behind = self._payloads(follows, max_records)
        return Batch(payloads, behind, damaged=follows - end)

    def _payloads(self, end: int, max_records: int) -> tuple[list[bytes], int]:
        payloads: list[bytes] = []
        for payload, position in islice(self._frames(end), max_records):
            payloads.append(payload)
            end = position
        return payloads, end

    def confirm(self, batch: Batch) -> None:
        """Record that a batch was delivered."""
        # On a full disk the offset is kept in memory: delivering again after a crash changes
        # nothing, and only going on makes room.
        with contextlib.suppress(OSError):
            if self._offset_file < 0:
                offset = self.path.with_suffix(_OFFSET)
                self._offset_file = os.open(offset, os.O_WRONLY | os.O_CREAT, 0o640)
            # Always as long, in place: a rename for each batch costs more than its records.
            os.pwrite(self._offset_file, b"%020d" % batch.end, 0)
        self.offset = batch.end
        self._records = max(self._records - len(batch.payloads), 0)
        if self._counted < self.offset:
            self._counted, self._records = self.offset, 0

    def count(self) -> tuple[int, int]:
        """Return the waiting records and their bytes, by their lengths alone.

        What was read is counted already.
        """
        data, start = b"", self._counted
        while self._counted + _HEADER.size <= self._size:
            if self._counted - start + _HEADER.size > len(data):
                start = self._counted
                data = os.pread(self._descriptor, _READ_BYTES, start)
            (length,) = _LENGTH.unpack_from(data, self._counted - start)
            end = self._counted + _HEADER.size + length
            if not length or end > self._size:
                break
            self._counted = end
            self._records += 1
        return self._records, self._counted - self.offset

    def next_payload(self) -> bytes | None:
        """Return the oldest record that waits, None when none does."""
        return next((payload for payload, _ in self._frames(self.offset)), None)

    def remove(self) -> None:
        """Remove a delivered segment."""
        self.path.unlink(missing_ok=True)
        self.path.with_suffix(_OFFSET).unlink(missing_ok=True)
        self.close()

    def close(self) -> None:
        """Close the files; what is not delivered stays."""
        for descriptor in (self._descriptor, self._offset_file):
            with contextlib.suppress(OSError):
                os.close(descriptor)

    def _frames(self, position: int) -> Iterator[tuple[bytes, int]]:
        """Yield whole payloads, each with the position behind it."""
        data, start = b"", position
        while position + _HEADER.size <= self._size:
            if position - start + _HEADER.size > len(data):
                data, start = os.pread(self._descriptor, _READ_BYTES, position), position
            length, checksum = _HEADER.unpack_from(data, position - start)
            begin = position - start + _HEADER.size
            if begin + length > len(data) and start < position:
                data, start, begin = (
                    os.pread(self._descriptor, _READ_BYTES, position),
                    position,
                    _HEADER.size,
                )
            payload = data[begin : begin + length]
            # An unfinished copy of another process looks like a torn frame; it is not the end.
            if not 0 < length == len(payload) or zlib.crc32(payload) != checksum:
                return
            position += _HEADER.size + length
            if position > self._counted:
                self._counted = position
                self._records += 1
            yield payload, position

    def _next_frame(self, position: int) -> int | None:
        """Return where the next whole frame begins, None when only rests follow."""
        data = os.pread(self._descriptor, self._size - position, position)
        start = 0
        while start + _HEADER.size <= len(data):
            if data.startswith(_BLOCK, start):
                start += len(_BLOCK) - _HEADER.size  # a header may begin with zeros
                continue
            length, checksum = _HEADER.unpack_from(data, start)
            begin = start + _HEADER.size
            if 0 < length <= len(data) - begin and (
                zlib.crc32(data[begin : begin + length]) == checksum
            ):
                return position + start
            start += 1
        return None

    def _torn_bytes(self, position: int) -> int:
        """Return the length of a frame that is not whole, 0 when there is none."""
        header = os.pread(self._descriptor, _HEADER.size, position)
        if len(header) < _HEADER.size:
            return 0
        length: int = _HEADER.unpack(header)[0]
        return min(length, self._size - position)

    def _read_offset(self) -> int:
        try:
            return min(int(self.path.with_suffix(_OFFSET).read_text()), self._size)
        except (FileNotFoundError, ValueError):
            return 0
