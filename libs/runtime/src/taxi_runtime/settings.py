"""Reads the environment into a part's settings, checked for what they are used for later.

What a setting cannot do is told at the start, with its name; the same value would otherwise
start all parts and fail where nobody looks.
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final, TypeVar
from urllib.parse import unquote, urlsplit

from pydantic import AfterValidator, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from taxi_domain.errors import FieldError

#: What pydantic puts before the texts of our own checks.
_PREFIX: Final = "Value error, "
_NAME: Final = re.compile(r"[A-Za-z0-9._-]+")
_VISIBLE: Final = re.compile(r"[!-~]*")
_USER: Final = r"(?:[^%:/?#\[\]@]|%[0-9A-Fa-f]{2})*"
_HOST: Final = r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::(?P<port>\d{1,5}))?"
_MONGODB: Final = re.compile(
    rf"mongodb(?:\+srv)?://(?:{_USER}(?::{_USER})?@)?(?P<hosts>[^/?@]+)"
    r"(?:/(?P<path>[^?/]*))?(?:\?(?P<options>.*))?"
)
#: Databases of MongoDB: users, shards, the replica set's log.
_SERVERS_OWN: Final = ("admin", "config", "local")


class Environment(BaseSettings):
    """Base of all settings: white space around a value, as Secrets often have, is none of it."""

    model_config = SettingsConfigDict(str_strip_whitespace=True, allow_inf_nan=False)


Settings = TypeVar("Settings", bound=Environment)


def read(settings: type[Settings], given: Mapping[str, str] | None = None) -> Settings:
    """Read the environment.

    Args:
        settings: What is read.
        given: Values by variable that come before the environment's, as of a command line.

    Raises:
        FieldError: a variable is missing or cannot have its value.
    """
    try:
        return settings(**(given or {}))
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        raise FieldError(
            str(first["loc"][0]), first["msg"].removeprefix(_PREFIX),
            "set the variable on the container",
        ) from None  # fmt: skip


def mongodb_uri_in(path: Path) -> str:
    """Return the URI that a file of a mounted Secret has now.

    Raises:
        FieldError: it cannot be read or used.
    """
    try:
        return _mongodb_uri(path.read_text().strip())
    except (OSError, UnicodeDecodeError) as error:
        raise FieldError(str(path), f"cannot be read ({error})", "mount the Secret") from error
    except ValueError as error:
        raise FieldError(str(path), str(error), "mend the Secret") from None


def _token(value: str) -> str:
    if not _VISIBLE.fullmatch(value):
        raise ValueError("has characters that no header carries; use letters, digits and -._~+/=")
    return value


def _http_url(value: str) -> str:
    if not value:
        return value
    if not _VISIBLE.fullmatch(value) or not _is_address(value):
        raise ValueError("is no address; give it as http://host:port")
    return value


def _is_address(value: str) -> bool:
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError:
        return False
    known = parts.scheme in ("http", "https") and bool(parts.hostname) and port != 0
    return known and not parts.query and not parts.fragment


def _mongodb_uri(value: str) -> str:
    # The driver itself must not be imported before gevent patched the standard library. What it
    # refuses beyond this keeps its process from starting.
    found = _MONGODB.fullmatch(value)
    if not found or not _VISIBLE.fullmatch(value) or not _are_hosts(found["hosts"]):
        raise ValueError("is no URI; give it as mongodb://user:password@host:27017/taxi")
    if any("=" not in one for one in re.split("[&;]", found["options"] or "a=b")):
        raise ValueError("has an option without a value; give it as name=value")
    # The driver takes `database.collection`, too; the server tells no case of names apart.
    database = unquote(found["path"] or "").partition(".")[0].lower()
    if database in _SERVERS_OWN:
        raise ValueError(
            f"names the data's database, and {database} is the server's own database; give it as "
            "mongodb://user:password@host:27017/taxi, with ?authSource=admin where users are there"
        )
    return value


def _are_hosts(text: str) -> bool:
    found = [re.fullmatch(_HOST, one) for one in text.split(",")]
    return all(one and 0 < int(one["port"] or 27017) <= 65535 for one in found)


def _name(value: str) -> str:
    if not _NAME.fullmatch(value):
        raise ValueError("is no name; use letters, digits and ._-")
    return value


def _folder(value: Path) -> Path:
    there = next(one for one in (value.absolute(), *value.absolute().parents) if one.exists())
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        raise ValueError(f"cannot be written, because of {there}; name a folder that can")
    return value


#: A secret that is sent in a header.
Token = Annotated[str, AfterValidator(_token)]
#: Base address of an HTTP server, or empty.
HttpUrl = Annotated[str, AfterValidator(_http_url)]
MongodbUri = Annotated[str, AfterValidator(_mongodb_uri)]
#: A name that is a label of metrics and a key in MongoDB.
Name = Annotated[str, AfterValidator(_name)]
#: A folder that is there and can be written, or can be made.
Folder = Annotated[Path, AfterValidator(_folder)]
