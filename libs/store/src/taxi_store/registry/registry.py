"""The model registry: versions with states, and aliases moved by compare-and-set."""

import contextlib
from collections.abc import Iterable
from datetime import datetime

from gridfs import GridFSBucket, NoFile
from gridfs.errors import CorruptGridFile
from pymongo import ReturnDocument
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError

from taxi_domain.models import Alias, ModelState
from taxi_domain.mongodb import ALIASES, ARTIFACTS_BUCKET, MODELS
from taxi_store.connection import Document, translated
from taxi_store.registry.artifacts import MAX_ARCHIVE_BYTES, Artifact, ArtifactError, pack, unpack
from taxi_store.registry.entries import (
    AliasConflictError,
    AliasEntry,
    ModelEntry,
    StateConflictError,
    UnknownVersionError,
    alias_entry,
    alias_id,
    alias_intent,
    alias_update,
    check_promotable,
    model_entry,
    state_update,
)


class Registry:
    """Versions and aliases in MongoDB, artifacts in GridFS (file name = digest)."""

    def __init__(self, database: Database[Document]) -> None:
        self._models = database[MODELS]
        self._aliases = database[ALIASES]
        self._bucket = GridFSBucket(database, ARTIFACTS_BUCKET)

    def add(
        self,
        artifact: Artifact,
        *,
        model: str,
        state: ModelState,
        now: datetime,
        run_id: str | None = None,
    ) -> str:
        """Store an artifact and return its version; the same artifact twice is one version.

        The archive is written before the entry, so an entry always has its archive. One that is
        damaged is written anew.
        """
        archive = pack(artifact.files)
        document: Document = {
            "_id": artifact.version, "model": model, "digest": artifact.digest,
            "size": len(archive), "state": str(state), "created_at": now, "run_id": run_id,
            "card": artifact.card,
        }  # fmt: skip
        with contextlib.suppress(UnknownVersionError, ArtifactError):
            return self.load(artifact.version).version
        with translated():
            self._bucket.upload_from_stream(artifact.digest, archive)
            # Another run may store the same artifact at the same time.
            with contextlib.suppress(DuplicateKeyError):
                self._models.insert_one(document)
        return artifact.version

    def get(self, version: str) -> ModelEntry:
        """Return the entry of a version.

        Raises:
            UnknownVersionError: there is none.
        """
        with translated():
            document = self._models.find_one({"_id": version})
        if document is None:
            raise UnknownVersionError(version)
        return model_entry(document)

    def list(self, model: str) -> list[ModelEntry]:
        """Return all versions of a model, newest first."""
        with translated():
            return [
                model_entry(one)
                for one in self._models.find({"model": model}).sort("created_at", -1)
            ]

    def known(self, model: str, versions: Iterable[str]) -> frozenset[str]:
        """Return those of the versions that the registry has of a model."""
        wanted = {"_id": {"$in": list(versions)}, "model": model}
        with translated():
            return frozenset(one["_id"] for one in self._models.find(wanted, {"_id": 1}))

    def load(self, version: str) -> Artifact:
        """Return the artifact of a version; size and digest are checked.

        Raises:
            UnknownVersionError: there is none.
            ArtifactError: it is damaged or its archive is gone.
        """
        entry = self.get(version)
        with translated():
            try:
                with self._bucket.open_download_stream_by_name(entry.digest) as stream:
                    expected = min(entry.size, MAX_ARCHIVE_BYTES)
                    if stream.length != expected:
                        raise ArtifactError(
                            f"model version {version}: {stream.length} bytes, expected {expected}"
                        )
                    archive = stream.read()
            except NoFile as error:
                raise ArtifactError(f"model version {version}: its archive is gone") from error
            except CorruptGridFile as error:
                raise ArtifactError(f"model version {version}: is damaged ({error})") from error
        return unpack(archive, expected_digest=entry.digest)

    def set_state(self, version: str, state: ModelState, *, reason: str = "") -> None:
        """Record where a version is in its life.

        Raises:
            UnknownVersionError: there is none.
            StateConflictError: its state does not allow that.
        """
        with translated():
            done = self._models.update_one(*state_update(version, state, reason))
        if done.matched_count == 0:
            raise StateConflictError(version, (self.get(version)).state, str(state))

    def alias(self, model: str, alias: Alias) -> AliasEntry | None:
        """Return where an alias points, None when it was never set."""
        with translated():
            document = self._aliases.find_one({"_id": alias_id(model, alias)})
        return alias_entry(document) if document and document.get("version") else None

    def move_alias(  # noqa: PLR0913 - one keyword for each field of the document
        self,
        model: str,
        alias: Alias,
        *,
        to: str,
        expected: str | None,
        by: str,
        now: datetime,
    ) -> AliasEntry:
        """Move an alias if it points at `expected` (None: if it does not exist yet).

        Raises:
            AliasConflictError: it points elsewhere.
            UnknownVersionError: `to` is not in the registry.
            StateConflictError: `to` is being deleted.
        """
        with translated():
            self._aliases.update_one(*alias_intent(model, alias, to), upsert=True)
        check_promotable(self.get(to))
        selector, change = alias_update(model, alias, to=to, expected=expected, by=by, now=now)
        with translated():
            document = self._aliases.find_one_and_update(
                selector, change, return_document=ReturnDocument.AFTER
            )
        if document is None:
            actual = self.alias(model, alias)
            raise AliasConflictError(alias, expected, actual.version if actual else None)
        return alias_entry(document)
