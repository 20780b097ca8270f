"""Where files of exports and backups go: a local folder, or any file system that fsspec knows.

A file is there whole or not at all: local ones are written beside their place, flushed to the
disk and moved there; an object store does the same with each put.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote

import fsspec
from fsspec.implementations.local import LocalFileSystem

from taxi_domain.errors import TaxiError
from taxi_files.writing import FileWriteError, write_whole

_MAX_TEXT: Final = 300
#: User and password of a URL; a password may have slashes where nobody encoded them.
_USER: Final = re.compile(r"(?<=://)(?:[^/:@\s]*:\S*|[^/@\s]*)@")
_SEPARATORS: Final = re.compile(r"[:/?#@]")


class DestinationError(TaxiError):
    """A destination cannot be written or read."""


class Destination:
    """A folder with the files of an export, or of backups.

    Args:
        url: A local path, or a URL as s3://bucket/prefix.

    Raises:
        DestinationError: there is no such file system.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        with self._translated("cannot be opened"):
            # Listings are not kept: what is there now has to be seen.
            self._fs: Any
            self._fs, root = fsspec.core.url_to_fs(
                url, skip_instance_cache=True, use_listings_cache=False
            )
        self._root = root.rstrip("/")
        self._is_local = isinstance(self._fs, LocalFileSystem)

    def write(self, name: str, data: bytes) -> None:
        """Write a file in place of one that may be there.

        Raises:
            DestinationError: it cannot be written; the one before is still there.
        """
        path = self._path(name)
        with self._translated(f"{name} cannot be written"):
            if self._is_local:
                local = Path(path)
                local.parent.mkdir(parents=True, exist_ok=True)
                write_whole(local, data)
            else:
                self._fs.pipe_file(path, data)

    def read(self, name: str) -> bytes | None:
        """Return a file's content, None when there is none.

        Raises:
            DestinationError: it cannot be read.
        """
        with self._translated(f"{name} cannot be read"):
            try:
                data: bytes = self._fs.cat_file(self._path(name))
            except FileNotFoundError:
                return None
            return data

    def remove(self, name: str) -> None:
        """Remove a file, if it is there.

        Raises:
            DestinationError: it cannot be removed.
        """
        with self._translated(f"{name} cannot be removed"):
            try:
                self._fs.rm_file(self._path(name))
            except FileNotFoundError:
                return

    def remove_folder(self, name: str) -> None:
        """Remove a folder with all that is in it, if it is there.

        Raises:
            DestinationError: it cannot be removed.
        """
        with self._translated(f"{name} cannot be removed"):
            try:
                self._fs.rm(self._path(name), recursive=True)
            except FileNotFoundError:
                return

    def folders(self, under: str) -> list[str]:
        """Return the names of folders in a folder, sorted; none when there is no such folder.

        Raises:
            DestinationError: it cannot be listed.
        """
        return [name for name, kind in self._listed(under) if kind == "directory"]

    def files(self, under: str) -> list[str]:
        """Return the names of files in a folder, hidden ones too, sorted.

        Raises:
            DestinationError: it cannot be listed.
        """
        return [name for name, kind in self._listed(under) if kind == "file"]

    def _listed(self, under: str) -> list[tuple[str, str]]:
        folder = self._path(under)
        with self._translated(f"{under or '/'} cannot be listed"):
            try:
                found = self._fs.ls(folder, detail=True)
            except FileNotFoundError:
                return []
        inside = ((item["name"].rstrip("/"), item["type"]) for item in found)
        prefix = f"{under}/" if under else ""
        return sorted(
            (prefix + path.rpartition("/")[2], kind)
            for path, kind in inside
            if path != folder  # object stores list a marker of the folder itself
        )

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}" if name else self._root

    @contextmanager
    def _translated(self, problem: str) -> Iterator[None]:
        """Turn errors into `DestinationError`.

        Clients of object stores raise errors that have no base in common.
        """
        try:
            yield
        except Exception as error:
            raise DestinationError(
                f"{_without_user(self._url)}: {problem} ({_told(error, self._url)}); name a folder "
                "or bucket that can be used"
            ) from error


def _without_user(url: str) -> str:
    """Return a URL without user and password."""
    return _USER.sub("", url)


def _told(error: Exception, url: str) -> str:
    """Return what an error says, and never a part of a user or password in the URL."""
    if isinstance(error, FileWriteError) and isinstance(error.__cause__, OSError):
        error = error.__cause__
    reason = error.strerror if isinstance(error, OSError) else None
    text = " ".join((reason or f"{error}" or type(error).__name__).split())
    secrets = {part for user in _USER.findall(url) for part in _SEPARATORS.split(user)}
    secrets |= {unquote(secret) for secret in secrets}
    if any(secret and secret in text for secret in secrets):
        return type(error).__name__
    return text[:_MAX_TEXT]
