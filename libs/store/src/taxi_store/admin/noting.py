"""Actions in the audit: noted before they are done, and again with what they came to."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from pymongo.database import Database

from taxi_domain.errors import FieldError, NotAvailableError
from taxi_store.admin.audit import (
    Action,
    AuditEntry,
    Stage,
    append,
    ensure_audit,
    record,
    tell,
)
from taxi_store.connection import Document

logger = logging.getLogger("taxi_audit")


@dataclass(frozen=True, slots=True)
class Asked:
    """Who asks for an action, and why.

    Raises:
        FieldError: one is missing.
    """

    by: str
    reason: str

    def __post_init__(self) -> None:
        """Refuse what an audit could not tell."""
        for option, text in (("--by", self.by), ("--reason", self.reason)):
            if not text.strip():
                raise FieldError(option, "is missing", "say it: the audit keeps it")


@dataclass(slots=True)
class Outcome:
    """What an action came to; filled while it is done.

    Attributes:
        counts: How many documents, by collection.
        before: What was changed, as it was.
        after: As it is now.
    """

    counts: dict[str, int] = field(default_factory=dict)
    before: dict[str, Any] = field(default_factory=dict)
    after: dict[str, Any] = field(default_factory=dict)


@contextmanager
def noted(
    database: Database[Document],
    action: Action,
    asked: Asked,
    what: Mapping[str, Any],
    *,
    is_required: bool = True,
) -> Iterator[Outcome]:
    """Note an action's begin and its end, also one that fails.

    Args:
        database: Where the audit is.
        action: That is done.
        asked: By whom, and why.
        what: It is done to.
        is_required: Whether nothing is done that cannot be noted. A rollback in an emergency does
            not wait for the rights of an audit; then the log of the process says it.

    Raises:
        StoreUnavailableError: MongoDB does not answer, or refuses; nothing was done then.
    """
    outcome = Outcome()

    def note(stage: Stage, problem: str = "", *, is_required: bool) -> None:
        entry = AuditEntry(
            datetime.now(UTC), action, stage, asked.by, asked.reason, what, outcome.counts,
            before=outcome.before, after=outcome.after, problem=problem,
        )  # fmt: skip
        try:
            record(database, entry)
        except NotAvailableError as error:
            if is_required:
                raise
            _warn(error)

    try:
        ensure_audit(database)
    except NotAvailableError:
        if is_required:
            raise
    note(Stage.BEGUN, is_required=is_required)
    try:
        yield outcome
    except BaseException as error:
        # Its own error is the one to tell, whether this can be written or not.
        note(Stage.FAILED, f"{type(error).__name__}: {error}", is_required=False)
        raise
    note(Stage.DONE, is_required=is_required)


def note_done(
    database: Database[Document],
    action: Action,
    asked: Asked,
    what: Mapping[str, Any],
    counts: Mapping[str, int],
) -> None:
    """Note what a part did whose user does not make the audit; where it cannot, its log has it."""
    entry = AuditEntry(
        datetime.now(UTC), action, Stage.DONE, asked.by, asked.reason, what, counts
    )  # fmt: skip
    tell(entry)
    try:
        append(database, entry)
    except NotAvailableError as error:
        _warn(error)


def _warn(error: NotAvailableError) -> None:
    logger.warning("audit: is not written (%s); give the rights of docs/chart.md", error)
