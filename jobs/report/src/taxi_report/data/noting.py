"""The audit of what people do: noted before it is done, and again with what it came to."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from pymongo.database import Database

from taxi_domain.errors import FieldError
from taxi_store.admin.audit import Action, AuditEntry, Stage, ensure_audit, record
from taxi_store.connection import Document

By = Annotated[str, typer.Option("--by", help="Who asks for it; for the audit.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; for the audit.")]


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


@contextmanager
def noted(
    database: Database[Document], action: Action, asked: Asked, what: Mapping[str, Any]
) -> Iterator[dict[str, int]]:
    """Note an action's begin, and its end with the counts that are put into what is yielded.

    Raises:
        StoreUnavailableError: MongoDB does not answer, or refuses; nothing was done then.
    """
    ensure_audit(database)

    def note(stage: Stage, counts: Mapping[str, int]) -> None:
        now = datetime.now(UTC)
        record(database, AuditEntry(now, action, stage, asked.by, asked.reason, what, counts))

    counts: dict[str, int] = {}
    note(Stage.BEGUN, counts)
    yield counts
    note(Stage.DONE, counts)
