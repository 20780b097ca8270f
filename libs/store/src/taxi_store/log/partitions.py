"""The prediction log in partitions: ranges of answer time with about equally many records.

A partition is a half-open range of the index (model, answer time, id), so it holds the same
records whenever it is read, however many have the same answer time. The end of a span is fixed
when it is planned: records that are answered later are in no partition.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any, Final, TypeGuard

from bson.codec_options import CodecOptions, DatetimeConversion
from bson.datetime_ms import DatetimeMS
from bson.int64 import Int64
from bson.min_key import MinKey
from pymongo import DESCENDING
from pymongo.collection import Collection
from pymongo.cursor import Cursor
from pymongo.database import Database

from taxi_domain.errors import FieldError
from taxi_domain.mongodb import LABELS, PREDICTIONS
from taxi_domain.numbers import MAX_NUMBER
from taxi_domain.records import EVENT_TIME, INPUTS, LABEL_VALUE
from taxi_store.connection import Document, translated
from taxi_store.log.malformed import Unreadable
from taxi_store.log.prediction_log import CHUNK, chunks

#: Records of a partition at most, and bytes of documents.
MAX_ROWS: Final = 50_000
MAX_BYTES: Final = 64 * 1024 * 1024

_INDEX: Final = [("ts", DESCENDING), ("_id", DESCENDING)]
_ORDER: Final = [("model", 1), *_INDEX]
#: Times stay whole milliseconds: nothing in a time can make a document unreadable, and reading
#: many is faster.
_MILLISECONDS: Final = CodecOptions[dict[str, Any]](
    datetime_conversion=DatetimeConversion.DATETIME_MS, unicode_decode_error_handler="replace"
)
_FIELDS: Final = dict.fromkeys(
    ("ts", EVENT_TIME, "model_version", "model_role", INPUTS, "prediction", "latency_seconds"),
    1,
)
#: Left out unless it is asked for: readers of columns have no use for it.
_EXTRA: Final = {"extra": 1}
_MEASURED: Final = 200
_PROBLEM: Final = "is of another type"
_REMEDY: Final = "write records as the predictor does"


@dataclass(frozen=True, slots=True)
class Key:
    """A place in the index: before the records of an answer time (`row_id` None), or a record."""

    ts: datetime
    row_id: object = None


@dataclass(frozen=True, slots=True)
class Partition:
    """Records of one model, newest first, from `newest` (included) to `end` (not included)."""

    model: str
    newest: Key
    end: Key


@dataclass(frozen=True, slots=True)
class LabelValue:
    """A label: the target's value, and when it came, milliseconds since the epoch."""

    value: float
    ts: int


def plan(
    database: Database[Document],
    model: str,
    start: datetime,
    end: datetime,
    *,
    max_rows: int = MAX_ROWS,
) -> list[Partition]:
    """Part the records that were answered from `start` (included) to `end` (not included).

    A partition has at most `MAX_BYTES` of documents, by the size of the newest ones.

    Args:
        database: Where the log is.
        model: Name of the model, whatever the version.
        start: Begin of the span, aware.
        end: End of the span, aware.
        max_rows: Records of a partition at most.

    Returns:
        Oldest first; empty when there are no records.
    """
    last = Key(start)
    edges = [Key(end)]
    with translated():
        collection = database.get_collection(PREDICTIONS, codec_options=_MILLISECONDS)
        rows = _rows_of(collection, Partition(model, edges[0], last), max_rows)
        if not rows:
            return []
        while True:
            rest = _range(collection, Partition(model, edges[-1], last), {"ts": 1})
            following = next(iter(rest.skip(rows).limit(1)), None)
            if following is None:
                break
            edges.append(_key_of(following))
    edges.append(last)
    return [Partition(model, newest, end) for newest, end in pairwise(edges)][::-1]


def first_time(
    database: Database[Document], model: str, start: datetime, end: datetime
) -> datetime | None:
    """Return when the first record of a model in a span was answered, UTC; None without any.

    Args:
        database: Where the log is.
        model: Name of the model, whatever the version.
        start: Begin of the span, aware.
        end: End of the span (not included), aware.
    """
    oldest_first = [(name, -direction) for name, direction in _INDEX]
    with translated():
        found = database.get_collection(PREDICTIONS, codec_options=_MILLISECONDS).find(
            {"model": model, "ts": {"$gte": start, "$lt": end}}, {"ts": 1}, sort=oldest_first
        )
        first = next(iter(found.hint(_ORDER).limit(1)), None)
    return None if first is None else _key_of(first).ts


