"""Halves of logged inferences: requests that wait for their responses, and the reverse.

One document for each inference, `_id` its id. A half is stored before anything else is done with
it, and whoever stores the second one, or finds both, may join them: joining writes records whose
ids follow from the halves, so doing it twice changes nothing. What is joined is remembered without
its content, so that a half that comes again does not wait for ever. All of it expires.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, NamedTuple

from pymongo import ASCENDING, UpdateOne
from pymongo.database import Database
from pymongo.errors import BulkWriteError
from pymongo.write_concern import WriteConcern

from taxi_domain.mongodb import PENDING
from taxi_store.connection import Document, translated
from taxi_store.log.malformed import lenient

#: Halves of one inference come within seconds, or within a broker's retries.
EXPIRY_SECONDS: Final = 3600
_DUPLICATE_KEY: Final = 11000
_TRIES: Final = 3
_ONE: Final = "one"
_BOTH: Final = "both"
_DONE: Final = "done"


class Half(StrEnum):
    """One side of an inference."""

    REQUEST = "request"
    RESPONSE = "response"


class Side(NamedTuple):
    """A half as it came.

    Attributes:
        id: Of the inference.
        half: Which one it is.
        content: What joining needs of it.
    """

    id: str
    half: Half
    content: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Pair:
    """Both halves of an inference, which are not joined yet."""

    id: str
    request: Mapping[str, Any]
    response: Mapping[str, Any]


class States(NamedTuple):
    """Ids of inferences that can be joined, and of those that were."""

    whole: list[str]
    done: list[str]


@dataclass(frozen=True, slots=True)
class Waiting:
    """Halves without the other one: how many, and their bytes."""

    count: int
    bytes: int


def ensure_pending_indexes(database: Database[Document]) -> None:
    """Make the indexes: what is old expires, and what waits is counted without reading it."""
    with translated():
        pending = database[PENDING]
        pending.create_index([("stored_at", ASCENDING)], expireAfterSeconds=EXPIRY_SECONDS)
        pending.create_index([("state", ASCENDING), ("touched_at", ASCENDING), ("bytes", 1)])


def add(database: Database[Document], sides: Iterable[Side], now: datetime) -> None:
    """Store halves; the first of each stays, also within `sides`."""
    updates = [
        UpdateOne({"_id": one.id}, _update(one.half, dict(one.content), now), upsert=True)
        for one in sides
    ]
    with translated():
        for left in reversed(range(_TRIES)):
            if not updates:
                break
            try:
                # In their order, so that no two of them make the same document at a time.
                database[PENDING].bulk_write(updates)
                updates = []
            except BulkWriteError as error:
                (problem,) = (error.details or {}).get("writeErrors") or [{}]
                # Another server made the document at the same time; now it is found.
                if problem.get("code") != _DUPLICATE_KEY or not left:
                    raise
                updates = updates[problem["index"] :]


def states(database: Database[Document], ids: Iterable[str]) -> States:
    """Return which inferences can be joined, and which were."""
    found: dict[str, list[str]] = {_BOTH: [], _DONE: []}
    selector = {"_id": {"$in": list(ids)}, "state": {"$in": list(found)}}
    with translated():
        for one in database[PENDING].find(selector, {"state": 1}):
            found[one["state"]].append(one["_id"])
    return States(found[_BOTH], found[_DONE])


def left_over(database: Database[Document], before: datetime, most: int) -> list[str]:
    """Return pairs that nobody joined: whoever stored the second half did not live to do it.

    Args:
        database: Where they are.
        before: Only those that nobody touched since.
        most: So many at most.
    """
    selector = {"state": _BOTH, "touched_at": {"$lt": before}}
    with translated():
        return [one["_id"] for one in database[PENDING].find(selector, {"_id": 1}).limit(most)]


def pair_of(database: Database[Document], inference: str) -> Pair | None:
    """Return both halves of an inference; None when they are not there or were joined."""
    with translated():
        one = lenient(database, PENDING).find_one({"_id": inference, "state": _BOTH})
    return None if one is None else Pair(inference, one[Half.REQUEST], one[Half.RESPONSE])


def done(database: Database[Document], ids: Iterable[str]) -> None:
    """Remember that inferences are joined, or cannot be, and forget their content."""
    # Lost with a server that dies now, it is only joined once more.
    pending = database.get_collection(PENDING, write_concern=WriteConcern(w=1, j=False))
    with translated():
        pending.update_many(
            {"_id": {"$in": list(ids)}},
            {
                "$set": {"state": _DONE},
                "$unset": dict.fromkeys((*Half, "touched_at", "bytes"), ""),
            },
        )


def waiting(database: Database[Document]) -> Waiting:
    """Return how many halves wait for the other one."""
    with translated():
        found = list(
            database[PENDING].aggregate(
                [
                    {"$match": {"state": _ONE}},
                    {"$group": {"_id": None, "count": {"$sum": 1}, "bytes": {"$sum": "$bytes"}}},
                ]
            )
        )
    return Waiting(found[0]["count"], found[0]["bytes"]) if found else Waiting(0, 0)


def _update(half: Half, content: Document, now: datetime) -> list[Document]:
    both = {"$and": [{"$eq": [{"$type": f"${one}"}, "object"]} for one in Half]}
    done = {"$eq": ["$state", _DONE]}
    kept = {"$ifNull": [f"${half}", {"$literal": content}]}
    return [
        {
            "$set": {
                "stored_at": {"$ifNull": ["$stored_at", now]},
                half: {"$cond": [done, "$$REMOVE", kept]},
            }
        },
        {
            "$set": {
                "touched_at": {"$cond": [done, "$$REMOVE", now]},
                "bytes": {"$cond": [done, "$$REMOVE", {"$sum": [f"${one}.bytes" for one in Half]}]},
                "state": {"$cond": [done, _DONE, {"$cond": [both, _BOTH, _ONE]}]},
            }
        },
    ]
