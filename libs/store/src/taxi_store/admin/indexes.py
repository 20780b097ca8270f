"""Indexes of the collections; making them again changes nothing."""

from typing import Final

from pymongo import ASCENDING, DESCENDING
from pymongo.database import Database

from taxi_domain.mongodb import MODELS, PREDICTIONS, REPORTS, ROWS, RUNS, VERDICTS
from taxi_store.admin.retention import Retention, change_retention, ensure_order
from taxi_store.connection import Document, translated
from taxi_store.log.pending import ensure_pending_indexes

NEWEST_REPORT_FIRST: Final = [("to", DESCENDING), ("_id", DESCENDING)]
#: What lists and metrics tell of a report, beside its id.
REPORT_FIELDS: Final = (
    "model", "kind", "to", "from", "version", "time_zone", "verdict", "rows", "score", "problems",
    "seconds", "created_at", "has_html",
)  # fmt: skip

_STORED: Final = ("stored_at", ASCENDING)
#: What a chart chooses its points by.
_CHART: Final = ("last_ts", "version", "block", "total", "role")
_CHART_INDEX: Final = "chart_of_roles"
_NEWEST_FIRST = [("ts", DESCENDING), ("_id", DESCENDING)]


def ensure_indexes(database: Database[Document], *, retention: Retention | None = None) -> None:
    """Make the indexes.

    Args:
        database: Where they are made.
        retention: How long rows and labels stay; None leaves that as it is.
    """
    if retention is None:
        ensure_order(database)
    else:
        change_retention(database, retention)
    with translated():
        predictions = database[PREDICTIONS]
        predictions.create_index([("model_version", ASCENDING), *_NEWEST_FIRST])
        predictions.create_index(
            [("shadow.model_version", ASCENDING), *_NEWEST_FIRST],
            partialFilterExpression={"shadow.model_version": {"$exists": True}},
        )
        predictions.create_index([("model", ASCENDING), *_NEWEST_FIRST])
        # In the order of storing, of a version that answers one row of thousands, too.
        predictions.create_index([("model_version", ASCENDING), _STORED])
        predictions.create_index(
            [("shadow.model_version", ASCENDING), _STORED],
            partialFilterExpression={"shadow.model_version": {"$exists": True}},
        )
        database[MODELS].create_index([("model", ASCENDING), ("created_at", DESCENDING)])
        database[RUNS].create_index([("started_at", DESCENDING)])
        database[ROWS].create_index([("model", ASCENDING), *_NEWEST_FIRST])
    ensure_pending_indexes(database)


def ensure_report_index(database: Database[Document]) -> None:
    """Make the index of reports; the writer of a report does it, having the only role that may.

    It covers every field of the lists, so that they read no report's contents.

    Raises:
        StoreUnavailableError: MongoDB does not answer, or refuses.
    """
    order = [("model", ASCENDING), ("kind", ASCENDING), *NEWEST_REPORT_FIRST]
    ordered = {name for name, _ in order}
    told = [(name, ASCENDING) for name in REPORT_FIELDS if name not in ordered]
    with translated():
        database[REPORTS].create_index([*order, *told], name="newest_first")


def ensure_verdict_indexes(database: Database[Document]) -> None:
    """Make the indexes of the verdict's history; its writer does it, having the only role that may.

    The first finds the last block of a version, the second covers what a chart chooses its points
    by.

    Raises:
        StoreUnavailableError: MongoDB does not answer, or refuses.
    """
    of_side = [("model", ASCENDING), ("side", ASCENDING)]
    with translated():
        verdicts = database[VERDICTS]
        if _CHART_INDEX not in {one["name"] for one in verdicts.list_indexes()}:
            # Blocks of before: an index cannot answer for a field that is not there.
            verdicts.update_many({"role": {"$exists": False}}, {"$set": {"role": ""}})
        verdicts.create_index([*of_side, ("version", ASCENDING), ("block", DESCENDING)])
        verdicts.create_index(
            [*of_side, *((name, ASCENDING) for name in _CHART)], name=_CHART_INDEX
        )
