"""The backups of a destination: which are there, and which go."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from taxi_report.backup.manifest import MANIFEST, Manifest, manifest_of
from taxi_report.backup.parts import BackupError, read_part
from taxi_report.destination import Destination

#: A backup's folder is named after its begin, so names are in the order of time.
_FORM: Final = "%Y%m%dT%H%M%SZ"
_NAME: Final = re.compile(r"\d{8}T\d{6}Z")
#: What has no manifest is being written, or was cut off; nothing takes as long.
UNFINISHED: Final = timedelta(days=2)


def name_of(began_at: datetime) -> str:
    """Return the name of a backup.

    >>> name_of(datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))
    '20260102T030405Z'
    """
    return began_at.astimezone(UTC).strftime(_FORM)


def names_in(destination: Destination) -> list[str]:
    """Return the names of all backups, finished or not, oldest first.

    Raises:
        DestinationError: the destination cannot be read.
    """
    return [name for name in destination.folders("") if _NAME.fullmatch(name)]


def finished_in(destination: Destination) -> list[str]:
    """Return the names of finished backups, oldest first.

    Raises:
        DestinationError: the destination cannot be read.
    """
    return [name for name in names_in(destination) if _is_finished(destination, name)]


def load(destination: Destination, name: str = "") -> Manifest:
    """Return the manifest of a backup, of the newest one without a name.

    Raises:
        BackupError: there is none, or its manifest is damaged.
        DestinationError: the destination cannot be read.
    """
    if not name:
        finished = finished_in(destination)
        if not finished:
            raise BackupError("backup: the destination has none that is finished; name another one")
        name = finished[-1]
    data = destination.read(f"{name}/{MANIFEST}") if _NAME.fullmatch(name) else None
    if data is None:
        raise BackupError(f"{name}: is no finished backup; list them with `taxi-data backups`")
    return manifest_of(name, data)


def damages(destination: Destination, manifest: Manifest) -> list[str]:
    """Return what is wrong with the parts of a backup; all of them are read.

    Raises:
        DestinationError: the destination cannot be read.
    """
    wrong: list[str] = []
    for own in manifest.collections.values():
        for part in own.parts:
            try:
                read_part(destination, manifest.name, part)
            except BackupError as error:
                wrong.append(str(error))
    return wrong


def prune(destination: Destination, keep: int, now: datetime) -> Sequence[str]:
    """Remove the finished backups before the newest ones, and what was cut off; return the names.

    Args:
        destination: Where they are.
        keep: So many finished ones stay; 0 for all.
        now: What has no manifest and began `UNFINISHED` before this goes.

    Raises:
        DestinationError: one cannot be removed.
    """
    names = names_in(destination)
    finished = [name for name in names if _is_finished(destination, name)]
    old = finished[:-keep] if keep else []
    limit = name_of(now - UNFINISHED)
    old += [name for name in names if name not in finished and name < limit]
    for name in old:
        # First: whatever ends this, nobody takes what is left for a backup.
        destination.remove(f"{name}/{MANIFEST}")
        destination.remove_folder(name)
    return old


def _is_finished(destination: Destination, name: str) -> bool:
    return f"{name}/{MANIFEST}" in destination.files(name)
