"""Batch reports: one document for each.

A report is replaced as a whole under its id, so a repeat, or two runs at once, leave exactly one.
Lists and metrics read the index alone (`admin.indexes`): a report's contents are megabytes, and a
list of hundreds of them must not pass through MongoDB's cache.
"""

import gzip
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

import bson
from pymongo import DeleteOne
from pymongo.collection import Collection
from pymongo.cursor import Cursor
from pymongo.database import Database

from taxi_domain.errors import FieldError, TaxiError
from taxi_domain.mongodb import REPORTS
from taxi_domain.reports import REPORT_KIND, ReportPart
from taxi_store.admin.indexes import (
    NEWEST_REPORT_FIRST,
    REPORT_FIELDS,
    ensure_report_index,
)
from taxi_store.connection import Document, translated
from taxi_store.log.malformed import lenient
from taxi_store.registry.entries import UnreadableEntryError, readable
from taxi_store.reports.report_runs import MAX_MILLISECONDS, time_of, twice

#: MongoDB takes no larger document; the rest is for what the server adds to it.
MAX_DOCUMENT_BYTES: Final = 16 * 1024 * 1024 - 64 * 1024
#: Reports that are listed at once.
MAX_LISTED: Final = 500

_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,300}(?<!\.json)")
_SNAPSHOT: Final = re.compile(r"[A-Za-z0-9._-]{1,200}")
_MEGABYTE: Final = 1e6

logger = logging.getLogger(__name__)


class UnknownReportError(TaxiError):
    """There is no report with this id."""

    def __init__(self, report_id: str) -> None:
        super().__init__(f"report {report_id}: there is none; list what there is")
        self.report_id = report_id


class ReportTooLargeError(TaxiError):
    """The JSON document of a report alone is more than a document of MongoDB can hold."""


@dataclass(frozen=True, slots=True)
class ReportEntry:
    """What lists and metrics tell of a report.

    Attributes:
        report_id: Letters, digits and `._-`, at most 300; not ending in `.json`.
        model: Name of the model.
        version: The one version that the report is about, None for all.
        start: Begin of the span, included; UTC.
        end: End of the span, not included; UTC.
        time_zone: Name of the zone in which people read the span.
        verdict: `taxi_domain.reports.DRIFT`, `NO_DRIFT`, or why there is none.
        rows: Answered rows of the span.
        score: Largest score over its threshold among the columns that decide; None without any.
        problems: How many things are missing in the report.
        seconds: How long it took to make.
        created_at: When it was made; UTC.
        has_html: Whether the store has the HTML page. `store_report` sets it.
    """

    report_id: str
    model: str
    version: str | None
    start: datetime
    end: datetime
    time_zone: str
    verdict: str
    rows: int
    score: float | None
    problems: int
    seconds: float
    created_at: datetime
    has_html: bool = False


@dataclass(frozen=True, slots=True)
class ReportContents:
    """A report itself, not compressed.

    Attributes:
        json: The JSON document.
        html: The page, None when it was not asked for.
        snapshots: Evidently's snapshots by name (letters, digits and `._-`).
    """

    json: bytes
    html: bytes | None = None
    snapshots: Mapping[str, bytes] = field(default_factory=dict)


def is_report_id(text: str) -> bool:
    """Tell whether a text can be a report's id.

    >>> is_report_id("taxi-duration-20210301T000000Z-20210302T000000Z"), is_report_id("run/x")
    (True, False)
    """
    return _ID.fullmatch(text) is not None


def store_report(
    database: Database[Document], entry: ReportEntry, contents: ReportContents
) -> list[str]:
    """Write a report in place of the one with its id, if there is one.

    What makes it larger than a document may be is left out: the snapshots first, then the page.

    Returns:
        A sentence for each part that was left out; `problems` counts them too.

    Raises:
        FieldError: the id or the name of a snapshot has other characters than it may have.
        ReportTooLargeError: even the JSON document alone is too large.
        StoreUnavailableError: MongoDB does not answer, or refuses.
    """
    document, left_out = fitted(entry, contents)
    ensure_report_index(database)
    with translated():
        twice(
            lambda: database[REPORTS].replace_one({"_id": entry.report_id}, document, upsert=True)
        )
    return left_out