def read(
    database: Database[Document],
    partition: Partition,
    unreadable: Unreadable,
    where: Mapping[str, Any] | None = None,
    *,
    with_extra: bool = False,
) -> Iterator[list[Document]]:
    """Yield a partition's documents in pieces, newest first; times are `DatetimeMS`.

    The id, the answer time, the version, the inputs and the prediction of every document are
    of their types; what else is in a document is not checked.

    Args:
        database: Where the log is.
        partition: Part of the log.
        unreadable: Told of documents that cannot be read.
        where: A filter of MongoDB; None for all documents.
        with_extra: Whether fields that no schema declares are read too.
    """
    fields = {**_FIELDS, **_EXTRA} if with_extra else _FIELDS
    with translated():
        collection = database.get_collection(PREDICTIONS, codec_options=_MILLISECONDS)
        found = _range(collection, partition, fields, where)
        for chunk in chunks(found.batch_size(CHUNK)):
            yield _sound(chunk, unreadable)


def label_values(
    database: Database[Document], row_ids: Iterable[str], unreadable: Unreadable
) -> dict[str, LabelValue]:
    """Return the labels of the rows that have one."""
    found: dict[str, LabelValue] = {}
    with translated():
        collection = database.get_collection(LABELS, codec_options=_MILLISECONDS)
        for wanted in chunks(row_ids):
            documents = collection.find({"_id": {"$in": wanted}}, {LABEL_VALUE: 1, "ts": 1})
            for one in documents.batch_size(CHUNK):
                value, ts = one.get(LABEL_VALUE), one.get("ts")
                if not _is_number(value):
                    unreadable.add(LABELS, one["_id"], FieldError(LABEL_VALUE, _PROBLEM, _REMEDY))
                elif type(ts) is not DatetimeMS:
                    unreadable.add(LABELS, one["_id"], FieldError("ts", _PROBLEM, _REMEDY))
                else:
                    found[one["_id"]] = LabelValue(float(value), int(ts))
    return found


def _rows_of(collection: Collection[Document], whole: Partition, max_rows: int) -> int:
    """Return how many records a partition may have, 0 when there are none at all."""
    first = [one["_id"] for one in _range(collection, whole, {"_id": 1}).limit(_MEASURED)]
    if not first:
        return 0
    raw = collection.find_raw_batches({"_id": {"$in": first}}, _FIELDS)
    size = sum(len(batch) for batch in raw) / len(first)
    return max(1, min(max_rows, int(MAX_BYTES / max(size, 1))))


def _range(
    collection: Collection[Document],
    partition: Partition,
    fields: Mapping[str, int],
    where: Mapping[str, Any] | None = None,
) -> Cursor[Document]:
    found = collection.find(where or {}, fields, sort=_ORDER, hint=_ORDER)
    return found.min(_bound(partition.model, partition.newest)).max(
        _bound(partition.model, partition.end)
    )


def _bound(model: str, key: Key) -> list[tuple[str, Any]]:
    # Ids descend in the index, so the smallest of all keys stands after the records of its time,
    # and before those of the time before.
    row_id = MinKey() if key.row_id is None else key.row_id
    return [("model", model), ("ts", key.ts), ("_id", row_id)]


def _key_of(document: Document) -> Key:
    return Key(datetime.fromtimestamp(int(document["ts"]) / 1000, UTC), document["_id"])


def _sound(chunk: list[Document], unreadable: Unreadable) -> list[Document]:
    kept = []
    for one in chunk:
        field = _fault(one)
        if not field:
            kept.append(one)
        else:
            unreadable.add(PREDICTIONS, one.get("_id"), FieldError(field, _PROBLEM, _REMEDY))
    return kept


def _fault(document: Document) -> str:
    """Return the field whose type is wrong, empty when all are right."""
    if not _is_number(document.get("prediction")):
        return "prediction"
    if type(document.get(INPUTS)) is not dict:
        return INPUTS
    if type(document.get("ts")) is not DatetimeMS:
        return "ts"
    if type(document.get("_id")) is not str:
        return "_id"
    return "" if type(document.get("model_version")) is str else "model_version"


def _is_number(value: object) -> TypeGuard[int | float]:
    """Tell whether a value is a number that can be one; a boolean, which is an int, is none."""
    if type(value) is float or type(value) is int or type(value) is Int64:
        return abs(value) <= MAX_NUMBER
    return False
