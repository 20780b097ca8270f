"""The audit for an event loop."""

from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import OperationFailure

from taxi_domain.mongodb import AUDIT
from taxi_store.admin.audit import EXISTS, MAX_BYTES, AuditEntry, document_of
from taxi_store.connection import Document, translated


class AsyncAudit:
    """Adds entries.

    Args:
        database: Where the audit is.
    """

    def __init__(self, database: AsyncDatabase[Document]) -> None:
        self._database = database
        self._is_there = False

    async def record(self, entry: AuditEntry) -> None:
        """Add an entry.

        Raises:
            StoreUnavailableError: MongoDB does not answer, or refuses.
        """
        with translated():
            if not self._is_there:
                await self._ensure()
            status = await self._database.command("connectionStatus")
            await self._database[AUDIT].insert_one(document_of(entry, status))

    async def _ensure(self) -> None:
        try:
            await self._database.create_collection(
                AUDIT, capped=True, size=MAX_BYTES, check_exists=False
            )
        except OperationFailure as error:
            if error.code != EXISTS:
                raise
        self._is_there = True
