"""The history of the verdict: written block by block, read for going on and for charts.

A block's document is replaced as a whole under its id, so that a repeat, or two monitors during a
rolling update, leave exactly one. Only the newest blocks of a side keep the detector, from which a
monitor goes on; the history is bounded by `prune`.
"""

import logging
from collections.abc import Collection as Names
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from pymongo import ASCENDING, DESCENDING, ReplaceOne, UpdateMany
from pymongo.collection import Collection
from pymongo.database import Database
from pymongo.errors import BulkWriteError

from taxi_domain.errors import FieldError
from taxi_domain.mongodb import VERDICTS
from taxi_domain.verdicts import Side, verdict_id
from taxi_store.connection import Document, translated
from taxi_store.log.malformed import lenient
from taxi_store.registry.entries import UnreadableEntryError
from taxi_store.verdicts.block_verdict import BlockVerdict, document_of, verdict_of

#: Points of a chart; of more blocks those with most evidence are taken.
MAX_POINTS: Final = 500
#: Blocks of a side whose detector is kept: the newest, and some in case these are damaged.
KEPT_DETECTORS: Final = 4
#: Streams whose scores can be read at once over a span.
MAX_STREAMS: Final = 200
#: Versions that are listed.
MAX_VERSIONS: Final = 50
#: Among so many of the newest the others lose it: not among all, which each write would read.
_CLEARED: Final = 64
_MAX_MILLISECONDS: Final = 5000
_DUPLICATE_KEY: Final = 11000

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Span:
    """Which blocks are read.

    Attributes:
        model: Name of the model.
        side: Rows, or labels.
        start: Blocks whose last row was answered at this time or later.
        end: ... or earlier.
        versions: Of these versions; all when it is empty.
        role: Blocks that were judged in it, or whose role is not known; empty for any.
    """

    model: str
    side: Side
    start: datetime
    end: datetime
    versions: tuple[str, ...] = ()
    role: str = ""

    def query(self) -> Document:
        """Return the filter."""
        wanted: Document = {
            "model": self.model, "side": str(self.side),
            "last_ts": {"$gte": self.start, "$lte": self.end},
        }  # fmt: skip
        if self.versions:
            wanted["version"] = {"$in": list(self.versions)}
        if self.role:
            wanted["role"] = {"$in": [self.role, ""]}
        return wanted


@dataclass(frozen=True, slots=True)
class JudgedVersion:
    """A version that has blocks.

    Attributes:
        version: Model version.
        first_ts: Answer time of the last row of its first block that is kept; UTC.
        last_ts: Answer time of the last row of its last block.
        blocks: How many are kept.
        role: In which any of them was judged; empty where that is not known of any.
    """

    version: str
    first_ts: datetime
    last_ts: datetime
    blocks: int
    role: str = ""


def append(database: Database[Document], *verdicts: BlockVerdict) -> bool:
    """Write verdicts of blocks in place of those with their ids, if there are any, in one request.

    Args:
        database: Where they are.
        verdicts: Of a side, the older blocks first.

    Returns:
        False when any that is there is of newer rules (`engine`), and stays.

    Raises:
        StoreUnavailableError: MongoDB does not answer, or refuses.
    """
    # Each with its detector, also when it is soon past: whoever comes after a request that was cut
    # off goes on from the last block of each side.
    writes: list[ReplaceOne[Document] | UpdateMany] = []
    for one in verdicts:
        older = {"_id": one.verdict_id, "engine": {"$lte": one.engine}}
        writes.append(ReplaceOne(older, document_of(one), upsert=True))
    newest = {(one.model, one.version, one.side): one.block for one in verdicts}
    for (model, version, side), block in newest.items():
        past = {"$gt": block - _CLEARED, "$lte": block - KEPT_DETECTORS}
        wanted = {"model": model, "version": version, "side": str(side), "block": past}
        writes.append(UpdateMany({**wanted, "detector": {"$ne": b""}}, {"$set": {"detector": b""}}))
    # No detector goes before a newer one is there.
    return _written(database[VERDICTS], writes)


def last_verdict(
    database: Database[Document], model: str, version: str, side: Side
) -> BlockVerdict | None:
    """Return the newest block of a side that has its detector, None when there is none.

    One that cannot be read is left out, as if it had not been written.

    Raises:
        StoreUnavailableError: MongoDB does not answer, or refuses.
    """
    wanted = {"model": model, "version": version, "side": str(side), "detector": {"$ne": b""}}
    with translated():
        found = list(
            lenient(database, VERDICTS)
            .find(wanted)
            .sort("block", DESCENDING)
            .limit(KEPT_DETECTORS)
            .max_time_ms(_MAX_MILLISECONDS)
        )
    return next(iter(_readable(found)), None)


