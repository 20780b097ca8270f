"""Labels that are put right: the first label of a row stays until a person says otherwise.

A corrected label keeps when it was first known and stored: retention and those that follow the log
go by that, so a correction neither comes twice nor lives longer. What it was before stands beside
it, the newest few times.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from pymongo import ReturnDocument
from pymongo.database import Database

from taxi_domain.mongodb import LABELS
from taxi_domain.records import LABEL_VALUE
from taxi_store.connection import Document, translated

#: Values that a label remembers; `corrections` counts all of them.
MAX_HISTORY: Final = 10
MAX_TEXT: Final = 500


class Outcome(StrEnum):
    """What became of a correction."""

    CORRECTED = "corrected"
    UNCHANGED = "unchanged"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Correction:
    """A label's new value.

    Attributes:
        row_id: Id of the row.
        value: In the target's unit.
        by: Who says so.
        reason: Why.
    """

    row_id: str
    value: float
    by: str
    reason: str


@dataclass(frozen=True, slots=True)
class Corrected:
    """What became of it, and the value before; None where the row has no label."""

    outcome: Outcome
    before: Any = None


def correct_label(database: Database[Document], correction: Correction, now: datetime) -> Corrected:
    """Give a label another value; one that has it already is left alone.

    Raises:
        StoreUnavailableError: MongoDB does not answer, or refuses.
    """
    entry = {
        "value": f"${LABEL_VALUE}", "until": now,
        "by": {"$literal": correction.by[:MAX_TEXT]},
        "reason": {"$literal": correction.reason[:MAX_TEXT]},
    }  # fmt: skip
    history = {"$concatArrays": [{"$ifNull": ["$history", []]}, [entry]]}
    change = {
        "history": {"$slice": [history, -MAX_HISTORY]},
        "corrections": {"$add": [{"$ifNull": ["$corrections", 0]}, 1]},
        "corrected_at": now,
        LABEL_VALUE: correction.value,
    }
    with translated():
        before = database[LABELS].find_one_and_update(
            {"_id": correction.row_id, LABEL_VALUE: {"$ne": correction.value}},
            [{"$set": change}],
            return_document=ReturnDocument.BEFORE,
        )
        if before is not None:
            return Corrected(Outcome.CORRECTED, before.get(LABEL_VALUE))
        there = database[LABELS].find_one({"_id": correction.row_id})
    if there is None:
        return Corrected(Outcome.UNKNOWN)
    return Corrected(Outcome.UNCHANGED, there.get(LABEL_VALUE))
