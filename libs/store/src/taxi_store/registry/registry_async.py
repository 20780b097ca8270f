"""The part of the registry that the operator needs, for asyncio; the same rules."""

from datetime import datetime
from typing import Final

from pymongo import DESCENDING, ReturnDocument
from pymongo.asynchronous.database import AsyncDatabase

from taxi_domain.models import Alias, ModelState
from taxi_domain.mongodb import ALIASES, MODELS, RUNS
from taxi_store.connection import Document, translated
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
from taxi_store.registry.runs import ModelRun, RunEntry, model_run, run_entry

#: More runs of a day than any policy may ask for.
_MAX_RUNS: Final = 500


class AsyncRegistry:
    """Versions, aliases and runs, read and moved from an event loop."""

    def __init__(self, database: AsyncDatabase[Document]) -> None:
        self._models = database[MODELS]
        self._aliases = database[ALIASES]
        self._runs = database[RUNS]

    async def get(self, version: str) -> ModelEntry:
        """Return the entry of a version.

        Raises:
            UnknownVersionError: there is none.
        """
        with translated():
            document = await self._models.find_one({"_id": version})
        if document is None:
            raise UnknownVersionError(version)
        return model_entry(document)

    async def set_state(self, version: str, state: ModelState, *, reason: str = "") -> None:
        """Record where a version is in its life.

        Raises:
            UnknownVersionError: there is none.
            StateConflictError: its state does not allow that.
        """
        with translated():
            done = await self._models.update_one(*state_update(version, state, reason))
        if done.matched_count == 0:
            raise StateConflictError(version, (await self.get(version)).state, str(state))

    async def alias(self, model: str, alias: Alias) -> AliasEntry | None:
        """Return where an alias points, None when it was never set."""
        with translated():
            document = await self._aliases.find_one({"_id": alias_id(model, alias)})
        return alias_entry(document) if document and document.get("version") else None

    async def move_alias(  # noqa: PLR0913 - one keyword for each field of the document
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
            await self._aliases.update_one(*alias_intent(model, alias, to), upsert=True)
        check_promotable(await self.get(to))
        selector, change = alias_update(model, alias, to=to, expected=expected, by=by, now=now)
        with translated():
            document = await self._aliases.find_one_and_update(
                selector, change, return_document=ReturnDocument.AFTER
            )
        if document is None:
            actual = await self.alias(model, alias)
            raise AliasConflictError(alias, expected, actual.version if actual else None)
        return alias_entry(document)

    async def run(self, run_id: str) -> RunEntry | None:
        """Return what a Job reported, None when it never began."""
        with translated():
            document = await self._runs.find_one({"_id": run_id})
        return run_entry(document) if document else None

    async def runs_since(self, model: str, start: datetime) -> list[ModelRun]:
        """Return when retrain runs of a model were, the newest first: whoever started them."""
        chosen = {"model": model, "kind": "train", "started_at": {"$gte": start}}
        fields = {"started_at": 1, "finished_at": 1, "result": 1}
        with translated():
            found = self._runs.find(chosen, fields).sort("started_at", DESCENDING)
            documents = await found.limit(_MAX_RUNS).to_list()
        return [run for one in documents if (run := model_run(one)) is not None]
