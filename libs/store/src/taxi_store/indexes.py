"""Indexes of the collections; making them again changes nothing."""

from typing import Any

from pymongo import ASCENDING, DESCENDING
from pymongo.database import Database

from taxi_domain.mongodb import LABELS, MODELS, PREDICTIONS, RUNS
from taxi_store.connection import Document, translated

_NEWEST_FIRST = [("ts", DESCENDING), ("_id", DESCENDING)]


def ensure_indexes(database: Database[Document], *, keep_days: float | None = None) -> None:
    """Make the indexes.

    Args:
        database: Where they are made.
        keep_days: Rides and labels are removed this long after they were stored; None keeps all.
    """
    with translated():
        for collection in (PREDICTIONS, LABELS):
            expiry: dict[str, Any] = (
                {} if keep_days is None else {"expireAfterSeconds": int(keep_days * 86400)}
            )
            database[collection].create_index([("stored_at", ASCENDING)], **expiry)
        predictions = database[PREDICTIONS]
        predictions.create_index([("model_version", ASCENDING), *_NEWEST_FIRST])
        predictions.create_index(
            [("shadow.model_version", ASCENDING), *_NEWEST_FIRST],
            partialFilterExpression={"shadow.model_version": {"$exists": True}},
        )
        predictions.create_index([("model", ASCENDING), *_NEWEST_FIRST])
        database[MODELS].create_index([("model", ASCENDING), ("created_at", DESCENDING)])
        database[RUNS].create_index([("started_at", DESCENDING)])
