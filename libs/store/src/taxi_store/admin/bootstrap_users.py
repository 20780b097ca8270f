"""Keeps MongoDB's users, rights and indexes as mounted files say; runs beside mongod.

The first user is made through MongoDB's localhost exception, which ends with it. The folder
of credentials has one folder for each component, with the files `username` and `password`;
it is read again and again, so that a changed Secret reaches the server without a restart. The same
goes for the folder that says how long rows and labels stay (`taxi_store.admin.retention`).

Exit codes: 0 asked to stop, 1 nothing could be set up for too long, 2 unusable credentials.
"""

import argparse
import logging
import random
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote_plus

from pymongo import MongoClient
from pymongo.database import Database
from pymongo.errors import OperationFailure, PyMongoError

from taxi_domain.errors import FieldError, TaxiError
from taxi_domain.logs import set_up
from taxi_domain.mongodb import DATABASE
from taxi_store.admin.indexes import ensure_indexes
from taxi_store.admin.retention import Retention, read_retention
from taxi_store.admin.roles import ROLES, privileges_of, role_of
from taxi_store.connection import Document, connect

ROOT: Final = "root"
_ADMIN: Final = "admin"
_REFUSED: Final = {13, 18}
_EXISTS: Final = {51002, 51003}
_MAX_SECONDS: Final = 86_400

logger = logging.getLogger("taxi_store.admin.bootstrap_users")


class LockedOutError(TaxiError):
    """The server has users, and none of the known root passwords is one of theirs."""


@dataclass(frozen=True, slots=True)
class Credential:
    """Name and password of one user."""

    username: str
    password: str = field(repr=False)


def read_credentials(folder: Path) -> dict[str, Credential]:
    """Return the credentials by component; `root` is always among them.

    Raises:
        FieldError: a file is missing or empty, or a component is not known.
    """
    found: dict[str, Credential] = {}
    # Names with two dots belong to the kubelet's way of swapping a volume's content.
    for one in sorted(path for path in folder.glob("[!.]*") if path.is_dir()):
        if one.name not in {ROOT, *ROLES}:
            raise FieldError(
                str(one), "is no known component", f"use {ROOT}, {', '.join(sorted(ROLES))}"
            )
        found[one.name] = Credential(_line(one / "username"), _line(one / "password"))
    if ROOT not in found:
        raise FieldError(str(folder / ROOT), "is missing", "mount the Secret of root there")
    return found


class Users:
    """The users of one server, set up through a connection on its own machine.

    Args:
        host: Address of the server; the localhost exception needs a loopback address.
    """

    def __init__(self, host: str, *, timeout_seconds: float = 5.0) -> None:
        self._host = host
        self._timeout_seconds = timeout_seconds
        self._applied: Mapping[str, Credential] = {}
        self._retention: Retention | None = None

    def apply(self, wanted: Mapping[str, Credential], retention: Retention | None = None) -> bool:
        """Make the server fit; return whether there was anything to do.

        Without a `retention`, what expires when stays as it is.

        Raises:
            LockedOutError: nobody can log in as root.
            PyMongoError: the server does not answer.
        """
        self._ensure_root(wanted[ROOT])
        with self._client(wanted[ROOT]) as client:
            done = self._applied == wanted and self._retention == retention
            if done and not self._missing(client, wanted):
                return False
            for component, credential in wanted.items():
                if component != ROOT:
                    _ensure_role(client[DATABASE], component)
                    _ensure_user(client[DATABASE], credential, role_of(component))
            ensure_indexes(client[DATABASE], retention=retention)
        self._applied, self._retention = dict(wanted), retention
        return True

    def _ensure_root(self, root: Credential) -> None:
        if self._can_log_in(root):
            return
        previous = self._applied.get(ROOT)
        if previous is not None and self._can_log_in(previous):
            with self._client(previous) as client:
                _ensure_user(client[_ADMIN], root, ROOT)
            logger.info("the password of %s was changed", root.username)
            return
        try:
            with self._client(None) as client:
                client[_ADMIN].command("createUser", root.username, pwd=root.password, roles=[ROOT])
        except OperationFailure as error:
            if error.code in _REFUSED:
                raise LockedOutError(
                    f"user {root.username}: the server refuses the password of its Secret, and "
                    "has users already; put the password into the Secret that it was set up with"
                ) from error
            raise
        logger.info("user %s was made", root.username)

    def _can_log_in(self, credential: Credential) -> bool:
        try:
            with self._client(credential) as client:
                client[_ADMIN].command("ping")
        except OperationFailure as error:
            if error.code in _REFUSED:
                return False
            raise
        return True

    def _missing(self, client: MongoClient[Document], wanted: Mapping[str, Credential]) -> bool:
        users = client[DATABASE].command("usersInfo")["users"]
        expected = {one.username for component, one in wanted.items() if component != ROOT}
        return not expected <= {str(user["user"]) for user in users}

    def _client(self, credential: Credential | None) -> MongoClient[Document]:
        login = ""
        if credential is not None:
            login = f"{quote_plus(credential.username)}:{quote_plus(credential.password)}@"
        uri = f"mongodb://{login}{self._host}/?authSource={_ADMIN}&directConnection=true"
        return connect(uri, app_name="taxi-users", timeout_seconds=self._timeout_seconds)