def block_of(
    database: Database[Document], model: str, version: str, side: Side, block: int
) -> BlockVerdict | None:
    """Return one block without its detector, None when there is none that can be read.

    Raises:
        StoreUnavailableError: MongoDB does not answer, or refuses.
    """
    name = verdict_id(model, version, side, block)
    return blocks_of(database, [name]).get(name)


def blocks_of(database: Database[Document], ids: Sequence[str]) -> dict[str, BlockVerdict]:
    """Return blocks by their ids, without their detectors, those that can be read.

    Raises:
        StoreUnavailableError: MongoDB does not answer, or refuses.
    """
    with translated():
        found = list(lenient(database, VERDICTS).find({"_id": {"$in": ids}}, {"detector": 0}))
    return {one.verdict_id: one for one in _readable(found)}


def drop_behind(
    database: Database[Document], model: str, version: str, side: Side, block: int
) -> int:
    """Remove the blocks of a side behind one; return how many.

    Raises:
        StoreUnavailableError: MongoDB does not answer, or refuses.
    """
    behind = {"model": model, "version": version, "side": str(side), "block": {"$gt": block}}
    with translated():
        return database[VERDICTS].delete_many(behind).deleted_count


def chart_points(
    database: Database[Document],
    span: Span,
    *,
    streams: Sequence[str] = (),
    points: int = MAX_POINTS,
) -> list[BlockVerdict]:
    """Return blocks of a span in the order of time, without their detectors.

    Of more blocks than `points` the one with most evidence stands for each stretch of equal time.

    Args:
        database: Where they are.
        span: Which blocks.
        streams: Those whose score and evidence are read; the others are left out.
        points: At most so many, 1 to `MAX_POINTS`.

    Raises:
        FieldError: `points` or `streams` is out of range.
        StoreUnavailableError: MongoDB does not answer, or refuses.
    """
    _check_range("points", points, MAX_POINTS)
    if streams:
        _check_range("streams", len(streams), MAX_STREAMS)
    verdicts = lenient(database, VERDICTS)
    with translated():
        chosen = _chosen(database, span, points)
        query = span.query() if chosen is None else {"_id": {"$in": chosen}}
        found = list(
            verdicts.find(query, _fields(streams))
            .sort([("last_ts", ASCENDING), ("block", ASCENDING)])
            .limit(points)
            .max_time_ms(_MAX_MILLISECONDS)
        )
    return _readable(found)


def newest_verdict(
    database: Database[Document], model: str, version: str, side: Side
) -> BlockVerdict | None:
    """Return the newest block of a side with all its streams, without its detector.

    Raises:
        StoreUnavailableError: MongoDB does not answer, or refuses.
    """
    wanted = {"model": model, "version": version, "side": str(side)}
    with translated():
        found = list(
            lenient(database, VERDICTS)
            .find(wanted, {"detector": 0})
            .sort("block", DESCENDING)
            .limit(1)
            .max_time_ms(_MAX_MILLISECONDS)
        )
    return next(iter(_readable(found)), None)


def judged_versions(
    database: Database[Document], model: str, role: str = ""
) -> list[JudgedVersion]:
    """Return the versions of a model that have blocks of rows, the newest first.

    Args:
        database: Where they are.
        model: Name of the model.
        role: Blocks that were judged in it, or whose role is not known; empty for all.

    Raises:
        StoreUnavailableError: MongoDB does not answer, or refuses.
    """
    of_role = {"role": {"$in": [role, ""]}} if role else {}
    steps: list[Document] = [
        {"$match": {"model": model, "side": str(Side.ROWS), **of_role}},
        {"$group": {
            "_id": "$version", "first": {"$min": "$last_ts"}, "last": {"$max": "$last_ts"},
            "blocks": {"$sum": 1}, "role": {"$max": "$role"},
        }},
        {"$sort": {"last": -1, "_id": 1}},
        {"$limit": MAX_VERSIONS},
    ]  # fmt: skip
    with translated():
        found = list(database[VERDICTS].aggregate(steps, maxTimeMS=_MAX_MILLISECONDS))
    return [
        JudgedVersion(one["_id"], one["first"], one["last"], one["blocks"], one["role"] or "")
        for one in found
    ]


