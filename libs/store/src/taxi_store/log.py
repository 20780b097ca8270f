"""The prediction log and the labels: written once, read in the order of time."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple

from bson.raw_bson import RawBSONDocument
from pymongo.collection import Collection
from pymongo.database import Database
from pymongo.errors import BulkWriteError

from taxi_domain.documents import record_of
from taxi_domain.durations import is_target
from taxi_domain.mongodb import LABELS, PREDICTIONS
from taxi_domain.records import Label, PredictionRecord
from taxi_store.connection import Document, translated
from taxi_store.encoding import reencoded, storable

_DUPLICATE_KEY = 11000
#: Documents that are looked at together.
CHUNK: Final = 5000


@dataclass(frozen=True, slots=True)
class InsertResult:
    """How many documents were new, and how many were there already."""

    inserted: int
    repeated: int


class Stored(NamedTuple):
    """A ride of the log: when it was stored, its id, and the time of its answer."""

    stored_at: datetime
    ride_id: str
    ts: object


def insert_records(
    database: Database[Document], documents: Sequence[Mapping[str, Any]], now: datetime
) -> InsertResult:
    """Write records (`PredictionRecord.to_document`); a repeat changes nothing."""
    return insert_encoded(database, [reencoded(one) for one in documents], now)


def insert_encoded(
    database: Database[Document], records: Sequence[bytes], now: datetime
) -> InsertResult:
    """Write encoded records (`taxi_store.encoding`); a repeat changes nothing."""
    repeated = len(_insert(database[PREDICTIONS], storable(records, now)))
    return InsertResult(len(records) - repeated, repeated)


def insert_labels(
    database: Database[Document], labels: Sequence[Label], now: datetime
) -> tuple[InsertResult, list[Label]]:
    """Write labels; the first label of a ride stays, also within `labels`.

    Returns:
        What was new, and the label that the log now has of each ride: what was posted where it
        was the first, else the one that was there.
    """
    first: dict[str, Label] = {}
    for one in labels:
        first.setdefault(one.ride_id, one)
    rides = list(first)
    documents = (
        {"_id": one.ride_id, "duration": one.duration, "ts": one.ts, "stored_at": now}
        for one in first.values()
    )
    there = [rides[index] for index in _insert(database[LABELS], documents)]
    new = len(first) - len(there)
    kept = first | labels_of(database, there)
    return InsertResult(new, len(labels) - new), list(kept.values())


def window(database: Database[Document], version: str, rows: int) -> list[PredictionRecord]:
    """Return the newest `rows` records that `version` answered or shadowed, oldest first."""
    with translated():
        found = list(
            database[PREDICTIONS]
            .find({"$or": [{"model_version": version}, {"shadow.model_version": version}]})
            .sort([("ts", -1), ("_id", -1)])
            .limit(rows)
        )
    return [record_of(one) for one in reversed(found)]


def labelled_window(
    database: Database[Document], version: str, rows: int
) -> list[tuple[PredictionRecord, Label]]:
    """Return the newest labelled records of a version, oldest first.

    So many that `rows` of them have labels within the target's limits. At most fifty times as
    many records are looked at, so that a log without labels ends.
    """
    newest: list[tuple[PredictionRecord, Label]] = []
    judged = 0
    with translated():
        cursor = (
            database[PREDICTIONS]
            .find({"$or": [{"model_version": version}, {"shadow.model_version": version}]})
            .sort([("ts", -1), ("_id", -1)])
            .limit(rows * 50)
        )
        for chunk in chunks(cursor.batch_size(CHUNK)):
            labels = labels_of(database, (one["_id"] for one in chunk))
            for one in chunk:
                label = labels.get(one["_id"])
                # Beyond the newest `rows` only labels within the limits matter.
                if label is None or not (is_target(label.duration) or len(newest) < rows):
                    continue
                newest.append((record_of(one), label))
                judged += is_target(label.duration)
                if judged == rows:
                    return list(reversed(newest))
    return list(reversed(newest))


def records_of(database: Database[Document], ride_ids: Sequence[str]) -> list[PredictionRecord]:
    """Return the records of rides that are in the log."""
    with translated():
        found = list(database[PREDICTIONS].find({"_id": {"$in": list(ride_ids)}}))
    return [record_of(one) for one in found]


def tail(database: Database[Document], since: datetime, limit: int) -> list[Stored]:
    """Return what was stored at or after `since`, in the order of storing."""
    with translated():
        found = database[PREDICTIONS].find(
            {"stored_at": {"$gte": since}}, {"stored_at": 1, "ts": 1}
        )
        ordered = found.sort("stored_at", 1).limit(limit)
        return [Stored(one["stored_at"], one["_id"], one.get("ts")) for one in ordered]


def tail_labels(
    database: Database[Document], since: datetime, limit: int
) -> list[tuple[datetime, Label]]:
    """Return labels stored at or after `since`, in the order of storing, with that time."""
    with translated():
        found = database[LABELS].find({"stored_at": {"$gte": since}})
        ordered = list(found.sort([("stored_at", 1), ("_id", 1)]).limit(limit))
    return [(one["stored_at"], _label(one)) for one in ordered]


def labels_of(database: Database[Document], ride_ids: Iterable[str]) -> dict[str, Label]:
    """Return the labels of rides that have one."""
    wanted = list(ride_ids)
    found: dict[str, Label] = {}
    with translated():
        for start in range(0, len(wanted), CHUNK):
            chunk = wanted[start : start + CHUNK]
            for one in database[LABELS].find({"_id": {"$in": chunk}}):
                found[one["_id"]] = _label(one)
    return found


def _label(document: Document) -> Label:
    return Label(document["_id"], document["duration"], document["ts"])


def chunks(documents: Iterable[Document]) -> Iterator[list[Document]]:
    """Yield the documents in lists of `CHUNK`."""
    chunk: list[Document] = []
    for one in documents:
        chunk.append(one)
        if len(chunk) == CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _insert(
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
