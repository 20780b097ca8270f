"""A login that is changed while it is used; each address names a database of its own."""

import logging
import os
import threading
from collections.abc import Callable, Iterator

import pytest
from pymongo.database import Database

from taxi_domain.errors import FieldError
from taxi_store.connection import Document, LoginRefusedError, StoreUnavailableError
from taxi_store.rotated_database import RotatedDatabase

REFUSED, TAKEN = "MongoDB refuses the login, which is read again", "MongoDB takes the new login"
Step = Callable[[Database[Document]], str]


class Secret:
    """An address that is changed, and how often it was asked for."""

    def __init__(self) -> None:
        self.uri = "mongodb://user:old@nowhere/old"
        self.reads = 0

    def read(self) -> str:
        self.reads += 1
        if not self.uri:
            raise FieldError("uri", "is empty", "mend the Secret")
        return self.uri

    def change(self, name: str) -> None:
        self.uri = f"mongodb://user:{name}@nowhere/{name}"


@pytest.fixture
def secret() -> Secret:
    return Secret()


@pytest.fixture
def store(secret: Secret, caplog: pytest.LogCaptureFixture) -> Iterator[RotatedDatabase]:
    caplog.set_level(logging.INFO)
    one = RotatedDatabase(secret.read, app_name="test")
    yield one
    one.use(lambda database: database.client.close())


def refusing(*names: str) -> Step:
    """Return a step that is refused by these logins."""

    def step(database: Database[Document]) -> str:
        if database.name in names:
            raise LoginRefusedError("refused")
        return database.name

    return step


def test_a_refused_login_is_followed_by_the_changed_one_at_once(
    store: RotatedDatabase, secret: Secret, caplog: pytest.LogCaptureFixture
) -> None:
    assert store.use(refusing()) == "old"
    secret.change("new")
    assert store.use(refusing()) == "old"  # connections that are there stay
    assert secret.reads == 1

    assert [store.use(refusing("old")) for _ in range(3)] == ["new"] * 3
    assert caplog.messages == [REFUSED, TAKEN]
    assert "mongodb://" not in caplog.text


def test_without_a_change_it_is_the_callers_to_try_again(
    store: RotatedDatabase, secret: Secret, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(3):
        with pytest.raises(LoginRefusedError):
            store.use(refusing("old"))
    assert caplog.messages == [REFUSED]

    secret.change("early")  # the server does not have it yet
    with pytest.raises(LoginRefusedError):
        store.use(refusing("old", "early"))
    assert store.use(refusing("old")) == "early"
    secret.change("new")
    assert store.use(refusing("old", "early")) == "new"


def away(*names: str) -> Step:
    """Return a step to which the servers of these addresses say nothing."""

    def step(database: Database[Document]) -> str:
        if database.name in names:
            raise StoreUnavailableError("away")
        return database.name

    return step


def test_a_server_that_is_away_says_nothing_of_the_login(
    store: RotatedDatabase, secret: Secret
) -> None:
    assert store.use(refusing()) == "old"
    secret.change("new")

    with pytest.raises(StoreUnavailableError, match="away"):
        store.use(away("old"))
    assert store.use(refusing()) == "old"
    assert secret.reads == 1


def test_an_address_that_never_worked_is_read_again_whatever_is_wrong(
    store: RotatedDatabase, secret: Secret, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(StoreUnavailableError, match="away"):
        store.use(away("old"))
    secret.change("mended")
    assert store.use(away("old")) == "mended"

    secret.change("nowhere")
    with pytest.raises(StoreUnavailableError, match="away"):
        store.use(lambda one: refusing("mended")(one) and away("nowhere")(one))
    secret.change("new")
    assert store.use(away("nowhere")) == "new"
    assert caplog.messages == [TAKEN, REFUSED, TAKEN]


@pytest.mark.parametrize("unusable", ["", "mongodb://user:a/new@nowhere/new"])
def test_what_cannot_be_used_is_told_once_and_waited_for(
    store: RotatedDatabase, secret: Secret, unusable: str, caplog: pytest.LogCaptureFixture
) -> None:
    secret.uri = unusable
    for _ in range(3):
        with pytest.raises(LoginRefusedError):
            store.use(refusing("old"))
    assert caplog.messages == [REFUSED, "the new login cannot be used"]
    assert store.use(refusing()) == "old"

    secret.change("new")
    assert store.use(refusing("old")) == "new"


def test_a_step_beside_a_change_is_done_again(store: RotatedDatabase, secret: Secret) -> None:
    """Another thread's change closes the client that a step is at."""
    secret.change("new")

    def cut_off(database: Database[Document]) -> str:
        if database.name == "old":
            assert store.use(refusing("old")) == "new"
            raise StoreUnavailableError("closed")
        return database.name

    assert store.use(cut_off) == "new"


def test_a_new_client_has_threads_of_the_class_that_the_first_one_has(
    store: RotatedDatabase, secret: Secret
) -> None:
    """One that was made by a thread of the idle class would starve where others are busy."""
    secret.change("new")
    before = set(threading.enumerate())

    def idle() -> None:
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
        store.use(refusing("old"))

    thread = threading.Thread(target=idle)
    thread.start()
    thread.join()
    made = [one for one in set(threading.enumerate()) - before if "pymongo" in one.name]

    assert made
    assert {os.sched_getscheduler(one.native_id or 0) for one in made} == {os.sched_getscheduler(0)}


def test_one_that_cannot_be_used_from_the_start_is_refused(secret: Secret) -> None:
    secret.uri = ""

    with pytest.raises(FieldError, match="uri: is empty"):
        RotatedDatabase(secret.read, app_name="test")
