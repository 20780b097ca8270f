"""Halves of logged inferences: requests that wait for their responses, and the reverse.

One document for each inference, `_id` its id. A half is stored before anything else is done with
it, and whoever stores the second one, or finds both, may join them: joining writes records whose
ids follow from the halves, so doing it twice changes nothing. What is joined is remembered without
its content, so that a half that comes again does not wait for ever. So is what was dropped, since
too much waited. All of it expires.
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

#: Of what is joined or dropped, so that a broker's retries meet its mark.
EXPIRY_SECONDS: Final = 3600
#: Of a half without the other one, which comes within seconds, or never: of a request that failed
#: there is no response.
HALF_EXPIRY_SECONDS: Final = 600
#: That one call drops: their ids are of one command's 16 MB.
MAX_DROPPED: Final = 10_000
_DUPLICATE_KEY: Final = 11000
_TRIES: Final = 3
_ONE: Final = "one"
_BOTH: Final = "both"
_DONE: Final = "done"
_DROPPED: Final = "dropped"


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
    """Ids of inferences that can be joined, that were, and of which a half was dropped."""

    whole: list[str]
    done: list[str]
    dropped: list[str]


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
        pending.create_index(
            [("touched_at", ASCENDING)], name="halves", expireAfterSeconds=HALF_EXPIRY_SECONDS,
            partialFilterExpression={"state": _ONE},
        )  # fmt: skip


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
    """Return which inferences can be joined, which were, and which never will be."""
    found: dict[str, list[str]] = {_BOTH: [], _DONE: [], _DROPPED: []}
    selector = {"_id": {"$in": list(ids)}, "state": {"$in": list(found)}}
    with translated():
        for one in database[PENDING].find(selector, {"state": 1}):
            found[one["state"]].append(one["_id"])
    return States(found[_BOTH], found[_DONE], found[_DROPPED])


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
    _forget(database, {"_id": {"$in": list(ids)}}, _DONE)


def drop(database: Database[Document], surplus: Waiting) -> dict[Half, int]:
    """Forget the content of the halves that wait longest, and remember that it is gone.

    Args:
        database: Where they are.
        surplus: How many are dropped at least, and their bytes; `MAX_DROPPED` at most.

    Returns:
        How many were dropped of each half. What was completed meanwhile was not.
    """
    count, size = surplus.count, surplus.bytes
    ids: dict[Half, list[str]] = {half: [] for half in Half}
    fields = {"bytes": 1, f"{Half.REQUEST}.bytes": 1}
    with translated():
        oldest = database[PENDING].find({"state": _ONE}, fields).sort("touched_at", ASCENDING)
        with oldest.limit(MAX_DROPPED) as found:
            for one in found:
                if count <= 0 and size <= 0:
                    break
                ids[Half.REQUEST if Half.REQUEST in one else Half.RESPONSE].append(one["_id"])
                count, size = count - 1, size - one["bytes"]
    return {
        half: _forget(database, {"_id": {"$in": some}, "state": _ONE}, _DROPPED) if some else 0
        for half, some in ids.items()
    }


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


def _forget(database: Database[Document], selector: Document, state: str) -> int:
    """Leave a mark of inferences; return how many."""
    # Lost with a server that dies now, it is only joined or dropped once more.
    pending = database.get_collection(PENDING, write_concern=WriteConcern(w=1, j=False))
    without = dict.fromkeys((*Half, "touched_at", "bytes"), "")
    with translated():
        marked = pending.update_many(selector, {"$set": {"state": state}, "$unset": without})
    return marked.modified_count


def _update(half: Half, content: Document, now: datetime) -> list[Document]:
    both = {"$and": [{"$eq": [{"$type": f"${one}"}, "object"]} for one in Half]}
    over = {"$in": ["$state", [_DONE, _DROPPED]]}
    kept = {"$ifNull": [f"${half}", {"$literal": content}]}
    return [
        {
            "$set": {
                "stored_at": {"$ifNull": ["$stored_at", now]},
                half: {"$cond": [over, "$$REMOVE", kept]},
            }
        },
        {
            "$set": {
                "touched_at": {"$cond": [over, "$$REMOVE", now]},
                "bytes": {"$cond": [over, "$$REMOVE", {"$sum": [f"${one}.bytes" for one in Half]}]},
                "state": {"$cond": [over, "$state", {"$cond": [both, _BOTH, _ONE]}]},
            }
        },
    ]
