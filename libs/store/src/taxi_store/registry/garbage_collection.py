"""Garbage collection of the registry: what no alias, running pod or recent run needs goes."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from gridfs import GridFSBucket
from pymongo.database import Database

from taxi_domain.models import ModelState
from taxi_domain.mongodb import ALIASES, ARTIFACTS_BUCKET, MODELS
from taxi_store.connection import Document, translated
from taxi_store.registry.entries import ModelEntry, StateConflictError
from taxi_store.registry.registry import Registry


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
    meanwhile stays (`entries.alias_intent` says why that is enough). A run that is cut
    off leaves marked versions and archives without an entry; the next one sees to them.
    """
    registry, removed = Registry(database), []
    _accept_served(database, model)
    for entry in superfluous(database, model, keep):
        try:
            registry.set_state(entry.version, ModelState.DELETING, reason="not needed any more")
        except StateConflictError:
            continue
        if entry.version in _needed(database, model):
            _unmark(database, entry)
            _accept_served(database, model)
            continue
        with translated():
            database[MODELS].delete_one({"_id": entry.version, "state": str(ModelState.DELETING)})
        removed.append(entry.version)
    _remove_archives(database, keep.since)
    return removed


def _needed(database: Database[Document], model: str) -> set[str]:
    """Return what aliases point at, pointed at before, or are about to point at."""
    with translated():
        aliases = list(database[ALIASES].find({"model": model}))
    intents = {version for one in aliases for version in one.get("intents", ())}
    return intents | _named(aliases, "version") | _named(aliases, "previous")


def _named(aliases: Sequence[Document], field: str) -> set[str]:
    return {one[field] for one in aliases if one.get(field)}


def _accept_served(database: Database[Document], model: str) -> None:
    """Accept what aliases point at: its promotion may have met the mark, or have been killed."""
    with translated():
        aliases = list(database[ALIASES].find({"model": model}))
        now, before = sorted(_named(aliases, "version")), sorted(_named(aliases, "previous"))
        marked = {"_id": {"$in": before}, "state": str(ModelState.DELETING)}
        accepted = str(ModelState.ACCEPTED)
        database[MODELS].update_many(
            {
                "$or": [{"_id": {"$in": now}}, marked],
                # Somebody may be moving the alias back right now.
                "state": {"$nin": [accepted, str(ModelState.REJECTED)]},
            },
            {"$set": {"state": accepted, "reason": "an alias points at it"}},
        )


def _unmark(database: Database[Document], entry: ModelEntry) -> None:
    """Give a version that somebody is about to promote the state that it had."""
    with translated():
        database[MODELS].update_one(
            {"_id": entry.version, "state": str(ModelState.DELETING)},
            {"$set": {"state": str(entry.state), "reason": entry.reason}},
        )


def _remove_archives(database: Database[Document], before: datetime) -> None:
    """Remove archives without an entry; young ones may be about to get theirs."""
    bucket = GridFSBucket(database, ARTIFACTS_BUCKET)
    with translated():
        known = set(database[MODELS].distinct("digest"))
        for file in list(bucket.find({"uploadDate": {"$lt": before}})):
            if file.filename not in known:
                bucket.delete(file._id)