def prune(  # noqa: PLR0913 - one keyword for each limit
    database: Database[Document],
    model: str,
    *,
    watched: Names[str],
    keep_blocks: int,
    keep_age: timedelta,
    now: datetime,
) -> int:
    """Remove old blocks; return how many.

    Args:
        database: Where they are.
        model: Name of the model.
        watched: Versions whose newest blocks stay, however old they are.
        keep_blocks: So many of the newest of each version and side stay, `KEPT_DETECTORS` at least.
        keep_age: Versions that are not watched go when their last block is older.
        now: The time, UTC.

    Raises:
        FieldError: `keep_blocks` is too small.
        StoreUnavailableError: MongoDB does not answer, or refuses.
    """
    if keep_blocks < KEPT_DETECTORS:
        raise FieldError("keep_blocks", f"{keep_blocks} is too few", f"give {KEPT_DETECTORS}")
    verdicts = database[VERDICTS]
    removed = 0
    with translated():
        for one in _last_blocks(database, model):
            of_side = {"model": model, "side": one["side"], "version": one["version"]}
            if one["version"] not in watched and now - one["last_ts"] > keep_age:
                removed += verdicts.delete_many(of_side).deleted_count
            elif one["block"] >= keep_blocks:
                old = {**of_side, "block": {"$lte": one["block"] - keep_blocks}}
                removed += verdicts.delete_many(old).deleted_count
    return removed


def _written(
    verdicts: Collection[Document], writes: Sequence[ReplaceOne[Document] | UpdateMany]
) -> bool:
    """Do writes in their order; tell whether all were."""
    every = True
    while writes:
        with translated():
            try:
                verdicts.bulk_write(writes)
            except BulkWriteError as error:
                (problem,) = (error.details or {}).get("writeErrors") or [{}]
                if problem.get("code") != _DUPLICATE_KEY:
                    raise
                place = problem["index"]
            else:
                return every
            # Newer rules wrote it, or another process inserted it at the same moment.
            asked = problem["op"]
            every &= bool(verdicts.replace_one(asked["q"], asked["u"]).matched_count)
            writes = writes[place + 1 :]
    return every


def _last_blocks(database: Database[Document], model: str) -> list[Document]:
    """Return `version`, `side`, last `block` and `last_ts` of every side of every version."""
    steps: list[Document] = [
        {"$match": {"model": model}},
        {"$group": {
            "_id": {"version": "$version", "side": "$side"}, "block": {"$max": "$block"},
            "last_ts": {"$max": "$last_ts"},
        }},
    ]  # fmt: skip
    found = database[VERDICTS].aggregate(steps, maxTimeMS=_MAX_MILLISECONDS)
    return [{**one["_id"], "block": one["block"], "last_ts": one["last_ts"]} for one in found]


def _chosen(database: Database[Document], span: Span, points: int) -> list[str] | None:
    """Return ids of blocks that stand for all of a span, None when there are few enough."""
    verdicts = database[VERDICTS]
    query = span.query()
    if verdicts.count_documents(query, limit=points + 1, maxTimeMS=_MAX_MILLISECONDS) <= points:
        return None
    ends: list[Document] = [
        {"$match": query},
        {"$group": {"_id": None, "min": {"$min": "$last_ts"}, "max": {"$max": "$last_ts"}}},
    ]
    (edge,) = verdicts.aggregate(ends, maxTimeMS=_MAX_MILLISECONDS)
    width = max((edge["max"] - edge["min"]).total_seconds() * 1000 / points, 1.0)
    place: Document = {
        "$min": [
            points - 1,
            {"$floor": {"$divide": [{"$subtract": ["$last_ts", edge["min"]]}, width]}},
        ]
    }
    # Documents are compared field by field, so the largest has the most evidence.
    block: Document = {"total": "$total", "block": "$block", "version": "$version"}
    steps: list[Document] = [
        {"$match": query},
        {"$group": {"_id": place, "top": {"$max": block}}},
        {"$limit": points},
    ]
    found = verdicts.aggregate(steps, maxTimeMS=_MAX_MILLISECONDS)
    tops = [one["top"] for one in found]
    return [verdict_id(span.model, one["version"], span.side, one["block"]) for one in tops]


def _fields(streams: Sequence[str]) -> dict[str, Any]:
    fields: dict[str, Any] = dict.fromkeys(
        ("model", "version", "side", "block", "rows", "first_ts", "last_ts", "cursor", "groups",
         "total", "threshold", "state", "kind", "blamed", "engine", "backfilled", "role",
         "traffic"), 1,
    )  # fmt: skip
    if streams:
        # Names are literal: one may begin with a dollar sign.
        wanted: Document = {"$in": ["$$this.name", {"$literal": list(streams)}]}
        fields["streams"] = {"$filter": {"input": "$streams", "cond": wanted}}
    return fields


def _readable(documents: Sequence[Document]) -> list[BlockVerdict]:
    found = []
    for document in documents:
        try:
            found.append(verdict_of(document))
        except UnreadableEntryError as error:
            logger.warning("a verdict is left out", extra={"reason": str(error)})
    return found


def _check_range(name: str, number: int, most: int) -> None:
    if not 1 <= number <= most:
        raise FieldError(name, f"{number} is out of range", f"give 1 to {most}")
