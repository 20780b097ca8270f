"""Names of the values that records of a version have, kept beside the segments.

Records may wait while the pod's container starts again with another version: each version's names
have a file of their own, so all are delivered with the names that they were answered by.
"""

import os
from pathlib import Path
from typing import Final

import msgspec

_SUFFIX: Final = ".columns"
_decode: Final = msgspec.json.Decoder(tuple[str, ...]).decode


class SpooledColumns:
    """The names of columns by model version.

    Args:
        folder: Of the segments.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[str, tuple[str, ...]] = {}

    def keep(self, version: str, columns: tuple[str, ...]) -> None:
        """Write a version's names down, before its first record; they are there after a crash.

        Raises:
            OSError: the disk has no room or fails.
        """
        if self.of(version) == columns:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._path(version)
        temporary = path.with_name(f"{path.name}.{os.getpid()}")
        with temporary.open("wb") as file:
            file.write(msgspec.json.encode(columns))
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)  # noqa: PTH105 - the atomic one
        self._known[version] = columns

    def of(self, version: str) -> tuple[str, ...] | None:
        """Return a version's names, None when nothing tells them any more.

        Raises:
            OSError: they cannot be read now; its records must wait, not be given up.
        """
        columns = self._known.get(version)
        if columns is None:
            try:
                columns = _decode(self._path(version).read_bytes())
            except (FileNotFoundError, ValueError):
                return None
            self._known[version] = columns
        return columns

    def _path(self, version: str) -> Path:
        return self._folder / f"{version}{_SUFFIX}"
