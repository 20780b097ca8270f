"""Indexes of the collections; making them again changes nothing."""

from pymongo import ASCENDING, DESCENDING
from pymongo.database import Database

from taxi_domain.mongodb import MODELS, PREDICTIONS, RUNS
from taxi_store.connection import Document, translated
from taxi_store.retention import Retention, ensure_order, ensure_retention

_NEWEST_FIRST = [("ts", DESCENDING), ("_id", DESCENDING)]


def ensure_indexes(database: Database[Document], *, retention: Retention | None = None) -> None:
    """Make the indexes.

    Args:
        database: Where they are made.
        retention: How long rides and labels stay; None leaves that as it is.
    """
    if retention is None:
        ensure_order(database)
    else:
        ensure_retention(database, retention)
    with translated():
        predictions = database[PREDICTIONS]
        predictions.create_index([("model_version", ASCENDING), *_NEWEST_FIRST])
        predictions.create_index(
            [("shadow.model_version", ASCENDING), *_NEWEST_FIRST],
            partialFilterExpression={"shadow.model_version": {"$exists": True}},
        )
        predictions.create_index([("model", ASCENDING), *_NEWEST_FIRST])
        database[MODELS].create_index([("model", ASCENDING), ("created_at", DESCENDING)])
        database[RUNS].create_index([("started_at", DESCENDING)])