def _ensure_role(database: Database[Document], component: str) -> None:
    arguments: dict[str, Any] = {"privileges": privileges_of(component), "roles": []}
    _create_or_update(database, "Role", role_of(component), arguments)


def _ensure_user(database: Database[Document], credential: Credential, role: str) -> None:
    arguments: dict[str, Any] = {"pwd": credential.password, "roles": [role]}
    _create_or_update(database, "User", credential.username, arguments)


def _create_or_update(
    database: Database[Document], kind: str, name: str, arguments: Mapping[str, Any]
) -> None:
    try:
        database.command(f"create{kind}", name, **arguments)
    except OperationFailure as error:
        if error.code not in _EXISTS:
            raise
        database.command(f"update{kind}", name, **arguments)


def _line(path: Path) -> str:
    try:
        text = path.read_text().strip()
    except OSError as error:
        raise FieldError(str(path), f"cannot be read ({error.strerror})", "mount it") from error
    if not text:
        raise FieldError(str(path), "is empty", "put a value into the Secret")
    return text


def keep(
    apply: Callable[[], bool],
    stop: threading.Event,
    done: Callable[[], None],
    *,
    pause_seconds: float,
    patience_seconds: float,
) -> bool:
    """Apply what is wanted until `stop` is set; call `done` after each success.

    Returns:
        False when nothing succeeded for `patience_seconds`.
    """
    last_success = time.monotonic()
    while not stop.is_set():
        try:
            if apply():
                logger.info("users, rights and indexes are as they should be")
            done()
            last_success = time.monotonic()
        except (TaxiError, PyMongoError) as error:
            waited = time.monotonic() - last_success
            logger.warning("not set up after %.0f s: %s", waited, error)
            if waited > patience_seconds:
                return False
        stop.wait(pause_seconds * random.uniform(0.8, 1.2))
    return True


def _seconds(text: str) -> float:
    """Return seconds between nothing and a day."""
    seconds = float(text)
    if not 0 < seconds <= _MAX_SECONDS:
        raise argparse.ArgumentTypeError(f"{text} is not above 0 and at most {_MAX_SECONDS}")
    return seconds


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until SIGTERM."""
    parser = argparse.ArgumentParser(prog="taxi_store.admin.bootstrap_users", description=__doc__)
    parser.add_argument("--credentials", type=Path, required=True, help="folder of the Secrets")
    parser.add_argument("--retention", type=Path, required=True, help="folder of its ConfigMap")
    parser.add_argument("--ready-file", type=Path, required=True, help="exists once users do")
    parser.add_argument("--host", default="127.0.0.1:27017", help="address of mongod")
    parser.add_argument("--pause-seconds", type=_seconds, default=3.0)
    parser.add_argument("--patience-seconds", type=_seconds, default=600.0)
    options = parser.parse_args(arguments)
    set_up()
    stop = threading.Event()
    for one in (signal.SIGTERM, signal.SIGINT):
        signal.signal(one, lambda *_: stop.set())
    options.ready_file.unlink(missing_ok=True)
    try:
        read_credentials(options.credentials)
        read_retention(options.retention)
    except FieldError as error:
        logger.error("%s", error)  # noqa: TRY400 - the text says it all
        return 2
    users = Users(options.host)
    kept = keep(
        lambda: users.apply(
            read_credentials(options.credentials), read_retention(options.retention)
        ),
        stop,
        lambda: options.ready_file.touch(),
        pause_seconds=options.pause_seconds,
        patience_seconds=options.patience_seconds,
    )
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
