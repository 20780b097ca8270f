"""The log in the order in which it was stored: who reads it twice sees the same.

What is read ends some time ago, when all that was stored before can be seen; rows of the same time
are in the order of their ids.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from pymongo.database import Database

from taxi_domain.documents import stored_label_of
from taxi_domain.mongodb import LABELS, PREDICTIONS, ROWS
from taxi_domain.records import Label
from taxi_store.connection import Document, translated
from taxi_store.log.encoded_pages import of_version, stored_in
from taxi_store.log.malformed import Unreadable, lenient

#: Times are stored in whole milliseconds.
TICK: Final = timedelta(milliseconds=1)
#: Before anything was stored.
EARLIEST: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MAX_MILLISECONDS: Final = 5000


class Place(NamedTuple):
    """A place in the order of storing: when an item was stored, and its row's id."""

    stored_at: datetime
    row_id: str


class StoredLabel(NamedTuple):
    """A label, and when it was stored."""

    stored_at: datetime
    label: Label


class Part(NamedTuple):
    """Items of the log that were stored in a time, all of them.

    Attributes:
        items: In the order of storing.
        end: The time is over before this one.
    """

    items: list[Any]
    end: datetime


def labels_between(
    database: Database[Document],
    begin: datetime,
    end: datetime,
    most: int,
    unreadable: Unreadable,
) -> Part:
    """Return the labels that were stored from a time on, about `most` at once.

    Args:
        database: Where they are.
        begin: They were stored then or later.
        end: They were stored before.
        most: How many are asked for; more come when more have one time.
        unreadable: Is told what cannot be read; it is left out.
    """
    part = _between(database, _Wanted(LABELS), begin, end, most)
    return Part(list(unreadable.each(LABELS, part.items, _stored_label)), part.end)


def ids_between(
    database: Database[Document], version: str, begin: datetime, end: datetime, most: int
) -> Part:
    """Return the ids of rows that a version answered or shadowed, as `labels_between` labels."""
    wanted = _Wanted(PREDICTIONS, of_version(version), {"_id": 1, "stored_at": 1})
    part = _between(database, wanted, begin, end, most)
    return Part([one["_id"] for one in part.items if isinstance(one["_id"], str)], part.end)


def unserved_between(
    database: Database[Document], model: str, begin: datetime, end: datetime, most: int
) -> Part:
    """Return documents of the rows of a model that nobody predicts, as `labels_between` labels."""
    return _between(database, _Wanted(ROWS, {"model": model}, {"extra": 0}), begin, end, most)


def first_stored(database: Database[Document], version: str) -> datetime | None:
    """Return when the oldest row that a version answered or shadowed was stored.

    None when there is none.

    Raises:
        StoreUnavailableError: MongoDB does not answer.
    """
    return _first_stored(database, _Wanted(PREDICTIONS, of_version(version)))


def first_label_stored(database: Database[Document]) -> datetime | None:
    """Return when the oldest label of any row was stored, as `first_stored` the oldest row."""
    return _first_stored(database, _Wanted(LABELS))


def stored_labels(
    database: Database[Document], row_ids: list[str], unreadable: Unreadable
) -> Iterator[StoredLabel]:
    """Yield the labels of rows that have one."""
    with translated():
        found = lenient(database, LABELS).find({"_id": {"$in": row_ids}})
        timed = (one for one in found if isinstance(one.get("stored_at"), datetime))
        yield from unreadable.each(LABELS, timed, _stored_label)


def _stored_label(document: Document) -> StoredLabel:
    return StoredLabel(document["stored_at"], stored_label_of(document))


def rows_after(database: Database[Document], version: str, after: Place | None, last: Place) -> int:
    """Count the rows that a version answered or shadowed, between two places of the log.

    Args:
        database: Where the log is.
        version: Model version.
        after: They were stored behind it; None for all.
        last: And up to this one.

    Raises:
        StoreUnavailableError: MongoDB does not answer in time.
    """
    return _count_after(database, _Wanted(PREDICTIONS, of_version(version)), after, last)


def unserved_after(
    database: Database[Document], model: str, after: Place | None, last: Place
) -> int:
    """Count the rows of a model that nobody predicts, as `rows_after` those of a version."""
    return _count_after(database, _Wanted(ROWS, {"model": model}), after, last)


