"""Garbage collection of the registry: what no alias, running pod or recent run needs goes."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from gridfs import GridFSBucket
from pymongo.database import Database

from taxi_domain.models import ModelState
from taxi_domain.mongodb import ALIASES, ARTIFACTS_BUCKET, MODELS
from taxi_store.connection import Document, translated
from taxi_store.entries import ModelEntry, StateConflictError
from taxi_store.registry import Registry


@dataclass(frozen=True, slots=True)
class Keep:
    """What stays beside the versions that aliases point at and pointed at before.

    Attributes:
        newest: So many of the newest versions.
        versions: These ones, since pods serve them.
        since: What was made at or after this time: a run may still need it.
    """

    newest: int
    versions: Collection[str]
    since: datetime


def superfluous(database: Database[Document], model: str, keep: Keep) -> list[ModelEntry]:
    """Return the versions that nobody needs, newest first."""
    needed = _needed(database, model) | set(keep.versions)
    entries = Registry(database).list(model)
    return [
        one
        for one in entries[keep.newest :]
        if one.version not in needed and one.created_at < keep.since
    ]


def collect(database: Database[Document], model: str, keep: Keep) -> list[str]:
    """Remove what nobody needs; return the versions.

    A version is marked first and the aliases are looked at again, so one that is promoted
    meanwhile stays. A run that is cut off leaves marked versions and archives without an entry;
    the next one removes them.
    """
    registry, removed = Registry(database), []
    for entry in superfluous(database, model, keep):
        try:
            registry.set_state(entry.version, ModelState.DELETING, reason="not needed any more")
        except StateConflictError:
            continue
        if entry.version in _needed(database, model):
            _unmark(database, entry)
            continue
        with translated():
            database[MODELS].delete_one({"_id": entry.version, "state": str(ModelState.DELETING)})
        removed.append(entry.version)
    _remove_archives(database, keep.since)
    return removed


def _needed(database: Database[Document], model: str) -> set[str]:
    with translated():
        aliases = list(database[ALIASES].find({"model": model}))
    named = (one.get(field) for one in aliases for field in ("version", "previous"))
    return {version for version in named if version}


def _unmark(database: Database[Document], entry: ModelEntry) -> None:
    """Take the mark back: the only way out of it, for a version that an alias was moved to."""
    marked_before = entry.state is ModelState.DELETING
    state = ModelState.ACCEPTED if marked_before else entry.state
    with translated():
        database[MODELS].update_one(
            {"_id": entry.version, "state": str(ModelState.DELETING)},
            {"$set": {"state": str(state), "reason": entry.reason}},
        )


def _remove_archives(database: Database[Document], before: datetime) -> None:
    """Remove archives without an entry; young ones may be about to get theirs."""
    bucket = GridFSBucket(database, ARTIFACTS_BUCKET)
    with translated():
        known = set(database[MODELS].distinct("digest"))
        for file in list(bucket.find({"uploadDate": {"$lt": before}})):
            if file.filename not in known:
                bucket.delete(file._id)
