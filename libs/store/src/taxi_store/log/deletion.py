"""Rows that are removed from the log with their labels, by id or by time.

A row's label goes first: whatever ends a deletion, a repeat finds what is left. A row that nobody
predicts and an answered one may have the same id, at other times and of other models: by time each
goes by its own time and model, and a label stays while an answered row does.

Runs and artifacts have no ids of rows; verdicts have that of each block's last row, and nothing
else of it. Reports have some rows as examples, and are removed by their span.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from pymongo.database import Database

from taxi_domain.mongodb import LABELS, PREDICTIONS, REPORTS, ROWS
from taxi_domain.reports import REPORT_KIND
from taxi_store.connection import Document, translated
from taxi_store.log.prediction_log import CHUNK, chunks

#: What has rows under their ids, with model and answer time.
ROW_COLLECTIONS: Final = (PREDICTIONS, ROWS)


@dataclass(frozen=True, slots=True)
class Times:
    """A span of answer times.

    Attributes:
        start: Included; None: from the log's begin.
        end: Not included; UTC.
    """

    start: datetime | None
    end: datetime

    @property
    def selector(self) -> Document:
        """What a time in it fits."""
        return {"$lt": self.end, **({} if self.start is None else {"$gte": self.start})}


@dataclass(frozen=True, slots=True)
class Piece:
    """Some of what is meant.

    Attributes:
        ids: At most `CHUNK`.
        meant: What documents with these ids fit that are meant, by collection; collections that
            are not named lose none. Labels of answered rows that stay are never meant.
    """

    ids: Sequence[Any]
    meant: Mapping[str, Document]

    @classmethod
    def of_ids(cls, ids: Sequence[Any]) -> "Piece":
        """Mean whatever has one of these ids."""
        return cls(ids, {name: {} for name in (*ROW_COLLECTIONS, LABELS)})

    def rows(self) -> Iterator[tuple[str, Document]]:
        """Yield what selects the rows that are meant, by collection."""
        for name in ROW_COLLECTIONS:
            if name in self.meant:
                yield name, {"_id": {"$in": list(self.ids)}, **self.meant[name]}

    def labels(self, database: Database[Document]) -> Document:
        """Return what selects the labels that are meant; asks which answered rows stay."""
        stay: Document = {"_id": {"$in": list(self.ids)}}
        if PREDICTIONS in self.meant:
            stay["$nor"] = [dict(self.meant[PREDICTIONS])]
        staying = [one["_id"] for one in database[PREDICTIONS].find(stay, {"_id": 1})]
        return {"_id": {"$in": list(self.ids), "$nin": staying}, **self.meant[LABELS]}


@dataclass(slots=True)
class Removal:
    """What is removed, or would be.

    Attributes:
        rows: Of the log.
        labels: Of these rows, or of none that the log has.
        first: Answer time of the first row, None without any.
        last: Answer time of the last one.
    """

    rows: int = 0
    labels: int = 0
    first: datetime | None = None
    last: datetime | None = None

    def add(self, other: "Removal") -> None:
        """Add what another one removes."""
        self.rows += other.rows
        self.labels += other.labels
        firsts = [one for one in (self.first, other.first) if one is not None]
        lasts = [one for one in (self.last, other.last) if one is not None]
        self.first, self.last = min(firsts, default=None), max(lasts, default=None)


def removal_of(database: Database[Document], piece: Piece) -> Removal:
    """Return what would be removed.

    Raises:
        StoreUnavailableError: MongoDB does not answer, or refuses.
    """
    with translated():
        times = [
            one.get("ts")
            for name, selector in piece.rows()
            for one in database[name].find(selector, {"ts": 1})
        ]
        labels = database[LABELS].count_documents(piece.labels(database))
    known = [one for one in times if isinstance(one, datetime)]
    return Removal(len(times), labels, min(known, default=None), max(known, default=None))


def remove_rows(database: Database[Document], piece: Piece) -> Removal:
    """Remove rows and their labels; return what was there.

    Raises:
        StoreUnavailableError: MongoDB does not answer, or refuses.
    """
    found = removal_of(database, piece)
    with translated():
        found.labels = database[LABELS].delete_many(piece.labels(database)).deleted_count
        found.rows = sum(
            database[name].delete_many(selector).deleted_count for name, selector in piece.rows()
        )
    return found


def rows_within(database: Database[Document], model: str, times: Times) -> Iterator[Piece]:
    """Yield a model's rows by their answer time, or by when they were posted.

    Ids come from the index: no row is read.

    Raises:
        StoreUnavailableError: MongoDB does not answer, or refuses.
    """
    selector = {"model": model, "ts": times.selector}
    with translated():
        for name in ROW_COLLECTIONS:
            for chunk in _ids(database, name, selector):
                yield Piece(chunk, {name: selector, LABELS: {}})


def labels_without_rows(database: Database[Document], model: str, times: Times) -> Iterator[Piece]:
    """Yield labels that came to be known in a span and go with no row of `rows_within`.

    Their row is not in the log. There is no index of these times: all labels are read.

    Raises:
        StoreUnavailableError: MongoDB does not answer, or refuses.
    """
    with translated():
        for chunk in _ids(database, LABELS, {"ts": times.selector}):
            ids: Document = {"_id": {"$in": chunk}}
            going = {**ids, "model": model, "ts": times.selector}
            there = {
                one["_id"]
                for name, selector in ((PREDICTIONS, ids), (ROWS, going))
                for one in database[name].find(selector, {"_id": 1})
            }
            if alone := [one for one in chunk if one not in there]:
                yield Piece(alone, {LABELS: {"ts": times.selector}})


def reports_over(
    database: Database[Document], model: str, first: datetime, last: datetime
) -> list[str]:
    """Return the ids of a model's reports whose span has an answer time between two, included.

    Raises:
        StoreUnavailableError: MongoDB does not answer, or refuses.
    """
    selector = {"model": model, "kind": REPORT_KIND, "from": {"$lte": last}, "to": {"$gt": first}}
    with translated():
        return sorted(one["_id"] for one in database[REPORTS].find(selector, {"_id": 1}))


def remove_reports(database: Database[Document], report_ids: Sequence[str]) -> int:
    """Remove reports; return how many there were.

    Raises:
        StoreUnavailableError: MongoDB does not answer, or refuses.
    """
    with translated():
        return database[REPORTS].delete_many({"_id": {"$in": list(report_ids)}}).deleted_count


def _ids(database: Database[Document], collection: str, selector: Document) -> Iterator[list[Any]]:
    found = database[collection].find(selector, {"_id": 1}).batch_size(CHUNK)
    with found as cursor:
        for chunk in chunks(cursor):
            yield [one["_id"] for one in chunk]
