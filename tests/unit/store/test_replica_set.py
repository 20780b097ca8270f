"""When a set is made, and by whom: with servers that only say what they are."""

from contextlib import nullcontext
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from pymongo.errors import ConnectionFailure, OperationFailure

from taxi_domain.errors import FieldError
from taxi_store.admin.bootstrap_users import Readiness, keep
from taxi_store.admin.replica_set import (
    Membership,
    NewMemberError,
    NotSettledError,
    ReplicaSet,
    Role,
)

HOSTS = ("a:1", "b:1", "c:1")
NONE: dict[str, Any] = {"isreplicaset": True}
PRIMARY = {"setName": "rs0", "isWritablePrimary": True}


class Server:
    """Answers `hello`, and remembers what else it was told."""

    def __init__(self, hello: dict[str, Any] | None, config: dict[str, Any] | None = None) -> None:
        self.hello = hello
        self.config = config
        self.told: list[tuple[str, Any]] = []

    def __getitem__(self, _: str) -> "Server":
        return self

    def command(self, name: str, value: Any = None) -> dict[str, Any]:
        if self.hello is None:
            raise ConnectionFailure("refused")
        if name == "hello":
            return self.hello
        if name == "replSetGetConfig":
            return {"config": self.config}
        self.told.append((name, value))
        return {}


def seen_by(own: str, others: dict[str, Server]) -> ReplicaSet:
    def client(host: str) -> Any:
        return nullcontext(others[host])

    return ReplicaSet(Membership("rs0", HOSTS, own), client)


def all_new() -> dict[str, Server]:
    return {host: Server(NONE) for host in HOSTS}


def test_the_first_member_makes_the_set_with_itself_alone() -> None:
    servers = all_new()

    seen_by("a:1", servers).make(servers["a:1"])  # type: ignore[arg-type]

    members = {"_id": "rs0", "members": [{"_id": 0, "host": "a:1"}]}
    assert servers["a:1"].told == [("replSetInitiate", members)]


@pytest.mark.parametrize("own", HOSTS[1:])
def test_no_other_member_makes_it(own: str) -> None:
    servers = all_new()

    with pytest.raises(NewMemberError, match="waits for a:1"):
        seen_by(own, servers).make(servers[own])  # type: ignore[arg-type]
    assert servers[own].told == []


@pytest.mark.parametrize(
    ("first", "new"),
    [({}, True), (PRIMARY | {"hosts": ["a:1", "b:1"]}, True),
     (PRIMARY | {"hosts": ["a:1", "c:1"]}, False), (PRIMARY | {"passives": ["c:1"]}, False),
     (None, False)],
)  # fmt: skip
def test_one_that_lost_its_disk_is_not_new(first: dict[str, Any] | None, new: bool) -> None:
    with pytest.raises(NotSettledError) as refusal:
        seen_by("c:1", {"a:1": Server(first)}).make(Server(NONE))  # type: ignore[arg-type]
    assert isinstance(refusal.value, NewMemberError) is new


def test_a_new_member_is_ready_until_it_copies_and_when_it_has_its_copy(tmp_path: Path) -> None:
    file, stop, seen = tmp_path / "ready", Event(), list[bool]()
    told: list[Exception | None] = [
        NotSettledError("away"), NewMemberError("new"), NotSettledError("copies"), None,
        NewMemberError("its set is gone"), NotSettledError("recovers"), None,
    ]  # fmt: skip

    def apply() -> bool:
        seen.append(file.exists())
        answer = told.pop(0)
        if not told:
            stop.set()
        if answer is not None:
            raise answer
        return False

    assert keep(apply, stop, Readiness(file), pause_seconds=0.001, patience_seconds=60)
    assert seen == [False, False, True, False, True, True, True]


def test_what_was_lent_is_taken_back_by_another_process(tmp_path: Path) -> None:
    file = tmp_path / "ready"
    Readiness(file).lend()
    assert file.exists()

    Readiness(file).take_back()
    assert not file.exists()

    Readiness(file).give()
    Readiness(file).lend()
    Readiness(file).take_back()
    assert file.exists()


@pytest.mark.parametrize(
    ("hello", "message"),
    [(None, "c:1 does not answer"), (PRIMARY, "of the set rs0 already"),
     ({"setName": "other"}, "of the set other already")],
)  # fmt: skip
def test_it_is_not_made_beside_one_that_is_or_may_be_there(
    hello: dict[str, Any] | None, message: str
) -> None:
    servers = {**all_new(), "c:1": Server(hello)}

    with pytest.raises(NotSettledError, match=message):
        seen_by("a:1", servers).make(servers["a:1"])  # type: ignore[arg-type]
    assert servers["a:1"].told == []


def test_one_that_another_process_just_made_is_no_error() -> None:
    class Made(Server):
        def command(self, name: str, value: Any = None) -> dict[str, Any]:
            if name == "replSetInitiate":
                raise OperationFailure("already initialized", 23)
            return super().command(name, value)

    own = Made(NONE)
    seen_by("a:1", {**all_new(), "a:1": own}).make(own)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("hello", "role"),
    [(NONE, None), (PRIMARY, Role.PRIMARY),
     ({"setName": "rs0", "secondary": True}, Role.SECONDARY)],
)  # fmt: skip
def test_a_member_knows_what_it_is(hello: dict[str, Any], role: Role | None) -> None:
    assert seen_by("b:1", {}).role(Server(hello)) is role  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("hello", "message"),
    [({"setName": "rs0"}, "serves nobody yet"), ({"setName": "x"}, "replicaSet.name")],
)
def test_one_that_does_not_serve_says_why(hello: dict[str, Any], message: str) -> None:
    with pytest.raises(NotSettledError, match=message):
        seen_by("b:1", {}).role(Server(hello))  # type: ignore[arg-type]


def config(*hosts: str) -> dict[str, Any]:
    members = [{"_id": number, "host": host} for number, host in enumerate(hosts)]
    return {"_id": "rs0", "version": 4, "members": members, "settings": {"kept": 1}}


def test_members_are_added_one_at_a_time_and_nothing_else_changes() -> None:
    primary = Server(PRIMARY, config("a:1"))

    assert seen_by("a:1", all_new()).complete(primary)  # type: ignore[arg-type]

    ((name, changed),) = primary.told
    assert name == "replSetReconfig"
    assert changed == {**config("a:1", "b:1"), "version": 5}


def test_one_that_is_away_or_of_another_set_is_passed_over() -> None:
    primary = Server(PRIMARY, config("a:1"))
    others = {"b:1": Server(None), "c:1": Server({"setName": "other"})}

    assert not seen_by("a:1", others).complete(primary)  # type: ignore[arg-type]
    assert primary.told == []


def test_a_complete_set_and_members_of_ones_own_are_left_alone() -> None:
    primary = Server(PRIMARY, config(*HOSTS, "d:1"))

    assert not seen_by("a:1", all_new()).complete(primary)  # type: ignore[arg-type]
    assert primary.told == []


@pytest.mark.parametrize("hosts", [("b:1",), ("a:1", "a:1"), tuple(f"{n}:1" for n in "abcdefgh")])
def test_what_is_no_set_is_refused(hosts: tuple[str, ...]) -> None:
    with pytest.raises(FieldError):
        Membership("rs0", hosts, "a:1")
