"""A database whose user or password is changed while a process works with it.

The driver keeps the login that its client was made with. Connections that are there stay, so a
changed password is felt when one is made anew: hours later, and then for good.
"""

import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar

from pymongo import MongoClient
from pymongo.database import Database

from taxi_domain.errors import FieldError
from taxi_store.connection import (
    Document,
    LoginRefusedError,
    StoreUnavailableError,
    connect,
    database_of,
)

logger = logging.getLogger(__name__)

Result = TypeVar("Result")


@dataclass(slots=True, eq=False)
class _Opened:
    uri: str = field(repr=False)
    client: MongoClient[Document]
    #: Whether it has taken another one's place.
    is_another: bool = True
    has_worked: bool = False
    is_refused: bool = False


class RotatedDatabase:
    """The database of an address that is asked for again when MongoDB refuses the login.

    One that has never worked is asked for again after each failure: what is wrong may be its host.

    Args:
        address: Returns the URI as it is now.
        app_name: What MongoDB's log calls the client.

    Raises:
        FieldError: the URI cannot be used, or there is none.
    """

    def __init__(self, address: Callable[[], str], *, app_name: str) -> None:
        self._address = address
        self._app_name = app_name
        self._lock = threading.Lock()
        self._problem = ""
        # A client's own threads get the scheduling class of who makes it: that of now, and not of
        # the idle class, when one of its threads meets the refusal.
        self._makers = ThreadPoolExecutor(1, "login")
        self._current = self._opened(address())
        self._current.is_another = False

    def use(self, step: Callable[[Database[Document]], Result]) -> Result:
        """Do a step; once more with each new address, when the one that it had is of no use.

        Without a new one its error is the caller's, who tries again later. Any thread may call it.

        Args:
            step: Bears to be done twice.

        Raises:
            StoreUnavailableError: MongoDB does not answer, or refuses.
        """
        opened = self._current
        while True:
            try:
                result = step(database_of(opened.client))
            except StoreUnavailableError as error:
                newer = self._newer(opened, error)
                if newer is None:
                    raise
                opened = newer
            else:
                if not opened.has_worked:
                    opened.has_worked = True
                    if opened.is_another:
                        logger.info("MongoDB takes the new login")
                return result

    def _newer(self, used: _Opened, error: StoreUnavailableError) -> _Opened | None:
        """Return what is to be tried after a failure, None when there is nothing else."""
        with self._lock:
            if self._current is not used:
                # Another thread changed it and closed the one that this step was at.
                return self._current
            refused = isinstance(error, LoginRefusedError)
            if used.has_worked and not refused:
                return None
            if refused and not used.is_refused:
                used.is_refused = True
                logger.warning(
                    "MongoDB refuses the login, which is read again", extra={"reason": str(error)}
                )
            try:
                uri = self._address()
                newer = None if uri == used.uri else self._opened(uri)
            except FieldError as problem:
                if str(problem) != self._problem:
                    logger.warning("the new login cannot be used", extra={"reason": str(problem)})
                self._problem = str(problem)
                return None
            self._problem = ""
            if newer is not None:
                self._current = newer
                used.client.close()
            return newer

    def _opened(self, uri: str) -> _Opened:
        client = self._makers.submit(connect, uri, app_name=self._app_name).result()
        return _Opened(uri, client)
