"""Finished pieces beside the output, until they become it: a run that was ended goes on."""

import errno
import fcntl
import json
import logging
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from taxi_domain.errors import TaxiError
from taxi_predict.batch.settings import Failpoint

logger = logging.getLogger(__name__)

Counts = Mapping[str, int]
Fault = Callable[[Failpoint], None]

_COUNTS: Final = b"counts"
_MANIFEST: Final = "manifest.json"
_LOCK: Final = "lock"
_JOINED: Final = "joined"
_COMPRESSED: Final = pa.ipc.IpcWriteOptions(compression="lz4")


class OutputError(TaxiError):
    """The output cannot be written; another run goes on with what is finished."""


@dataclass(frozen=True, slots=True)
class Part:
    """A finished piece.

    Attributes:
        table: Its rows of the output.
        counts: What was counted in it.
    """

    table: pa.Table
    counts: Counts


class Parts:
    """The folder of finished pieces, `OUT.parts`; for one process at a time.

    Args:
        out: The output.
        schema: Of the output.
        fault: Is told what was reached.
    """

    def __init__(self, out: Path, schema: pa.Schema, fault: Fault) -> None:
        self._out = out
        self._folder = out.with_name(f"{out.name}.parts")
        self._schema = schema
        self._fault = fault
        self._count = 0

    @contextmanager
    def opened(self, manifest: Mapping[str, Any]) -> Iterator[None]:
        """Keep other processes out; pieces of another manifest are removed.

        Raises:
            OutputError: the folder cannot be written, or another process writes there.
        """
        with self._written():
            self._folder.mkdir(exist_ok=True)
            lock = (self._folder / _LOCK).open("wb")
        with lock:
            with self._written():
                self._begin(lock, json.dumps(manifest, sort_keys=True, indent=1).encode())
            yield

    @property
    def count(self) -> int:
        """Pieces that are finished."""
        return self._count

    def finished(self) -> Iterator[Part]:
        """Yield the finished pieces from the first to the last."""
        while (part := self._read(self._count)) is not None:
            self._count += 1
            yield part

    def add(self, part: Part) -> None:
        """Keep the next piece; a crash leaves it whole or not at all.

        Raises:
            OutputError: there is no room.
        """
        counts = json.dumps(part.counts, sort_keys=True).encode()
        with self._replaced(self._path(self._count)) as file:
            schema = self._schema.with_metadata({_COUNTS: counts})
            with pa.ipc.new_file(file, schema, options=_COMPRESSED) as writer:
                writer.write_table(part.table.replace_schema_metadata(schema.metadata))
            self._fault(Failpoint.BEFORE_RENAME)
        self._count += 1

    def join(self) -> None:
        """Put the output in place, whole, and remove the pieces.

        Raises:
            OutputError: there is no room.
        """
        texts = self._schema.names[2:]  # ids and answers hardly repeat
        with self._replaced(self._folder / _JOINED, self._out) as file:
            with pq.ParquetWriter(file, self._schema, use_dictionary=texts) as writer:
                for number in range(self._count):
                    part = self._read(number)
                    assert part is not None
                    writer.write_table(part.table.replace_schema_metadata())
                    self._fault(Failpoint.IN_JOIN)
            self._fault(Failpoint.BEFORE_REPLACE)
        self._fault(Failpoint.AFTER_REPLACE)
        with self._written():
            (self._folder / _MANIFEST).unlink()
            shutil.rmtree(self._folder)

    def _begin(self, lock: IO[bytes], manifest: bytes) -> None:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise OutputError(
                f"{self._out}: another process writes it; wait for its end"
            ) from error
        path = self._folder / _MANIFEST
        if path.exists() and path.read_bytes() == manifest:
            return
        others = [file for file in self._folder.iterdir() if file.name != _LOCK]
        if others:
            logger.warning("%s: is of other files or options; starting anew", self._folder)
        path.unlink(missing_ok=True)
        for other in others:
            other.unlink(missing_ok=True)
        with self._replaced(path) as file:
            file.write(manifest)

    def _path(self, number: int) -> Path:
        return self._folder / f"{number:06d}.arrow"

    def _read(self, number: int) -> Part | None:
        path = self._path(number)
        if not path.exists():
            return None
        try:
            with self._written(), path.open("rb") as file:
                table = pa.ipc.open_file(file).read_all()
        except pa.ArrowInvalid:  # damaged: it is made again
            return None
        return Part(table, json.loads(table.schema.metadata[_COUNTS]))

    @contextmanager
    def _replaced(self, path: Path, target: Path | None = None) -> Iterator[IO[bytes]]:
        """Write a file that takes its place when it is whole and on the disk."""
        temporary = path.with_name(f"{path.name}.new")
        with self._written():
            try:
                with temporary.open("wb") as file:
                    yield file
                    file.flush()
                    os.fsync(file.fileno())
                os.replace(temporary, target or path)  # noqa: PTH105 - the atomic one
            except BaseException:
                temporary.unlink(missing_ok=True)
                raise
            _sync_folder((target or path).parent)

    @contextmanager
    def _written(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            full = error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
            remedy = "make room" if full else "name another output or mend it"
            raise OutputError(
                f"{self._out}: cannot be written ({error}); {remedy} and run the same command "
                "again: finished pieces are kept"
            ) from error


def _sync_folder(folder: Path) -> None:
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
