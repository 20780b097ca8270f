"""The prediction log and the labels: written once, read in the order of time."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple, TypeVar

from bson.raw_bson import RawBSONDocument
from pymongo.collection import Collection
from pymongo.database import Database
from pymongo.errors import BulkWriteError

from taxi_domain.mongodb import LABELS, PREDICTIONS
from taxi_domain.records import LABEL_VALUE, Label
from taxi_store.connection import Document, translated
from taxi_store.log.encoding import reencoded, storable
from taxi_store.log.malformed import Unreadable, lenient

_DUPLICATE_KEY = 11000
#: Documents that are looked at together.
CHUNK: Final = 5000
_MAX_MILLISECONDS: Final = 5000
#: Python has no time much later.
_NEVER: Final = datetime(9999, 1, 1, tzinfo=UTC)

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class InsertResult:
    """How many documents were new, and how many were there already."""

    inserted: int
    repeated: int


class Stored(NamedTuple):
    """A row or label of the log: when it was stored, its row's id, and its own time."""

    stored_at: datetime
    row_id: str
    ts: object


def insert_records(
    database: Database[Document], documents: Sequence[Mapping[str, Any]], now: datetime
) -> InsertResult:
    """Write records (`PredictionRecord.to_document`); a repeat changes nothing."""
    return insert_encoded(database, [reencoded(one) for one in documents], now)


def insert_encoded(
    database: Database[Document], records: Sequence[bytes], now: datetime
) -> InsertResult:
    """Write encoded records (`taxi_store.log.encoding`); a repeat changes nothing."""
    repeated = len(repeats_of(database, records, now))
    return InsertResult(len(records) - repeated, repeated)


def repeats_of(
    database: Database[Document], records: Sequence[bytes], now: datetime, by: str = ""
) -> frozenset[int]:
    """Write encoded records, with who sent them; return the indexes of those that were there."""
    return frozenset(insert_new(database[PREDICTIONS], storable(records, now, by)))


def insert_labels(
    database: Database[Document],
    labels: Sequence[Label],
    now: datetime,
    unreadable: Unreadable,
    by: str = "",
) -> tuple[InsertResult, list[Label]]:
    """Write labels; the first label of a row stays, also within `labels`.

    Args:
        database: Where they are.
        labels: Of any rows.
        now: When they are stored, UTC.
        unreadable: Counts labels of the log that cannot be read.
        by: Name of who sent them; empty: not known.

    Returns:
        What was new, and the label that the log now has of each row: what was posted where it
        was the first, else the one that was there.
    """
    first: dict[str, Label] = {}
    for one in labels:
        first.setdefault(one.row_id, one)
    # A repeat that is only read costs a tenth of one that every insert finds out for itself.
    before = labels_of(database, first, unreadable)
    rows = [row_id for row_id in first if row_id not in before]
    sent = {"by": by} if by else {}
    documents = (
        {"_id": one.row_id, LABEL_VALUE: one.value, "ts": one.ts, "stored_at": now, **sent}
        for one in map(first.__getitem__, rows)
    )
    there = [rows[index] for index in insert_new(database[LABELS], documents)]
    new = len(rows) - len(there)
    if there:
        before |= labels_of(database, there, unreadable)
    # One that cannot be read is the row's all the same: after a restart it would have none.
    kept: dict[str, Label | None] = {**first, **dict.fromkeys(there), **before}
    return InsertResult(new, len(labels) - new), [one for one in kept.values() if one is not None]


def logged(database: Database[Document], row_ids: Sequence[str]) -> frozenset[str]:
    """Return those of the rows that are in the log."""
    found: set[str] = set()
    with translated():
        for start in range(0, len(row_ids), CHUNK):
            chunk = list(row_ids[start : start + CHUNK])
            # Ids alone come from the index: no record is read.
            rows = database[PREDICTIONS].find({"_id": {"$in": chunk}}, {"_id": 1})
            found.update(one["_id"] for one in rows.batch_size(CHUNK))
    return frozenset(found)


def tail(
    database: Database[Document], collection: str, since: datetime, unreadable: Unreadable
) -> Iterator[list[Stored]]:
    """Yield what was stored after a time, in the order of storing, in lists of `CHUNK` or fewer.

    One cursor reads it all, so that nothing is read twice however many have the same time.

    Args:
        database: Where the log is.
        collection: Of rows or of labels.
        since: The time.
        unreadable: Is told of ids that are none of rows; they are left out.
    """
    stored = {"stored_at": {"$gt": since, "$lt": _NEVER}}
    with translated():
        found = lenient(database, collection).find(stored, {"stored_at": 1, "ts": 1})
        with found.sort("stored_at", 1).batch_size(CHUNK) as cursor:
            for chunk in chunks(unreadable.named(cursor, collection)):
                yield [Stored(one["stored_at"], one["_id"], one.get("ts")) for one in chunk]


def count_stored(
    database: Database[Document], collection: str, after: datetime, upto: datetime
) -> int:
    """Count what was stored after a time and up to another, from the index.

    Args:
        database: Where the log is.
        collection: Of rows or of labels.
        after: The time.
        upto: The other one.

    Raises:
        StoreUnavailableError: MongoDB does not answer.
    """
    stored = {"stored_at": {"$gt": after, "$lte": upto}}
    with translated():
        return database[collection].count_documents(stored, maxTimeMS=_MAX_MILLISECONDS)


def labels_of(
    database: Database[Document], row_ids: Iterable[str], unreadable: Unreadable
) -> dict[str, Label]:
    """Return the labels of rows that have one."""
    wanted = list(row_ids)
    found: dict[str, Label] = {}
    with translated():
        for start in range(0, len(wanted), CHUNK):
            chunk = wanted[start : start + CHUNK]
            documents = lenient(database, LABELS).find({"_id": {"$in": chunk}})
            found |= {one.row_id: one for one in unreadable.labels(documents)}
    return found


def chunks(items: Iterable[Item]) -> Iterator[list[Item]]:
    """Yield the items in lists of `CHUNK`."""
    chunk: list[Item] = []
    for one in items:
        chunk.append(one)
        if len(chunk) == CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def insert_new(
    collection: Collection[Document], documents: Iterable[Document | RawBSONDocument]
) -> list[int]:
    """Write documents; return the indexes of those that were there already."""
    wanted = list(documents)
    if not wanted:
        return []
    with translated():
        try:
            collection.insert_many(wanted, ordered=False)
        except BulkWriteError as error:
            details = error.details or {}
            problems = details.get("writeErrors", [])
            # Not confirmed by enough members: a new primary may not have them.
            unconfirmed = details.get("writeConcernErrors")
            if unconfirmed or any(one["code"] != _DUPLICATE_KEY for one in problems):
                raise
            return [one["index"] for one in problems]
    return []
