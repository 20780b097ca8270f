"""Where delivered records go: MongoDB's log and the monitor."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import httpx
import msgspec
from pymongo.database import Database

from taxi_domain.documents import record_of
from taxi_domain.errors import NotAvailableError, TaxiError
from taxi_domain.models import Alias
from taxi_predict.model_source import LoadedModel, loaded
from taxi_store.connection import Document
from taxi_store.log import insert_records
from taxi_store.registry import Registry

logger = logging.getLogger(__name__)

_TIMEOUT: Final = httpx.Timeout(2.0)
_REFRESH_SECONDS: Final = 10.0


class MongoLog:
    """The prediction log; a repeat of a record changes nothing."""

    name = "mongodb"

    def __init__(self, database: Database[Document]) -> None:
        self._database = database

    def write(self, documents: Sequence[dict[str, Any]]) -> None:
        """Insert; records that are there already are skipped.

        Raises:
            StoreUnavailableError: MongoDB does not answer or refuses.
        """
        insert_records(self._database, documents, datetime.now(UTC))


class Monitor:
    """The monitor's fast lane; what it misses it reads from the log."""

    name = "monitor"

    def __init__(self, url: str, token: str) -> None:
        self._client = httpx.Client(
            base_url=url, timeout=_TIMEOUT, headers={"Authorization": f"Bearer {token}"}
        )

    def write(self, documents: Sequence[dict[str, Any]]) -> None:
        """Post the records.

        Raises:
            NotAvailableError: it does not answer, or does not take them.
        """
        try:
            answer = self._client.post(
                "/v1/predictions",
                content=msgspec.json.encode({"records": documents}),
                headers={"Content-Type": "application/json"},
            )
        except httpx.HTTPError as error:
            raise NotAvailableError(f"monitor: {error!r}") from error
        if answer.status_code != 200:
            raise NotAvailableError(f"monitor: {answer.status_code} {answer.text[:200]}")


class ShadowScorer:
    """Lets the version of another alias answer the same rides."""

    def __init__(self, registry: Registry, model: str, alias: Alias) -> None:
        self._registry = registry
        self._model = model
        self._alias = alias
        self._current: LoadedModel | None = None
        self._look_at = 0.0
        self._lock = threading.Lock()
        self._clock: Callable[[], float] = time.monotonic

    def score(self, documents: Sequence[dict[str, Any]]) -> None:
        """Add the version's answers; without one the records go on unscored."""
        with self._lock:
            model = self._refreshed()
        if model is None:
            return
        rows = [record_of(one).features for one in documents]
        for document, minutes in zip(documents, model.graph.predict(rows), strict=True):
            document["shadow"] = [{"model_version": model.version, "prediction": minutes}]

    def _refreshed(self) -> LoadedModel | None:
        if self._clock() < self._look_at:
            return self._current
        self._look_at = self._clock() + _REFRESH_SECONDS
        try:
            entry = self._registry.alias(self._model, self._alias)
            if entry and (self._current is None or entry.version != self._current.version):
                self._current = loaded(self._registry.load(entry.version))
                logger.info("shadow version is loaded", extra={"version": entry.version})
        except TaxiError as error:
            # Serving and logging go on; the champion's signals then have no fresh rides.
            logger.warning("shadow version cannot be refreshed", extra={"reason": str(error)})
        return self._current
