"""Where delivered records go: MongoDB's log and the monitor."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

import httpx
from pymongo.database import Database

from taxi_domain.errors import NotAvailableError
from taxi_store.connection import Document
from taxi_store.encoding import CONTENT_TYPE
from taxi_store.log import insert_encoded

_TIMEOUT: Final = httpx.Timeout(2.0)


class MongoLog:
    """The prediction log; a repeat of a record changes nothing."""

    name = "mongodb"

    def __init__(self, database: Database[Document]) -> None:
        self._database = database

    def write(self, records: Sequence[bytes]) -> None:
        """Insert; records that are there already are skipped.

        Raises:
            StoreUnavailableError: MongoDB does not answer or refuses.
        """
        insert_encoded(self._database, records, datetime.now(UTC))


class Monitor:
    """The monitor's fast lane; what it misses it reads from the log."""

    name = "monitor"

    def __init__(self, url: str, token: str) -> None:
        self._client = httpx.Client(
            base_url=url, timeout=_TIMEOUT, headers={"Authorization": f"Bearer {token}"}
        )

    def write(self, records: Sequence[bytes]) -> None:
        """Post the records.

        Raises:
            NotAvailableError: it does not answer, or does not take them.
        """
        try:
            answer = self._client.post(
                "/v1/predictions",
                content=b"".join(records),
                headers={"Content-Type": CONTENT_TYPE},
            )
        except httpx.HTTPError as error:
            raise NotAvailableError(f"monitor: {error!r}") from error
        if answer.status_code != 200:
            raise NotAvailableError(f"monitor: {answer.status_code} {answer.text[:200]}")
