"""What was done to the stored data by hand or by schedule: who, when, why, what, how much.

The collection is capped, so its oldest entries go when it is full, and no role may change or remove
one. So it never holds ids of rows, which a deletion would have to remove: it has their number and
the digest of their list, which shows that a list that somebody has is the one.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from pymongo.database import Database
from pymongo.errors import OperationFailure

from taxi_domain.mongodb import AUDIT
from taxi_store.connection import Document, translated
from taxi_store.registry.entries import readable

#: An entry has some hundred bytes, so these are tens of thousands of actions.
MAX_BYTES: Final = 16 * 1024 * 1024
MAX_TEXT: Final = 500
MAX_LISTED: Final = 1000
_EXISTS: Final = 48
_MAX_MILLISECONDS: Final = 2000


class Action(StrEnum):
    """What was done."""

    DELETE = "delete"
    CORRECT_LABEL = "correct-label"
    BACKUP = "backup"
    RESTORE = "restore"


class Stage(StrEnum):
    """How far it was: an action that was cut off has its begin and no end."""

    BEGUN = "begun"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One entry.

    Attributes:
        at: When; UTC.
        action: What was done.
        stage: Whether it began or ended.
        by: Who asked for it, as they say.
        reason: Why, as they say.
        what: What it was done to.
        counts: How many documents, by collection.
        user: Whom MongoDB knows them as; empty without users.
    """

    at: datetime
    action: Action
    stage: Stage
    by: str
    reason: str
    what: Mapping[str, Any] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)
    user: str = ""


def ensure_audit(database: Database[Document]) -> None:
    """Make the collection; doing it again changes nothing.

    Raises:
        StoreUnavailableError: MongoDB does not answer, or refuses.
    """
    with translated():
        try:
            database.create_collection(AUDIT, capped=True, size=MAX_BYTES, check_exists=False)
        except OperationFailure as error:
            if error.code != _EXISTS:
                raise


def record(database: Database[Document], entry: AuditEntry) -> None:
    """Add an entry.

    Raises:
        StoreUnavailableError: MongoDB does not answer, or refuses.
    """
    with translated():
        status = database.command("connectionStatus")["authInfo"]["authenticatedUsers"]
        database[AUDIT].insert_one(
            {
                "at": entry.at, "action": str(entry.action), "stage": str(entry.stage),
                "by": entry.by[:MAX_TEXT], "reason": entry.reason[:MAX_TEXT],
                "what": dict(entry.what), "counts": dict(entry.counts),
                "user": ", ".join(f"{one['user']}@{one['db']}" for one in status),
            }
        )  # fmt: skip


def entries(database: Database[Document], limit: int) -> list[AuditEntry]:
    """Return the newest entries, newest first.

    Raises:
        UnreadableEntryError: one is not as this release, or any before it, writes one.
        StoreUnavailableError: MongoDB does not answer, or refuses.
    """
    with translated():
        found = list(database[AUDIT].find().sort("$natural", -1).limit(limit))
    return [_entry(one) for one in found]


def last_done(database: Database[Document], action: Action) -> datetime | None:
    """Return when an action was last done; None when the audit does not know of one.

    Raises:
        UnreadableEntryError: its entry has no time.
        StoreUnavailableError: MongoDB does not answer, or refuses.
    """
    selector = {"action": str(action), "stage": str(Stage.DONE)}
    with translated():
        found = database[AUDIT].find_one(
            selector, {"at": 1}, sort=[("$natural", -1)], max_time_ms=_MAX_MILLISECONDS
        )
    if found is None:
        return None
    with readable("audit", found):
        at = found["at"]
        if not isinstance(at, datetime):
            raise TypeError(f"{at!r} is no time")
        return at


def digest_of_ids(row_ids: Iterable[str]) -> str:
    r"""Return the SHA-256 of ids in their order, each with a line's end.

    >>> digest_of_ids(["b", "a"]) == hashlib.sha256(b"a\nb\n").hexdigest()
    True
    """
    return hashlib.sha256("".join(f"{one}\n" for one in sorted(row_ids)).encode()).hexdigest()


def _entry(document: Document) -> AuditEntry:
    with readable("audit", document):
        return AuditEntry(
            at=document["at"],
            action=Action(document["action"]),
            stage=Stage(document["stage"]),
            by=str(document["by"]),
            reason=str(document["reason"]),
            what=dict(document["what"]),
            counts=dict(document["counts"]),
            user=str(document.get("user", "")),
        )
