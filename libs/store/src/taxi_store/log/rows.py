"""Rows that nobody predicts, such as the input of tonight's batch: apart from what was served.

Nothing that is trained on, reported or labelled reads them; they are there for windows of their
own.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

import bson
from pymongo.database import Database

from taxi_domain.mongodb import ROWS
from taxi_domain.records import EVENT_TIME, INPUTS
from taxi_store.connection import Document, translated
from taxi_store.log.encoding import storable
from taxi_store.log.malformed import lenient
from taxi_store.log.prediction_log import insert_new

_FIELDS: Final = ("ts", EVENT_TIME, "model", INPUTS)


class UnservedRow(NamedTuple):
    """One row.

    Attributes:
        row_id: Its key; a repeat changes nothing.
        ts: When it was posted, UTC.
        event_time: Naive local time of the event, in the schema's zone; None when not known.
        model: Name of the model that it is a row of.
        inputs: Values of the schema's columns by name, None where missing.
        extra: Fields that the schema does not declare.
    """

    row_id: str
    ts: datetime
    event_time: datetime | None
    model: str
    inputs: Mapping[str, object]
    extra: Mapping[str, object]

    def encoded(self) -> bytes:
        """Return the document as BSON."""
        document: dict[str, Any] = {
            "_id": self.row_id, **{name: getattr(self, name) for name in _FIELDS},
        }  # fmt: skip
        return bson.encode({**document, "extra": dict(self.extra)} if self.extra else document)


def insert_rows(
    database: Database[Document], rows: Sequence[UnservedRow], now: datetime, by: str = ""
) -> frozenset[int]:
    """Write rows, with who sent them; return the indexes of those that were there before."""
    documents = storable([one.encoded() for one in rows], now, by)
    return frozenset(insert_new(database[ROWS], documents))


def newest_rows(database: Database[Document], model: str, most: int) -> list[Document]:
    """Return documents of the rows of a model that were posted last."""
    with translated():
        return list(
            lenient(database, ROWS).find({"model": model}).sort([("ts", -1), ("_id", -1)])
            .limit(most)
        )  # fmt: skip


def rows_of(database: Database[Document], row_ids: Iterable[str]) -> list[Document]:
    """Return the documents of rows that are there."""
    with translated():
        return list(lenient(database, ROWS).find({"_id": {"$in": list(row_ids)}}))
