"""Files that are written whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from taxi_domain.errors import TaxiError


class FileWriteError(TaxiError):
    """A file could not be written; what was there before is unchanged."""


def write_whole(path: Path, content: bytes) -> None:
    """Write a file; whatever ends the process, the old content is there or all of the new.

    Raises:
        FileWriteError: it could not be written.
    """
    with written_whole(path) as file:
        file.write(content)


@contextmanager
def written_whole(path: Path) -> Iterator[IO[bytes]]:
    """Open a file that takes the place of `path` once all is written, and never before.

    It stands beside it under a hidden name, which the next attempt writes over: a process that is
    killed leaves one such file at most.

    Raises:
        FileWriteError: it could not be written.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        with part.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
        _flush_folder(path.parent)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise FileWriteError(
            f"{path}: cannot be written ({error.strerror or error}); make room there, or name "
            "another place"
        ) from error
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def _flush_folder(folder: Path) -> None:
    """Put the new name on the disk: without this a power cut can bring the old content back."""
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
