"""MongoDB for a command."""

from typing import Final

from pymongo.database import Database

from taxi_domain.errors import FieldError
from taxi_predict.batch.settings import Settings
from taxi_store.connection import Document, connect, database_of

_URI: Final = "TAXI_MONGODB_URI"


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
