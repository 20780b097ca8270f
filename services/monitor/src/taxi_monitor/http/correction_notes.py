"""Posted corrections in the audit: a sender's first at once, those of the next minute as one entry.

The audit is one ring for all actions, which a sender of many small corrections would fill. Each
correction is a line of the process' log at once, also where the audit cannot be written: what waits
for its entry is lost with a process that is killed, and that line is not.
"""

import logging
import threading
import time
from collections.abc import Callable, Collection
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from pymongo.database import Database

from taxi_domain.errors import NotAvailableError
from taxi_domain.mongodb import LABELS
from taxi_store.admin.audit import Action, AuditEntry, Stage, append, digest_of_ids, tell
from taxi_store.connection import Document

#: Between two entries of one sender.
SECONDS: Final = 60.0
_REASON: Final = "POST /v1/labels/corrections"

logger = logging.getLogger("taxi_audit")

#: Senders are tokens and names of a Secret, so there are few.
_Key = tuple[str, Stage]


class CorrectionNotes:
    """Notes corrections that are done, or may be; several threads may call it.

    What the audit does not take waits for the next time, as one entry for each sender; one that was
    not confirmed may be there twice.

    Args:
        database: Where the audit is; another user makes it.
        model: Whose labels they are.
        clock: Seconds.
    """

    def __init__(
        self,
        database: Database[Document],
        model: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._model = model
        self._clock = clock
        self._lock = threading.Lock()
        self._waiting: dict[_Key, AuditEntry] = {}
        self._due: dict[_Key, float] = {}

    def note(self, by: str, row_ids: Collection[str], problem: str = "") -> None:
        """Note a post that changed labels; one that changed none is nothing to note.

        Args:
            by: Who sent it.
            row_ids: Rows whose labels have another value now.
            problem: Why it is not known whether they have.
        """
        if not row_ids:
            return
        what = {"model": self._model, "ids": len(row_ids), "ids_sha256": digest_of_ids(row_ids)}
        stage, counts = (
            (Stage.FAILED, {}) if problem else (Stage.DONE, {LABELS: len(row_ids)})
        )  # fmt: skip
        entry = AuditEntry(
            datetime.now(UTC), Action.CORRECT_LABEL, stage, by, _REASON, what, counts,
            problem=problem,
        )  # fmt: skip
        tell(entry)
        with self._lock:
            self._add((by, stage), entry)
        self.flush()

    def flush(self, *, at_once: bool = False) -> None:
        """Write the entries that are due; what fails is logged, and waits.

        Args:
            at_once: Whether all are due: the process ends.
        """
        with self._lock:
            now = self._clock()
            self._due = {key: at for key, at in self._due.items() if at > now}
            due = [key for key in self._waiting if at_once or key not in self._due]
            entries = {key: self._waiting.pop(key) for key in due}
            self._due |= dict.fromkeys(due, now + SECONDS)
        left = list(entries)
        try:
            while left:
                append(self._database, entries[left[0]])
                del left[0]
        except NotAvailableError as error:
            # One that is away is not waited for again for each sender.
            logger.warning("audit: is not written (%s); give the rights of docs/chart.md", error)
        finally:
            with self._lock:
                for key in left:
                    self._add(key, entries[key])

    def _add(self, key: _Key, entry: AuditEntry) -> None:
        """Let an entry wait, as one with what waits; the caller holds the lock."""
        there = self._waiting.get(key)
        self._waiting[key] = entry if there is None else _sum(*sorted((there, entry), key=_at))


def _at(entry: AuditEntry) -> datetime:
    return entry.at


def _sum(first: AuditEntry, last: AuditEntry) -> AuditEntry:
    """Return one entry for two; a list of ids has a digest, several have none together."""
    what = {
        "model": last.what["model"],
        "ids": first.what["ids"] + last.what["ids"],
        "posts": first.what.get("posts", 1) + last.what.get("posts", 1),
        "since": first.what.get("since", first.at.isoformat()),
    }
    counts = {
        name: first.counts.get(name, 0) + number for name, number in last.counts.items()
    }  # fmt: skip
    return replace(last, what=what, counts=counts)