def fitted(
    entry: ReportEntry, contents: ReportContents, max_bytes: int = MAX_DOCUMENT_BYTES
) -> tuple[Document, list[str]]:
    """Return a report's document, of at most `max_bytes`, and what was left out of it.

    Raises:
        FieldError: the id or the name of a snapshot has other characters than it may have.
        ReportTooLargeError: even the JSON document alone is too large.
    """
    _require_names(entry, contents)
    document = {
        **_head(entry),
        "json": _packed(contents.json),
        "html": None if contents.html is None else _packed(contents.html),
        "snapshots": {name: _packed(one) for name, one in contents.snapshots.items()},
    }
    left_out: list[str] = []
    for part, empty, remedy in (
        ("snapshots", {}, "make the sample smaller"),
        ("html", None, "read the JSON document, or give a shorter span"),
    ):
        size = len(bson.encode(document))
        if size <= max_bytes:
            break
        if document[part]:
            document[part] = empty
            left_out.append(f"{part}: not stored, {_excess(size, max_bytes)}; {remedy}")
    size = len(bson.encode(document))
    if size > max_bytes:
        raise ReportTooLargeError(
            f"report {entry.report_id}: its JSON document has {_excess(size, max_bytes)}; "
            "give a shorter span"
        )
    document["has_html"] = document["html"] is not None
    document["problems"] = entry.problems + len(left_out)
    return document, left_out


def list_reports(database: Database[Document], model: str, limit: int) -> list[ReportEntry]:
    """Return at most `limit` reports of a model, that of the newest span first.

    Raises:
        FieldError: `limit` is not within 1 and `MAX_LISTED`.
        StoreUnavailableError: MongoDB does not answer, or refuses.
    """
    if not 1 <= limit <= MAX_LISTED:
        raise FieldError("limit", f"{limit} is out of range", f"give 1 to {MAX_LISTED}")
    with translated():
        found = list(_newest_first(lenient(database, REPORTS), model).limit(limit))
    entries = []
    for document in found:
        try:
            entries.append(_entry(document))
        except UnreadableEntryError as error:
            logger.warning("a report is left out", extra={"reason": str(error)})
    return entries


def load_report(database: Database[Document], report_id: str, part: ReportPart) -> bytes | None:
    """Return a part of a report, compressed by gzip; None when it has no such part.

    Raises:
        UnknownReportError: there is no report with this id.
        StoreUnavailableError: MongoDB does not answer, or refuses.
    """
    data = _field(database, report_id, str(part))
    with readable("report", {"_id": report_id}):
        if not isinstance(data, bytes | None):
            raise TypeError(f"{part} is no binary")
        return data


def load_snapshots(database: Database[Document], report_id: str) -> dict[str, bytes]:
    """Return Evidently's snapshots of a report by name, not compressed; empty without any.

    Raises:
        UnknownReportError: there is no report with this id.
        UnreadableEntryError: they are damaged.
        StoreUnavailableError: MongoDB does not answer, or refuses.
    """
    found = _field(database, report_id, "snapshots")
    try:
        with readable("report", {"_id": report_id}):
            return {name: gzip.decompress(one) for name, one in (found or {}).items()}
    except (OSError, EOFError) as error:
        raise UnreadableEntryError(
            f"report {report_id}: its snapshots are damaged ({error}); make the report again"
        ) from error


