"""Whether MongoDB answers, and how full its disk is by its own account."""

from dataclasses import dataclass
from typing import Final

from pymongo.database import Database

from taxi_store.connection import Document, translated

_MAX_MILLISECONDS: Final = 2000


@dataclass(frozen=True, slots=True)
class Storage:
    """Bytes; None for what the server does not tell.

    Attributes:
        data: Of this database, with its indexes.
        disk_used: Of the file system that the data is on, whosever they are.
        disk_size: Of that file system.
    """

    data: int
    disk_used: int | None
    disk_size: int | None


def storage_of(database: Database[Document]) -> Storage:
    """Ask the server.

    Raises:
        StoreUnavailableError: MongoDB does not answer, or refuses.
    """
    with translated():
        stats = database.command("dbStats", maxTimeMS=_MAX_MILLISECONDS)
    used, size = (int(stats.get(name) or 0) for name in ("fsUsedSize", "fsTotalSize"))
    data = int(stats["storageSize"] + stats["indexSize"])
    # An empty database is told as one on no disk.
    return Storage(data, used, size) if size else Storage(data, None, None)


def require_answer(database: Database[Document]) -> None:
    """Ask the server for nothing, which needs no right.

    Raises:
        StoreUnavailableError: MongoDB does not answer, or does not know the user.
    """
    with translated():
        database.command("ping", maxTimeMS=_MAX_MILLISECONDS)
