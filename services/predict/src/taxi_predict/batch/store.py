"""MongoDB for a command: a connection, and patience while it is away."""

import logging
from collections.abc import Callable
from typing import Final, TypeVar

import tenacity
from pymongo.database import Database

from taxi_domain.errors import FieldError
from taxi_predict.batch.settings import Settings
from taxi_store.connection import Document, StoreUnavailableError, connect, database_of

logger = logging.getLogger(__name__)

_URI: Final = "TAXI_MONGODB_URI"

Result = TypeVar("Result")


def store(settings: Settings) -> Database[Document]:
    """Return the database that registry and log are in; it is connected to at its first use.

    Raises:
        FieldError: none is set.
    """
    if not settings.mongodb_uri:
        raise FieldError(_URI, "is not set", "set it, or name an archive and leave out --log")
    return database_of(connect(settings.mongodb_uri, app_name="taxi-predict"))


def place_of(settings: Settings) -> str:
    """Return hosts and database without user and password."""
    return (settings.mongodb_uri or "").rpartition("://")[2].rpartition("@")[2].partition("?")[0]


def patiently(step: Callable[[], Result], patience: float) -> Result:
    """Do a step again while MongoDB is away.

    Args:
        step: May be done twice.
        patience: Seconds after which its error is raised.

    Raises:
        StoreUnavailableError: MongoDB was away for too long.
    """
    retrying = tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(StoreUnavailableError),
        wait=tenacity.wait_random_exponential(multiplier=0.5, max=10),
        stop=tenacity.stop_after_delay(patience),
        before_sleep=lambda state: logger.warning(
            "waiting for MongoDB (try %d)", state.attempt_number
        ),
        reraise=True,
    )
    return retrying(step)