def prune_reports(
    database: Database[Document],
    model: str,
    *,
    keep_count: int,
    keep_age: timedelta,
    now: datetime,
) -> list[str]:
    """Remove the reports of a model that were made before the newest ones, or too long ago.

    Both count from when a report was made, whatever its span. A report that is made again
    meanwhile stays.

    Args:
        database: Where they are.
        model: Name of the model.
        keep_count: So many of those that were made last stay; 0 for all.
        keep_age: What was made longer ago goes; 0 for never.
        now: The time, UTC.

    Returns:
        Ids of what was removed.

    Raises:
        FieldError: a limit is negative.
        StoreUnavailableError: MongoDB does not answer, or refuses.
    """
    for name, limit in (("keep_count", keep_count), ("keep_age", keep_age.total_seconds())):
        if limit < 0:
            raise FieldError(name, "is negative", "give 0 to keep everything")
    with translated():
        collection = lenient(database, REPORTS)
        made = [
            (one["created_at"], one["_id"])
            for one in _newest_first(collection, model)
            if isinstance(one.get("created_at"), datetime)
        ]
        made.sort(reverse=True)
        old = [
            (created_at, report_id)
            for number, (created_at, report_id) in enumerate(made)
            if (keep_count and number >= keep_count) or (keep_age and now - created_at > keep_age)
        ]
        if old:
            collection.bulk_write(
                [DeleteOne({"_id": report_id, "created_at": at}) for at, report_id in old]
            )
    return [report_id for _, report_id in old]


def _require_names(entry: ReportEntry, contents: ReportContents) -> None:
    if not is_report_id(entry.report_id):
        raise FieldError("report_id", f"{entry.report_id!r} is no id", "use letters, digits, ._-")
    for name in contents.snapshots:
        if not _SNAPSHOT.fullmatch(name):
            raise FieldError("snapshots", f"{name!r} is no name", "use letters, digits, ._-")


def _head(entry: ReportEntry) -> Document:
    return {
        "_id": entry.report_id, "kind": REPORT_KIND, "model": entry.model,
        "version": entry.version, "from": entry.start, "to": entry.end,
        "time_zone": entry.time_zone, "verdict": entry.verdict, "rows": entry.rows,
        "score": entry.score, "problems": entry.problems, "seconds": entry.seconds,
        "created_at": entry.created_at, "has_html": entry.has_html,
    }  # fmt: skip


def _entry(document: Document) -> ReportEntry:
    with readable("report", document):
        score = document.get("score")
        return ReportEntry(
            report_id=str(document["_id"]),
            model=str(document["model"]),
            version=document.get("version"),
            start=time_of(document["from"]),
            end=time_of(document["to"]),
            time_zone=str(document["time_zone"]),
            verdict=str(document["verdict"]),
            rows=int(document["rows"]),
            score=None if score is None else float(score),
            problems=int(document["problems"]),
            seconds=float(document["seconds"]),
            created_at=time_of(document["created_at"]),
            has_html=bool(document.get("has_html")),
        )


def _newest_first(collection: Collection[Document], model: str) -> Cursor[Document]:
    """Find the heads of a model's reports; all that it asks for is in the index."""
    fields = dict.fromkeys(("_id", *REPORT_FIELDS), 1)
    found = collection.find({"model": model, "kind": REPORT_KIND}, fields)
    return found.sort(NEWEST_REPORT_FIRST).max_time_ms(MAX_MILLISECONDS)


def _field(database: Database[Document], report_id: str, name: str) -> Any:
    if not is_report_id(report_id):
        raise UnknownReportError(report_id[:100])
    with translated():
        found = database[REPORTS].find_one(
            {"_id": report_id, "kind": REPORT_KIND}, {name: 1}, max_time_ms=MAX_MILLISECONDS
        )
    if found is None:
        raise UnknownReportError(report_id)
    return found.get(name)


def _packed(data: bytes) -> bytes:
    """Compress; the same data gives the same bytes."""
    return gzip.compress(data, compresslevel=6, mtime=0)


def _excess(size: int, max_bytes: int) -> str:
    return f"{size / _MEGABYTE:.1f} MB compressed, more than {max_bytes / _MEGABYTE:.1f} MB"