def _count_after(
    database: Database[Document], wanted: "_Wanted", after: Place | None, last: Place
) -> int:
    conditions = [_up_to(last), *([] if after is None else [_behind(after)]), wanted.query]
    with translated():
        return database[wanted.collection].count_documents(
            {"$and": conditions}, maxTimeMS=_MAX_MILLISECONDS
        )


def _up_to(place: Place) -> dict[str, Any]:
    at = place.stored_at
    return {"$or": [{"stored_at": {"$lt": at}}, {"stored_at": at, "_id": {"$lte": place.row_id}}]}


def _behind(place: Place) -> dict[str, Any]:
    at = place.stored_at
    later = [{"stored_at": {"$gt": at}}, {"stored_at": at, "_id": {"$gt": place.row_id}}]
    # The first condition is for the index.
    return {"stored_at": {"$gte": at}, "$or": later}


class _Wanted(NamedTuple):
    """Which documents of a collection are wanted, and which of their fields; None for all."""

    collection: str
    query: Mapping[str, Any] = MappingProxyType({})
    fields: Mapping[str, int] | None = None


def _first_stored(database: Database[Document], wanted: _Wanted) -> datetime | None:
    query = {"stored_at": {"$gte": EARLIEST}, **wanted.query}
    with translated():
        found = lenient(database, wanted.collection).find_one(
            query, {"stored_at": 1}, sort=[("stored_at", 1)]
        )
    at = found["stored_at"] if found else None
    return at if isinstance(at, datetime) else None


def _between(
    database: Database[Document], wanted: _Wanted, begin: datetime, end: datetime, most: int
) -> Part:
    while True:
        with translated():
            found = list(
                lenient(database, wanted.collection)
                .find({**stored_in(begin, end), **wanted.query}, wanted.fields)
                .sort("stored_at", 1)
                .limit(most)
                .batch_size(most)
            )
        if len(found) < most:
            return Part(found, end)
        # More of the last time may not be among them.
        last = found[-1]["stored_at"]
        whole = [one for one in found if one["stored_at"] < last]
        if whole:
            return Part(whole, last)
        most *= 2


def answered_between(
    database: Database[Document], version: str, begin: datetime, end: datetime, most: int
) -> int:
    """Count the rows that a version answered or shadowed at these times or between.

    Args:
        database: Where the log is.
        version: Model version.
        begin: First time.
        end: Last time.
        most: It is not counted further.

    Raises:
        StoreUnavailableError: MongoDB does not answer in time.
    """
    with translated():
        return database[PREDICTIONS].count_documents(
            _answered_in(version, begin, end), limit=most, maxTimeMS=_MAX_MILLISECONDS
        )


def answered_ids(
    database: Database[Document], version: str, begin: datetime, end: datetime, most: int
) -> list[str]:
    """Return ids of the rows that `answered_between` counts, `most` at most.

    Raises:
        StoreUnavailableError: MongoDB does not answer in time.
    """
    with translated():
        found = lenient(database, PREDICTIONS).find(_answered_in(version, begin, end), {"_id": 1})
        ids = [one["_id"] for one in found.limit(most).max_time_ms(_MAX_MILLISECONDS)]
    return [one for one in ids if isinstance(one, str)]


def label_times(database: Database[Document], row_ids: list[str]) -> list[datetime]:
    """Return when the labels of rows were stored, those that there are, the oldest first.

    Raises:
        StoreUnavailableError: MongoDB does not answer in time.
    """
    wanted = {"_id": {"$in": row_ids}}
    with translated():
        found = lenient(database, LABELS).find(wanted, {"_id": 0, "stored_at": 1})
        times = [one.get("stored_at") for one in found.max_time_ms(_MAX_MILLISECONDS)]
    return sorted(one for one in times if isinstance(one, datetime))


def labels_stored(database: Database[Document], begin: datetime, end: datetime) -> int:
    """Count the labels that were stored from a time on and before another, of any version.

    Raises:
        StoreUnavailableError: MongoDB does not answer in time.
    """
    with translated():
        return database[LABELS].count_documents(stored_in(begin, end), maxTimeMS=_MAX_MILLISECONDS)


def _answered_in(version: str, begin: datetime, end: datetime) -> dict[str, Any]:
    return {"ts": {"$gte": begin, "$lte": end}, **of_version(version)}
