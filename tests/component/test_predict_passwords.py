"""A password that is changed while rows are answered: no pod ends, and no row is lost."""

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote_plus

import httpx
import pytest
from support.predictor import PLAIN, Predictor, logged, register, small_artifact
from support.waiting import wait_for

from taxi_domain.models import Alias
from taxi_local.mongod import Mongod, running_mongod
from taxi_store.admin.roles import role_of
from taxi_store.admin.users import Credential, Users
from taxi_store.connection import connect

pytestmark = pytest.mark.component

ROWS = 20
KEY = "uri"
REFUSED, TAKEN = "MongoDB refuses the login, which is read again", "MongoDB takes the new login"


def credentials(password: str) -> dict[str, Credential]:
    """Return those of all users; the predictor's has a password with what URIs have to quote."""
    names = ("root", "train")
    known = {name: Credential(name, f"secret of {name}") for name in names}
    return known | {"predictor": Credential("predictor", f"{password}: /?@")}


class Guarded:
    """A mongod that asks for passwords."""

    def __init__(self, mongod: Mongod) -> None:
        self.mongod = mongod
        self._users = Users(f"127.0.0.1:{mongod.port}")

    def set_password(self, password: str) -> None:
        self._users.apply(credentials(password))

    def uri(self, name: str, password: str = "") -> str:
        login = credentials(password)[name]
        host = self.mongod.uri.replace("://", f"://{name}:{quote_plus(login.password)}@")
        return f"{host}?authSource={'admin' if name == 'root' else 'taxi'}"

    def second_user(self) -> str:
        """Put another user into the place of the predictor's; return the URI."""
        with connect(self.uri("root"), app_name="test") as client:
            users = client["taxi"]
            users.command("createUser", "second", pwd="another", roles=[role_of("predictor")])
            users.command("dropUser", "predictor")
        return self.mongod.uri.replace("://", "://second:another@")

    def restart(self) -> None:
        """End all connections: those that are there outlive a change of the password."""
        with connect(self.uri("root"), app_name="test") as client:
            client.admin.command("fsync")
        self.mongod.kill()
        self.mongod.start()


@pytest.fixture
def guarded() -> Iterator[Guarded]:
    with running_mongod("--auth") as mongod:
        one = Guarded(mongod)
        one.set_password("old")
        register(one.uri("train"), Alias.CHAMPION, small_artifact())
        yield one


def mount(folder: Path, uri: str) -> None:
    """Bring a Secret's content as a kubelet does: by a link that is swapped."""
    data = folder / f"..{len(list(folder.iterdir()))}"
    data.mkdir()
    (data / KEY).write_text(uri)
    link = folder / "..data_tmp"
    link.symlink_to(data.name)
    link.rename(folder / "..data")
    if not (folder / KEY).is_symlink():
        (folder / KEY).symlink_to(f"..data/{KEY}")


def answered(predictor: Predictor) -> set[str]:
    """Send a batch, which is answered whatever becomes of MongoDB; return its rows' ids."""
    answer = httpx.post(f"{predictor.url}/predict/batch", json=[PLAIN] * ROWS, timeout=30)
    assert answer.status_code == 200, answer.text
    return {one["ride_id"] for one in answer.json()}


def messages(predictor: Predictor) -> list[str]:
    lines = (predictor.folder / "log.txt").read_text().splitlines()
    return [json.loads(one).get("message", "") for one in lines if one.startswith("{")]


def test_a_changed_password_or_user_needs_no_restart_and_costs_no_row(
    guarded: Guarded, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.mkdir()
    mount(secret, guarded.uri("predictor", "old"))
    predictor = Predictor(
        tmp_path, "", TAXI_MONGODB_URI_FILE=str(secret / KEY), TAXI_PREDICT_WORKERS="2"
    ).start()
    try:
        rows = answered(predictor)
        wait_for("the first rows", lambda: rows <= set(logged(guarded.uri("root"))))
        processes = sorted(predictor.pids())

        guarded.set_password("new")
        guarded.restart()
        rows |= answered(predictor)
        wait_for(
            "a login that is refused",
            lambda: REFUSED in messages(predictor),
        )
        rows |= answered(predictor)
        mount(secret, guarded.uri("predictor", "new"))
        rows |= answered(predictor)

        wait_for("all rows", lambda: rows <= set(logged(guarded.uri("root"))))
        wait_for("its line", lambda: messages(predictor).count(TAKEN) == 1)
        assert messages(predictor).count(REFUSED) == 1

        # Connections do not outlive their user.
        mount(secret, guarded.second_user())
        rows |= answered(predictor)
        wait_for("rows by another user", lambda: rows <= set(logged(guarded.uri("root"))))
        wait_for("its line", lambda: messages(predictor).count(TAKEN) == 2)
        assert sorted(predictor.pids()) == processes
    finally:
        predictor.stop()
