"""Entries of the registry, and the rules that sync and async callers share."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from taxi_domain.errors import TaxiError
from taxi_domain.models import TRANSITIONS, Alias, ModelState
from taxi_store.connection import Document


class UnreadableEntryError(TaxiError):
    """A document of the registry is not as this release, or any before it, writes one."""


@contextmanager
def readable(kind: str, document: Document) -> Iterator[None]:
    """Turn what is wrong with a document into `UnreadableEntryError`, which names it."""
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise UnreadableEntryError(
            f"{kind} {document.get('_id')!r}: cannot be read ({error!r}); a newer release may have "
            "written it"
        ) from error


class UnknownVersionError(TaxiError):
    """The registry has no such model version."""

    def __init__(self, version: str) -> None:
        super().__init__(f"model version {version}: the registry has none; list what it has")
        self.version = version


class AliasConflictError(TaxiError):
    """Somebody else moved the alias first."""

    def __init__(self, alias: str, expected: str | None, actual: str | None) -> None:
        super().__init__(f"alias {alias}: points at {actual}, not at {expected}; look again")
        self.alias = alias
        self.expected = expected
        self.actual = actual


class StateConflictError(TaxiError):
    """A version is in a state that does not allow what is wanted."""

    def __init__(self, version: str, actual: ModelState, wanted: str) -> None:
        super().__init__(f"model version {version}: is {actual}, so it cannot be {wanted}")
        self.version = version
        self.actual = actual


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """One version: its digest, where it is in its life, and what is known of it."""

    version: str
    model: str
    digest: str
    size: int
    state: ModelState
    created_at: datetime
    run_id: str | None = None
    reason: str = ""
    card: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AliasEntry:
    """Where an alias points, and where it pointed before."""

    model: str
    alias: Alias
    version: str
    previous: str | None
    revision: int
    moved_at: datetime
    moved_by: str


def model_entry(document: Document) -> ModelEntry:
    """Read a document of `models`.

    Raises:
        UnreadableEntryError: it is not as one.
    """
    with readable("models", document):
        return ModelEntry(
            version=document["_id"],
            model=document["model"],
            digest=document["digest"],
            size=document["size"],
            state=ModelState(document["state"]),
            created_at=document["created_at"],
            run_id=document.get("run_id"),
            reason=document.get("reason", ""),
            card=document.get("card", {}),
        )


def alias_entry(document: Document) -> AliasEntry:
    """Read a document of `aliases`.

    Raises:
        UnreadableEntryError: it is not as one.
    """
    with readable("aliases", document):
        return AliasEntry(
            model=document["model"],
            alias=Alias(document["alias"]),
            version=document["version"],
            previous=document.get("previous"),
            revision=document["revision"],
            moved_at=document["moved_at"],
            moved_by=document["moved_by"],
        )


def alias_id(model: str, alias: Alias) -> str:
    """Key of an alias.

    >>> alias_id("taxi-duration", Alias.CHAMPION)
    'taxi-duration/champion'
    """
    return f"{model}/{alias}"


def alias_intent(model: str, alias: Alias, to: str) -> tuple[Document, Document]:
    """Return the filter and the update (an upsert) that say where an alias is about to point.

    The order makes it safe beside the garbage collection: a move writes its intent first and reads
    the version afterwards; the collection marks a version first and reads the aliases afterwards.
    Since both write before they read, at least one of them sees the other, wherever either is
    killed. Intents of moves that came to nothing are removed by the next move.
    """
    change = {
        "$addToSet": {"intents": to},
        "$setOnInsert": {
            "model": model, "alias": str(alias), "version": None, "previous": None, "revision": 0,
        },
    }  # fmt: skip
    return {"_id": alias_id(model, alias)}, change


def alias_update(  # noqa: PLR0913 - one keyword for each field of the document
    model: str, alias: Alias, *, to: str, expected: str | None, by: str, now: datetime
) -> tuple[Document, Document]:
    """Return the filter and the update of a compare-and-set, after an intent.

    With `expected` None the alias must point nowhere yet.
    """
    selector = {"_id": alias_id(model, alias), "version": expected, "intents": to}
    change = {
        "$set": {
            "version": to, "previous": expected, "moved_at": now, "moved_by": by, "intents": [],
        },
        "$inc": {"revision": 1},
    }  # fmt: skip
    return selector, change


def state_update(version: str, state: ModelState, reason: str) -> tuple[Document, Document]:
    """Return the filter and the update that change a state where that is allowed."""
    before = sorted(str(one) for one in {state, *TRANSITIONS[state]})
    selector = {"_id": version, "state": {"$in": before}}
    return selector, {"$set": {"state": str(state), "reason": reason}}


def check_promotable(entry: ModelEntry) -> None:
    """Refuse a version that is being deleted.

    Raises:
        StateConflictError: it is.
    """
    if entry.state is ModelState.DELETING:
        raise StateConflictError(entry.version, entry.state, "promoted")
