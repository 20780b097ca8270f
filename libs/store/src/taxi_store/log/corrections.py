"""Corrections of labels: asked for by name, and kept beside what they replaced.

A label that is posted again changes nothing, since clients repeat what was not answered. What was
wrong is corrected on purpose: the document keeps the values that it had, and when each was
replaced. Its times stay, so it expires, and stands in the order of labels, as before.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from pymongo import UpdateOne
from pymongo.database import Database

from taxi_domain.mongodb import LABELS
from taxi_domain.records import LABEL_VALUE, Label
from taxi_store.connection import Document, StoreUnavailableError, translated
from taxi_store.log.malformed import lenient

#: Replaced values that a label keeps, the newest.
MAX_REPLACED: Final = 10
_REPLACED: Final = "replaced"


class Corrected(NamedTuple):
    """What became of corrections.

    Attributes:
        changed: When the labels that have another value now were stored, by row.
        same: Rows whose label had the value already.
        unknown: Rows without a label.
    """

    changed: Mapping[str, datetime]
    same: list[str]
    unknown: list[str]


class UnconfirmedError(StoreUnavailableError):
    """MongoDB did not say whether it corrected labels.

    Attributes:
        row_ids: Rows whose labels may have another value now.
    """

    def __init__(self, error: StoreUnavailableError, row_ids: Sequence[str]) -> None:
        super().__init__(str(error))
        self.row_ids = row_ids


def correct_labels(
    database: Database[Document], labels: Sequence[Label], now: datetime, by: str = ""
) -> Corrected:
    """Give labels other values; a repeat changes nothing.

    Args:
        database: Where they are.
        labels: Of rows that have one, each row once.
        now: Time of the correction, UTC.
        by: Name of who corrects; empty: not known.

    Raises:
        UnconfirmedError: the same while it corrects; some may be.
        StoreUnavailableError: MongoDB does not answer, or refuses; none is.
    """
    with translated():
        wanted = {"_id": {"$in": [one.row_id for one in labels]}}
        fields = {LABEL_VALUE: 1, "stored_at": 1}
        there = {one["_id"]: one for one in lenient(database, LABELS).find(wanted, fields)}
    known = [one for one in labels if one.row_id in there]
    changed = [one.row_id for one in known if there[one.row_id].get(LABEL_VALUE) != one.value]
    if known:
        try:
            with translated():
                database[LABELS].bulk_write([_update(one, now, by) for one in known], ordered=False)
        except StoreUnavailableError as error:
            raise UnconfirmedError(error, changed) from error
    return Corrected(
        {row_id: there[row_id].get("stored_at", now) for row_id in changed},
        [one.row_id for one in known if one.row_id not in set(changed)],
        [one.row_id for one in labels if one.row_id not in there],
    )


def _update(label: Label, now: datetime, by: str) -> UpdateOne:
    # As a literal: a name that begins with a dollar sign would be a field.
    sent = {"by": {"$literal": by}} if by else {}
    replaced = {LABEL_VALUE: f"${LABEL_VALUE}", "until": now, **sent}
    history = {"$concatArrays": [{"$ifNull": [f"${_REPLACED}", []]}, [replaced]]}
    return UpdateOne(
        {"_id": label.row_id, LABEL_VALUE: {"$ne": label.value}},
        [{"$set": {LABEL_VALUE: label.value, _REPLACED: {"$slice": [history, -MAX_REPLACED]}}}],
    )
