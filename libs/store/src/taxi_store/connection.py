"""Clients with a time-out in every call, and errors that callers can act on."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pymongo import AsyncMongoClient, MongoClient
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.database import Database
from pymongo.errors import ConfigurationError, InvalidURI, OperationFailure, PyMongoError

from taxi_domain.errors import FieldError, NotAvailableError
from taxi_domain.mongodb import DATABASE

Document = dict[str, Any]

#: Not authorized, failed authentication, and what Atlas says for it.
_UNAUTHORIZED = {13, 18, 8000}
#: A server's text goes into problems, conditions and logs; it can quote whole documents.
_MAX_TEXT = 300


class StoreUnavailableError(NotAvailableError):
    """MongoDB does not answer, or refuses the credentials."""


class LoginRefusedError(StoreUnavailableError):
    """MongoDB refuses the user, its password, or what it asks for."""


def connect(uri: str, *, app_name: str, timeout_seconds: float = 5.0) -> MongoClient[Document]:
    """Return a client; it connects at its first use. Make it after a fork, never before.

    Raises:
        FieldError: the URI cannot be used.
    """
    try:
        return MongoClient(uri, **_options(uri, app_name, timeout_seconds))
    except OSError as error:
        raise _unreadable(error) from None
    except (InvalidURI, ConfigurationError, ValueError):
        raise _bad_uri() from None


def connect_async(
    uri: str, *, app_name: str, timeout_seconds: float = 5.0
) -> AsyncMongoClient[Document]:
    """Return an asyncio client with the same options.

    Raises:
        FieldError: the URI cannot be used.
    """
    try:
        return AsyncMongoClient(uri, **_options(uri, app_name, timeout_seconds))
    except OSError as error:
        raise _unreadable(error) from None
    except (InvalidURI, ConfigurationError, ValueError):
        raise _bad_uri() from None


def database_of(client: MongoClient[Document]) -> Database[Document]:
    """Return the database that the URI's path names, `taxi` where it names none.

    Releases that share a MongoDB have one each, so their rows, labels and models keep apart.
    """
    return client.get_default_database(DATABASE)


def async_database_of(client: AsyncMongoClient[Document]) -> AsyncDatabase[Document]:
    """Return the same database for asyncio."""
    return client.get_default_database(DATABASE)


@contextmanager
def translated() -> Iterator[None]:
    """Turn the driver's errors into `StoreUnavailableError`."""
    try:
        yield
    except OperationFailure as error:
        text = f"MongoDB refuses: {_said(error)[:_MAX_TEXT]}"
        if error.code in _UNAUTHORIZED:
            raise LoginRefusedError(f"{text}; check the user and its password") from error
        raise StoreUnavailableError(text) from error
    except PyMongoError as error:
        text = str(error)[:_MAX_TEXT]
        raise StoreUnavailableError(f"MongoDB does not answer: {text}") from error


def _said(error: OperationFailure) -> str:
    """Return what MongoDB said of the first failure: the whole error may hold the documents."""
    details = error.details or {}
    failures = [*details.get("writeErrors", ()), *details.get("writeConcernErrors", ()), details]
    return str(failures[0].get("errmsg") or (type(error).__name__ if details else error))


def _options(uri: str, app_name: str, timeout_seconds: float) -> dict[str, Any]:
    milliseconds = int(timeout_seconds * 1000)
    options: dict[str, Any] = {
        "appname": app_name,
        "tz_aware": True,
        "serverSelectionTimeoutMS": milliseconds,
        "connectTimeoutMS": milliseconds,
        "socketTimeoutMS": milliseconds * 2,
        "waitQueueTimeoutMS": milliseconds,
        # Confirmed means on disk: without the journal a killed server forgets confirmed writes.
        "journal": True,
        "maxPoolSize": 8,
    }
    in_a_set = _of_a_set(uri)
    if not re.search("[?&;]retryWrites=", uri, re.IGNORECASE):
        # A failover then costs a repetition and no error; a standalone server refuses such writes.
        options["retryWrites"] = in_a_set
    if in_a_set and not re.search("[?&;]readConcernLevel=", uri, re.IGNORECASE):
        # What only a primary has that is about to be replaced may never have been.
        options["readConcernLevel"] = "majority"
    if not re.search("[?&;]w=", uri, re.IGNORECASE):
        # ... and on most members: a new primary rolls back what only the old one had. A set with
        # an arbiter would otherwise confirm with one.
        options |= {"w": "majority", "wTimeoutMS": milliseconds}
    return options


def _of_a_set(uri: str) -> bool:
    """Tell whether the address says that it is one of a replica set, by name or by DNS."""
    return uri.startswith("mongodb+srv:") or bool(re.search("[?&;]replicaSet=", uri, re.IGNORECASE))


def _unreadable(error: OSError) -> FieldError:
    """Return what is told of a file that the URI names."""
    return FieldError(
        "TAXI_MONGODB_URI", f"names a file that cannot be read ({error.strerror})",
        "mount the certificates that tlsCAFile and tlsCertificateKeyFile are the paths of",
    )  # fmt: skip


def _bad_uri() -> FieldError:
    """Return what is told of a URI; the driver's own text can quote a part of the password."""
    return FieldError(
        "TAXI_MONGODB_URI", "cannot be used",
        "give it as mongodb://user:password@host:27017/taxi, user and password percent-encoded",
    )  # fmt: skip
