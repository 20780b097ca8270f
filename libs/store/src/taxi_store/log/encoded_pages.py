"""Records of the log as BSON, in pages: for readers that decode many at once.

Extra fields are left out; whose reader needs them reads records.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Final

from pymongo.cursor import RawBatchCursor
from pymongo.database import Database

from taxi_domain.mongodb import PREDICTIONS
from taxi_store.connection import Document, translated
from taxi_store.log.prediction_log import CHUNK

#: Fields that no reader of many records needs.
WITHOUT_EXTRA: Final[dict[str, int]] = {"extra": 0}


def newest_pages(database: Database[Document], version: str, most: int) -> Iterator[bytes]:
    """Yield the newest records that a version answered or shadowed, newest first.

    Args:
        database: Where the log is.
        version: Model version.
        most: Records at most.
    """
    order = [("ts", -1), ("_id", -1)]
    with translated():
        pages = database[PREDICTIONS].find_raw_batches(
            of_version(version), WITHOUT_EXTRA, sort=order, limit=most, batch_size=min(most, CHUNK)
        )
        with pages:
            yield from pages


def pages_of(
    database: Database[Document], row_ids: Sequence[str], version: str | None = None
) -> Iterator[bytes]:
    """Yield the records of rows that are in the log, in no order.

    Args:
        database: Where the log is.
        row_ids: Of the rows.
        version: Those that it answered or shadowed; None for all.
    """
    of = {} if version is None else of_version(version)
    with translated():
        for start in range(0, len(row_ids), CHUNK):
            wanted = {"_id": {"$in": list(row_ids[start : start + CHUNK])}, **of}
            yield from database[PREDICTIONS].find_raw_batches(
                wanted, WITHOUT_EXTRA, hint=[("_id", 1)]
            )


def of_version(version: str) -> dict[str, Any]:
    """Return the filter of what a version answered or shadowed."""
    return {"$or": [{"model_version": version}, {"shadow.model_version": version}]}


def stored_between(
    database: Database[Document], version: str, begin: datetime, end: datetime, most: int
) -> bytes:
    """Return records that a version answered or shadowed, in the order of the time of storing.

    Those of the same time come in any order.

    Args:
        database: Where the log is.
        version: Model version.
        begin: They were stored then or later.
        end: They were stored before.
        most: Records at most.
    """
    wanted = {**stored_in(begin, end), **of_version(version)}
    with translated():
        pages = database[PREDICTIONS].find_raw_batches(
            wanted, WITHOUT_EXTRA, sort=[("stored_at", 1)], limit=most, batch_size=most
        )
        with pages:
            return b"".join(_bytes_of(pages))


def _bytes_of(pages: RawBatchCursor[Document]) -> Iterator[bytes]:
    yield from pages


def stored_in(begin: datetime, end: datetime) -> dict[str, Any]:
    """Return the filter of what was stored at a time or later, and before another."""
    return {"stored_at": {"$gte": begin, "$lt": end}}
