"""What people, schedules and the operator did: who, when, why, what, from what to what.

The collection is capped, so its oldest entries go when it is full, and no role may change or remove
one. So it never holds ids of rows, which a deletion would have to remove: it has their number and
the digest of their list, which shows that a list that somebody has is the one.
"""

import hashlib
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from pymongo.database import Database
from pymongo.errors import OperationFailure

from taxi_domain.mongodb import AUDIT
from taxi_store.connection import Document, StoreUnavailableError, translated
from taxi_store.registry.entries import readable

#: An entry has some hundred bytes, so these are tens of thousands of actions.
MAX_BYTES: Final = 16 * 1024 * 1024
MAX_TEXT: Final = 500
MAX_LISTED: Final = 1000
#: MongoDB's code of a collection that is there.
EXISTS: Final = 48
logger = logging.getLogger("taxi_audit")

_MAX_MILLISECONDS: Final = 2000


class Action(StrEnum):
    """What was done."""

    DELETE = "delete"
    CORRECT_LABEL = "correct-label"
    BACKUP = "backup"
    RESTORE = "restore"
    LOAD_LABELS = "load-labels"
    #: Days that rows and labels stay: fewer remove what is older.
    CHANGE_RETENTION = "change-retention"
    #: Reports or backups beyond those that are to be kept.
    PRUNE = "prune"
    #: Of versions and aliases, by `taxi-models` and by the operator.
    PROMOTE = "promote"
    ROLL_BACK = "rollback"
    IMPORT = "import"
    PACK = "pack"
    COLLECT = "gc"
    SET_STATE = "set-state"
    #: Of the cluster, by the operator, and of a policy, by `taxi-policy`.
    CREATE_JOB = "create-job"
    END_JOB = "end-job"
    ROLL_PODS = "roll-pods"
    SWITCH_TRAFFIC = "switch-traffic"
    CHANGE_POLICY = "change-policy"


class Stage(StrEnum):
    """How far it was: an action that was cut off has its begin and no end."""

    BEGUN = "begun"
    DONE = "done"
    FAILED = "failed"


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
        before: What was changed, as it was.
        after: As it is now.
        problem: Why it failed; empty when it did not.
    """

    at: datetime
    action: Action
    stage: Stage
    by: str
    reason: str
    what: Mapping[str, Any] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)
    user: str = ""
    before: Mapping[str, Any] = field(default_factory=dict)
    after: Mapping[str, Any] = field(default_factory=dict)
    problem: str = ""


def ensure_audit(database: Database[Document]) -> None:
    """Make the collection; doing it again changes nothing.

    Raises:
        StoreUnavailableError: MongoDB does not answer, or refuses.
    """
    with translated():
        try:
            database.create_collection(AUDIT, capped=True, size=MAX_BYTES, check_exists=False)
        except OperationFailure as error:
            if error.code != EXISTS:
                raise


def record(database: Database[Document], entry: AuditEntry) -> None:
    """Add an entry.

    Raises:
        StoreUnavailableError: MongoDB does not answer, or refuses.
    """
    tell(entry)
    with translated():
        _insert(database, entry)


def append(database: Database[Document], entry: AuditEntry) -> None:
    """Add an entry to a collection that another user makes; the process' log does not get it.

    Raises:
        StoreUnavailableError: the collection is not there yet, or MongoDB does not answer, or
            refuses.
    """
    with translated():
        # An insert would make one that is not capped.
        if AUDIT not in database.list_collection_names(
            filter={"name": AUDIT}, authorizedCollections=True
        ):
            raise StoreUnavailableError("the collection is not there, or not this user's to see")
        _insert(database, entry)


def _insert(database: Database[Document], entry: AuditEntry) -> None:
    status = database.command("connectionStatus")
    database[AUDIT].insert_one(document_of(entry, status))


def tell(entry: AuditEntry) -> None:
    """Write an entry's line into the log of the process."""
    told = {"at": entry.at.isoformat(), **_fields(entry)}
    # Only what is there; names that a log line has itself are put apart.
    logger.info("audit", extra={"audit": {name: value for name, value in told.items() if value}})


def document_of(entry: AuditEntry, connection: Document) -> Document:
    """Return an entry as it is stored.

    Args:
        entry: Any.
        connection: What MongoDB answers to `connectionStatus`.
    """
    status = connection["authInfo"]["authenticatedUsers"]
    user = ", ".join(f"{one['user']}@{one['db']}" for one in status)
    return {"at": entry.at, **_fields(entry), "user": user}


def _fields(entry: AuditEntry) -> Document:
    found: Document = {
        "action": str(entry.action), "stage": str(entry.stage), "by": entry.by[:MAX_TEXT],
        "reason": entry.reason[:MAX_TEXT], "what": dict(entry.what), "counts": dict(entry.counts),
    }  # fmt: skip
    more: Document = {
        "before": dict(entry.before), "after": dict(entry.after),
        "problem": entry.problem[:MAX_TEXT],
    }  # fmt: skip
    return {**found, **{name: value for name, value in more.items() if value}}


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
            before=dict(document.get("before", {})),
            after=dict(document.get("after", {})),
            problem=str(document.get("problem", "")),
        )
