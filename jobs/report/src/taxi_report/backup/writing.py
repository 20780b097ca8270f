"""Makes a backup while predictors, monitor and operator go on writing.

The registry is read first, and its small collections are read again afterwards: where they changed
meanwhile, it is read anew. So aliases, entries and archives are of one moment, on a single server
as on a replica set. The log is only added to, but for what expires or is removed; a scan meets each
document that is there all the time exactly once. Labels come before rows: the row of a label that
was given to an answer is in the backup, too.
"""

import hashlib
import logging
import random
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from pymongo.database import Database

from taxi_domain.errors import TaxiError
from taxi_domain.mongodb import ALIASES, ARTIFACTS_BUCKET, LABELS, MODELS, PREDICTIONS
from taxi_report.backup.manifest import MANIFEST, CollectionParts, Index, Manifest
from taxi_report.backup.parts import PART_BYTES, BackupError, Part, write_parts
from taxi_report.backup.shelf import name_of, names_in
from taxi_report.destination import Destination, DestinationError
from taxi_store.connection import Document, translated
from taxi_store.registry.entries import alias_entry
from taxi_store.registry.registry import Registry

FILES: Final = f"{ARTIFACTS_BUCKET}.files"
CHUNKS: Final = f"{ARTIFACTS_BUCKET}.chunks"
#: Read again after the chunks; they are small.
_REGISTRY: Final = (ALIASES, MODELS, FILES)
_LOG: Final = (LABELS, PREDICTIONS)
_TRIES: Final = 5
#: Of an index that are told by others, or mean nothing to another server.
_NOT_OPTIONS: Final = ("v", "key", "ns", "background")

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class _Read:
    """What was read of a collection: its parts, and the digest of its documents."""

    parts: list[Part]
    digest: str


@dataclass(slots=True)
class Backup:
    """One backup that is being made.

    Args:
        database: What it is made of.
        destination: Where it goes, a folder of its own.
        began_at: Names the folder; UTC.
        part_bytes: Size from which on a part ends, not compressed.
        sleep: Waits before the registry is read again.
    """

    database: Database[Document]
    destination: Destination
    began_at: datetime
    part_bytes: int = PART_BYTES
    sleep: Callable[[float], None] = time.sleep
    _done: dict[str, _Read] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Name of its folder."""
        return name_of(self.began_at)

    def make(self) -> Manifest:
        """Write it; what was written goes again when it fails.

        Raises:
            BackupError: there is one of this name, or the registry does not come to rest.
            DestinationError: the destination cannot be written.
            StoreUnavailableError: MongoDB does not answer, or refuses.
        """
        if self.name in names_in(self.destination):
            raise BackupError(f"{self.name}: is there already; begin a second later")
        try:
            return self._made()
        except BaseException:
            with suppress(DestinationError):
                self.destination.remove_folder(self.name)
            raise

    def _made(self) -> Manifest:
        aliases, problems = self._registry()
        with translated():
            listed = self.database.list_collection_names(filter={"type": "collection"})
        there = [one for one in sorted(listed) if not one.startswith("system.")]
        others = [one for one in there if one not in {*_REGISTRY, CHUNKS, *_LOG}]
        for collection in (*_LOG, *others):
            self._read(collection)
        manifest = Manifest(
            self.name, self.database.name, self.began_at, datetime.now(UTC),
            {
                one: CollectionParts(read.parts, self._indexes(one), self._oldest(one))
                for one, read in self._done.items() if one in there
            },
            aliases, problems,
        )  # fmt: skip
        self.destination.write(f"{self.name}/{MANIFEST}", manifest.to_json())
        return manifest

    def _registry(self) -> tuple[dict[str, str], list[str]]:
        """Write the registry as it was at one moment; return what `_served` does of it."""
        for _ in range(_TRIES):
            for collection in (*_REGISTRY, CHUNKS):
                self._read(collection)
            served = self._served()
            if all(self._digest(one) == self._done[one].digest for one in _REGISTRY):
                return served
            logger.info("the registry changed while it was read; it is read again")
            self.destination.remove_folder(self.name)
            self.sleep(random.uniform(0.5, 2.0))
        raise BackupError(
            f"backup: the registry changed {_TRIES} times while it was read; try again later"
        )

    def _read(self, collection: str) -> None:
        digest = hashlib.sha256()
        parts: list[Part] = []
        stem = f"{self.name}/{collection}"
        batches = self._batches(collection)
        for part, raw in write_parts(self.destination, stem, batches, self.part_bytes):
            parts.append(part)
            digest.update(raw)
            logger.info("%s: %d documents", part.name, part.documents)
        self._done[collection] = _Read(parts, digest.hexdigest())

    def _digest(self, collection: str) -> str:
        digest = hashlib.sha256()
        for batch in self._batches(collection):
            digest.update(batch)
        return digest.hexdigest()

    def _batches(self, collection: str) -> Iterator[bytes]:
        # Not by id, whose order is that of no disk.
        with translated(), self.database[collection].find_raw_batches() as cursor:
            yield from cursor

    def _indexes(self, collection: str) -> list[Index]:
        with translated():
            found: list[dict[str, Any]] = [
                dict(one) for one in self.database[collection].list_indexes()
            ]
        return [
            Index(
                list(one["key"].items()),
                {name: value for name, value in one.items() if name not in _NOT_OPTIONS},
            )
            for one in found
            if dict(one["key"]) != {"_id": 1}
        ]

    def _oldest(self, collection: str) -> datetime | None:
        if collection not in _LOG:
            return None
        with translated():
            found = self.database[collection].find({"stored_at": {"$type": "date"}})
            first = next(iter(found.sort("stored_at", 1).limit(1)), None)
        return None if first is None else first["stored_at"]

    def _served(self) -> tuple[dict[str, str], list[str]]:
        """Return where aliases point, and which of that no predictor could load."""
        registry = Registry(self.database)
        aliases: dict[str, str] = {}
        problems: list[str] = []
        with translated():
            found = list(self.database[ALIASES].find({"version": {"$type": "string"}}))
        for document in found:
            try:
                entry = alias_entry(document)
                aliases[f"{entry.model}/{entry.alias}"] = entry.version
                registry.load(entry.version)
            except TaxiError as error:
                problems.append(str(error))
        return aliases, problems
