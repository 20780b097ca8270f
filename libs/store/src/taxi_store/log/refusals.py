"""Rows that predictors refused, by time slot and field: they are in no log, and may be drift.

A slot is of one pod and some seconds; it is written once, when it is over.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from pymongo import ASCENDING
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError

from taxi_domain.mongodb import REFUSALS
from taxi_store.connection import Document, translated
from taxi_store.log.stored_order import Place

#: How long a slot stays, seconds: as long as somebody may judge its time anew.
KEPT_SECONDS: Final = 90 * 86_400


@dataclass(frozen=True, slots=True)
class Refusals:
    """Refused rows.

    Attributes:
        rows: How many.
        fields: Of these, how often a field of the schema was the reason.
    """

    rows: int = 0
    fields: Mapping[str, int] = field(default_factory=dict)


def write_slot(
    database: Database[Document], slot: str, version: str, at: datetime, refused: Refusals
) -> None:
    """Write what a pod refused in a slot of time; a repeat changes nothing.

    Args:
        database: Where it goes.
        slot: Name of pod and time.
        version: Model version that it served.
        at: When it is written, UTC.
        refused: What was refused in it.

    Raises:
        StoreUnavailableError: MongoDB does not answer, or refuses.
    """
    # As a list: names of fields may have dots and dollar signs.
    fields = [{"name": name, "rows": rows} for name, rows in sorted(refused.fields.items())]
    document = {
        "_id": slot, "model_version": version, "stored_at": at, "rows": refused.rows,
        "fields": fields,
    }  # fmt: skip
    with translated():
        try:
            database[REFUSALS].insert_one(document)
        except DuplicateKeyError:
            return


def refused_between(
    database: Database[Document], version: str, after: Place | None, last: Place
) -> Refusals:
    """Return what a version refused between two places of the log.

    Args:
        database: Where it is.
        version: Model version.
        after: Slots that were over behind its time count; None for all.
        last: And those up to its time.

    Raises:
        StoreUnavailableError: MongoDB does not answer.
    """
    stored: dict[str, Any] = {"$lte": last.stored_at}
    if after is not None:
        stored["$gt"] = after.stored_at
    rows = 0
    fields: dict[str, int] = {}
    with translated():
        for one in database[REFUSALS].find({"model_version": version, "stored_at": stored}):
            rows += int(one["rows"])
            for part in one["fields"]:
                fields[part["name"]] = fields.get(part["name"], 0) + int(part["rows"])
    return Refusals(rows, fields)


def ensure_refusal_indexes(database: Database[Document]) -> None:
    """Make the indexes: by version in the order of time, and what is old goes.

    Raises:
        StoreUnavailableError: MongoDB does not answer, or refuses.
    """
    with translated():
        refusals = database[REFUSALS]
        refusals.create_index([("model_version", ASCENDING), ("stored_at", ASCENDING)])
        refusals.create_index([("stored_at", ASCENDING)], expireAfterSeconds=KEPT_SECONDS)
