"""MongoDB's users, rights and indexes: what a server has, made like what it should have."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote_plus

from pymongo import MongoClient
from pymongo.database import Database
from pymongo.errors import OperationFailure

from taxi_domain.errors import TaxiError
from taxi_domain.mongodb import DATABASE
from taxi_store.admin.audit import ensure_audit
from taxi_store.admin.indexes import ensure_indexes
from taxi_store.admin.replica_set import Membership, NotSettledError, ReplicaSet, Role
from taxi_store.admin.retention import Retention
from taxi_store.admin.roles import privileges_of, role_of
from taxi_store.admin.upkeep import NOTE_EVERY, WATCHED, note
from taxi_store.connection import Document, connect

ROOT: Final = "root"
_ADMIN: Final = "admin"
_REFUSED: Final = {13, 18}
_EXISTS: Final = {51002, 51003}

logger = logging.getLogger(__name__)


class LockedOutError(TaxiError):
    """The server has users, and none of the known root passwords is one of theirs."""


@dataclass(frozen=True, slots=True)
class Credential:
    """Name and password of one user."""

    username: str
    password: str = field(repr=False)


class Users:
    """The users of one server, set up through a connection on its own machine.

    Args:
        host: Address of the server; the localhost exception needs a loopback address.
        membership: The replica set that it is of; None for a server that stands alone.
        ca_file: What the server's certificate is signed by; None without TLS.
    """

    def __init__(
        self,
        host: str,
        *,
        membership: Membership | None = None,
        ca_file: Path | None = None,
        timeout_seconds: float = 5.0,
    ) -> None:
        self._host = host
        self._ca_file = ca_file
        self._timeout_seconds = timeout_seconds
        self._replica_set = ReplicaSet(membership, self._client_of) if membership else None
        self._applied: Mapping[str, Credential] = {}
        #: With what root logged in last: the way to give it another password.
        self._root: Credential | None = None
        self._retention: Retention | None = None
        self._noted_at: datetime | None = None

    def apply(self, wanted: Mapping[str, Credential], retention: Retention | None = None) -> bool:
        """Make the server fit; return whether there was anything to do.

        Without a `retention`, what expires when stays as it is.

        Raises:
            LockedOutError: nobody can log in as root.
            NotSettledError: the replica set does not have this member yet.
            PyMongoError: the server does not answer.
        """
        root = wanted[ROOT]
        if self._replica_set and self._role(self._replica_set, root) is not Role.PRIMARY:
            # Its users come from the primary.
            if not self._can_log_in(root):
                raise _locked_out(root)
            self._root = root
            return False
        self._ensure_root(root)
        self._root = root
        with self._client(root) as client:
            changed = self._ensure(client, wanted, retention)
            if self._replica_set:
                changed |= self._replica_set.complete(client)
            self._note(client[DATABASE], wanted)
        return changed

    def renew_certificate(self, root: Credential) -> None:
        """Let the server read its certificate again.

        Raises:
            PyMongoError: it does not answer, or refuses the new one and keeps the old.
        """
        with self._client(root) as client:
            client[_ADMIN].command("rotateCertificates", message="renewed")
        logger.info("the server read its certificate anew")

    def _role(self, replica_set: ReplicaSet, root: Credential) -> Role:
        with self._client(None) as client:
            role = replica_set.role(client)
        if role is not None:
            return role
        # One that stood alone has users, a new one has none.
        with self._client(root if self._can_log_in(root) else None) as client:
            replica_set.make(client)
        raise NotSettledError("the set was just made; its first member is not its primary yet")

    def _ensure(
        self,
        client: MongoClient[Document],
        wanted: Mapping[str, Credential],
        retention: Retention | None,
    ) -> bool:
        done = self._applied == wanted and self._retention == retention
        if done and not self._missing(client, wanted):
            return False
        for component, credential in wanted.items():
            if component != ROOT:
                _ensure_role(client[DATABASE], component)
                _ensure_user(client[DATABASE], credential, role_of(component))
        ensure_indexes(client[DATABASE], retention=retention)
        ensure_audit(client[DATABASE])
        self._applied, self._retention = dict(wanted), retention
        return True

    def _note(self, database: Database[Document], wanted: Mapping[str, Credential]) -> None:
        now = datetime.now(UTC)
        watched = wanted.get(WATCHED)
        if watched is None or (self._noted_at and now - self._noted_at < NOTE_EVERY):
            return
        note(database, watched.username, now)
        self._noted_at = now

    def _ensure_root(self, root: Credential) -> None:
        if self._can_log_in(root):
            return
        if self._root is not None and self._can_log_in(self._root):
            with self._client(self._root) as client:
                _ensure_user(client[_ADMIN], root, ROOT)
            logger.info("the password of %s was changed", root.username)
            return
        try:
            with self._client(None) as client:
                client[_ADMIN].command("createUser", root.username, pwd=root.password, roles=[ROOT])
        except OperationFailure as error:
            if error.code in _REFUSED:
                raise _locked_out(root) from error
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
        return self._connect(f"{login}{self._host}", other_name="true")

    def _client_of(self, host: str) -> MongoClient[Document]:
        return self._connect(host, other_name="false")

    def _connect(self, host: str, *, other_name: str) -> MongoClient[Document]:
        options = f"authSource={_ADMIN}&directConnection=true"
        if self._ca_file is not None:
            # The server's certificate need not have the name that only its own machine uses.
            options += f"&tls=true&tlsCAFile={quote_plus(str(self._ca_file))}"
            options += f"&tlsAllowInvalidHostnames={other_name}"
        return connect(
            f"mongodb://{host}/?{options}",
            app_name="taxi-users",
            timeout_seconds=self._timeout_seconds,
        )


def _locked_out(root: Credential) -> LockedOutError:
    return LockedOutError(
        f"user {root.username}: the server refuses the password of its Secret, and "
        "has users already; put the password into the Secret that it was set up with"
    )


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
