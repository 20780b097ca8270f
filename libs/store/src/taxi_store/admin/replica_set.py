"""Makes a replica set of mongods that are there, and adds members to it.

A set is made once, by its first member, and only when every other member answers that it belongs to
none: a first member that lost its disk would otherwise make a second, empty set beside the one that
has the data. It gets that one's configuration from the others, which still list it, and copies the
data from them.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError

from taxi_domain.errors import FieldError, TaxiError
from taxi_store.connection import Document

_ADMIN: Final = "admin"
_ALREADY_MADE: Final = 23
_MAX_MEMBERS: Final = 7

logger = logging.getLogger(__name__)


class NotSettledError(TaxiError):
    """This member cannot do its part of the set yet; later it may."""


class NewMemberError(NotSettledError):
    """This member is of no set, and the first one, which is to add it, does not know it yet."""


class Role(StrEnum):
    """What a member is at the moment."""

    PRIMARY = "primary"
    SECONDARY = "secondary"


@dataclass(frozen=True, slots=True)
class Membership:
    """A set as it should be.

    Attributes:
        name: Of the set.
        hosts: Address of each member as others reach it (`host:port`), the first makes the set.
        own: Which of them this is.

    Raises:
        FieldError: `own` is not among them, they repeat, or there are too many to vote.
    """

    name: str
    hosts: tuple[str, ...]
    own: str

    def __post_init__(self) -> None:
        """Refuse what is no set."""
        if self.own not in self.hosts:
            raise FieldError("own host", f"{self.own} is no member", f"use {', '.join(self.hosts)}")
        if len(set(self.hosts)) != len(self.hosts) or len(self.hosts) > _MAX_MEMBERS:
            raise FieldError(
                "members", "repeat, or are too many", f"name each once, {_MAX_MEMBERS} at most"
            )


class ReplicaSet:
    """One member's view of its set.

    Args:
        membership: The set as it should be.
        client: Makes a client of one address alone, which logs in as nobody.
    """

    def __init__(
        self, membership: Membership, client: Callable[[str], MongoClient[Document]]
    ) -> None:
        self._wanted = membership
        self._client = client

    def role(self, own: MongoClient[Document]) -> Role | None:
        """Return what the member is; None when it belongs to no set.

        Raises:
            NotSettledError: it starts, copies data or is of another set.
            PyMongoError: it does not answer.
        """
        told = own[_ADMIN].command("hello")
        name = told.get("setName")
        if name is None:
            return None
        if name != self._wanted.name:
            raise NotSettledError(
                f"this member is of the set {name}, not of {self._wanted.name}: set "
                "mongodb.replicaSet.name to it, or give the member an empty volume"
            )
        if told.get("isWritablePrimary"):
            return Role.PRIMARY
        if told.get("secondary"):
            return Role.SECONDARY
        raise NotSettledError(
            "this member serves nobody yet: it starts, copies the data of the others, or the set "
            "has no primary"
        )

    def make(self, own: MongoClient[Document]) -> None:
        """Make the set with this member alone, if it is the one that does and none is there.

        Args:
            own: The member; logged in as root where it has users.

        Raises:
            NewMemberError: the first one makes it, or has one without this member.
            NotSettledError: another one has it, or does not tell.
            PyMongoError: the member does not answer, or refuses.
        """
        first, *others = self._wanted.hosts
        if self._wanted.own != first:
            waits = f"this member waits for {first} to add it"
            # One that lost its disk is listed: it gets the others' data soon, and is not new.
            if self._wanted.own in self._listed_by(first):
                raise NotSettledError(f"{waits} again")
            raise NewMemberError(waits)
        for host in others:
            if (name := self._set_of(host)) is not None:
                raise NotSettledError(
                    f"{host} is of the set {name} already: this member waits to be told of it; "
                    "where that set is a left-over, delete the volumes that it is on"
                )
        members = [{"_id": 0, "host": first}]
        try:
            own[_ADMIN].command("replSetInitiate", {"_id": self._wanted.name, "members": members})
        except OperationFailure as error:
            if error.code != _ALREADY_MADE:
                raise
        logger.info("the set %s was made", self._wanted.name)

    def complete(self, root: MongoClient[Document]) -> bool:
        """Add one member that is missing and there; return whether one was added.

        The server lets a new member vote only when it has copied the data. Members are never
        removed: what a smaller number of replicas means is for people to say.

        Args:
            root: The primary, logged in as root.

        Raises:
            PyMongoError: it does not answer, or refuses.
        """
        config: dict[str, Any] = root[_ADMIN].command("replSetGetConfig")["config"]
        listed = {one["host"] for one in config["members"]}
        for host in self._wanted.hosts:
            if host in listed:
                continue
            try:
                name = self._set_of(host)
            except NotSettledError as error:
                logger.info("not added yet: %s", error)
                continue
            if name not in {None, self._wanted.name}:
                logger.warning("%s is of the set %s and is not added", host, name)
                continue
            number = max(int(one["_id"]) for one in config["members"]) + 1
            changed = {
                **config,
                "version": config["version"] + 1,
                "members": [*config["members"], {"_id": number, "host": host}],
            }
            root[_ADMIN].command("replSetReconfig", changed)
            logger.info("%s was added to the set", host)
            return True
        return False

    def _set_of(self, host: str) -> str | None:
        """Return the set that another member belongs to; None for none.

        Raises:
            NotSettledError: it does not answer.
        """
        found = self._hello_of(host).get("setName")
        return None if found is None else str(found)

    def _listed_by(self, host: str) -> set[str]:
        """Return the members of another one's set; none where it stands alone.

        Raises:
            NotSettledError: it does not answer.
        """
        found = self._hello_of(host)
        return {*found.get("hosts", []), *found.get("passives", [])}

    def _hello_of(self, host: str) -> dict[str, Any]:
        try:
            with self._client(host) as client:
                return dict(client[_ADMIN].command("hello"))
        except PyMongoError as error:
            raise NotSettledError(f"{host} does not answer: {str(error)[:200]}") from error
