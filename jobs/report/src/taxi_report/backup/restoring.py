"""Restores a backup into a database: all parts are checked before the first document is written.

Aliases come last: predictors and monitor wait for them, so nothing is served, and no window is
filled, before the registry and the log are whole. Documents keep their bytes, and so when they were
stored: what is older than the database's retention expires as it would have.
"""

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import islice
from typing import Final

from bson.raw_bson import RawBSONDocument
from pymongo.collection import Collection
from pymongo.database import Database
from pymongo.errors import OperationFailure

from taxi_domain.errors import TaxiError
from taxi_domain.mongodb import ALIASES, AUDIT, LABELS, PREDICTIONS
from taxi_report.backup.manifest import CollectionParts, Index, Manifest
from taxi_report.backup.parts import BackupError, documents_of, read_part
from taxi_report.backup.shelf import damages
from taxi_report.destination import Destination
from taxi_runtime.patience import patiently
from taxi_store.admin.audit import ensure_audit
from taxi_store.admin.roles import RESTORED
from taxi_store.connection import Document, translated
from taxi_store.log.prediction_log import insert_new
from taxi_store.registry.registry import Registry

_BATCH: Final = 5000
#: The index is there with other options, as another expiry: the database's own stays.
_CONFLICTS: Final = {85, 86}

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Restored:
    """What became of a backup's documents.

    Attributes:
        new: Documents written, by collection.
        present: Documents whose id was there already, by collection; these stayed.
        unknown: Documents that were left out, by collection: this release has no such collection.
        problems: Versions that aliases point at and no predictor could load.
    """

    new: Mapping[str, int]
    present: Mapping[str, int]
    unknown: Mapping[str, int]
    problems: list[str]


def contents(database: Database[Document]) -> list[str]:
    """Return the collections that have documents, but for the audit, which is only added to.

    Raises:
        StoreUnavailableError: MongoDB does not answer, or refuses.
    """
    with translated():
        listed = database.list_collection_names(filter={"type": "collection"})
        return [
            one
            for one in sorted(listed)
            if one != AUDIT
            and not one.startswith("system.")
            and database[one].find_one({}, {"_id": 1}) is not None
        ]


def expiring(database: Database[Document], manifest: Manifest, now: datetime) -> list[str]:
    """Return the collections of which a database will remove what is restored, since it is old.

    Raises:
        StoreUnavailableError: MongoDB does not answer, or refuses.
    """
    found: list[str] = []
    for name in (PREDICTIONS, LABELS):
        oldest = manifest.collections[name].oldest if name in manifest.collections else None
        with translated():
            indexes = [dict(one) for one in database[name].list_indexes()]
        kept = [one["expireAfterSeconds"] for one in indexes if "expireAfterSeconds" in one]
        if oldest is not None and kept and (now - oldest).total_seconds() > min(kept):
            found.append(name)
    return found


def check(destination: Destination, manifest: Manifest) -> None:
    """Read and check all parts of a backup.

    Raises:
        BackupError: one is missing or damaged.
        DestinationError: the destination cannot be read.
    """
    if wrong := damages(destination, manifest):
        raise BackupError(f"{'; '.join(wrong[:3])} ({len(wrong)} in all)")


def empty(database: Database[Document], patience_seconds: float) -> None:
    """Remove all that a database has but the audit; aliases first, so that nobody serves a half.

    Raises:
        NotAvailableError: MongoDB was away for longer.
    """
    there = contents(database)
    for name in sorted(there, key=lambda one: one != ALIASES):
        # Not all at once: the time-out of a call is shorter than that takes.
        while patiently(patience_seconds, partial(_remove_some, database[name])):
            pass
        logger.info("%s: removed", name)


def restore(
    database: Database[Document],
    destination: Destination,
    manifest: Manifest,
    patience_seconds: float,
) -> Restored:
    """Write the documents of a checked backup, and make its indexes.

    Args:
        database: Where to. Documents whose id is there stay.
        destination: Where the backup is.
        manifest: Of the backup.
        patience_seconds: How long MongoDB may be away.

    Raises:
        BackupError: a part was changed after it was checked.
        DestinationError: the destination cannot be read.
        NotAvailableError: MongoDB was away for longer.
    """
    new: dict[str, int] = {}
    present: dict[str, int] = {}
    known = manifest.collections.keys() & {*RESTORED, AUDIT}
    for name in sorted(known, key=lambda one: (one == ALIASES, one)):
        own = manifest.collections[name]
        if name == AUDIT:
            patiently(patience_seconds, lambda: ensure_audit(database))
        there = 0
        for part in own.parts:
            documents = documents_of(read_part(destination, manifest.name, part))
            there += _insert_all(database[name], documents, patience_seconds)
            logger.info("%s: restored", part.name)
        if name != AUDIT:
            patiently(patience_seconds, partial(_index, database[name], own))
        new[name], present[name] = own.documents - there, there
    unknown = {name: count for name, count in manifest.counts.items() if name not in known}
    return Restored(new, present, unknown, unloadable(database, manifest))


def unloadable(database: Database[Document], manifest: Manifest) -> list[str]:
    """Return what is wrong with the versions that a backup's aliases point at."""
    registry = Registry(database)
    problems: list[str] = []
    for alias, version in manifest.aliases.items():
        try:
            registry.load(version)
        except TaxiError as error:
            problems.append(f"{alias}: {error}")
    return problems


def _insert_all(
    collection: Collection[Document], documents: Iterator[RawBSONDocument], patience_seconds: float
) -> int:
    """Write documents; return how many were there already."""
    there = 0
    while batch := list(islice(documents, _BATCH)):
        there += len(patiently(patience_seconds, partial(insert_new, collection, batch)))
    return there


def _index(collection: Collection[Document], own: CollectionParts) -> None:
    with translated():
        there = [list(one["key"].items()) for one in collection.list_indexes()]
        for index in own.indexes:
            if list(index.keys) not in there:
                _create(collection, index)


def _create(collection: Collection[Document], index: Index) -> None:
    try:
        collection.create_index(list(index.keys), **index.options)
    except OperationFailure as error:
        if error.code not in _CONFLICTS:
            raise


def _remove_some(collection: Collection[Document]) -> int:
    with translated():
        ids = [one["_id"] for one in collection.find({}, {"_id": 1}).limit(_BATCH)]
        return collection.delete_many({"_id": {"$in": ids}}).deleted_count if ids else 0
