"""The registry's tool: moves aliases safely beside others, removes only what nobody needs."""

import io
import json
import tarfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fixtures_mongod import Mongod, running_mongod
from fixtures_predictor import small_artifact
from pymongo.database import Database
from typer.testing import CliRunner

from taxi_domain.models import MODEL_NAME, Alias, ModelState
from taxi_store import collection
from taxi_store.collection import Keep, collect
from taxi_store.connection import Document, connect
from taxi_store.entries import StateConflictError
from taxi_store.registry import Registry
from taxi_train.models_tool import EXIT_CONFLICT, app

pytestmark = pytest.mark.component
NOW = datetime.now(UTC).replace(microsecond=0)
OLD = NOW - timedelta(days=30)


@pytest.fixture(scope="module")
def server() -> Iterator[Mongod]:
    with running_mongod() as one:
        yield one


@pytest.fixture
def database(server: Mongod, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database[Document]]:
    monkeypatch.setenv("TAXI_MONGODB_URI", server.uri)
    with connect(server.uri, app_name="test") as client:
        client.drop_database("taxi")
        yield client["taxi"]


def tool(*words: str, code: int = 0) -> str:
    done = CliRunner().invoke(app, list(words))
    assert done.exit_code == code, done.output
    return done.output


def add(database: Database[Document], number: int, state: ModelState = ModelState.ACCEPTED) -> str:
    """Add a version, older ones with smaller numbers, and age its archive."""
    made = OLD + timedelta(hours=number)
    version = Registry(database).add(
        small_artifact(number), model=MODEL_NAME, state=state, now=made
    )
    database["artifacts.files"].update_many({}, {"$set": {"uploadDate": made}})
    return version


def champion(database: Database[Document]) -> str:
    entry = Registry(database).alias(MODEL_NAME, Alias.CHAMPION)
    assert entry is not None
    return entry.version


def test_promote_and_roll_back(database: Database[Document]) -> None:
    first, second = add(database, 1), add(database, 2)
    tool("promote", first)

    assert second in tool("promote", second, "--expect", first)
    assert champion(database) == second
    listed: list[dict[str, Any]] = json.loads(tool("list", "--output", "json"))
    assert [(one["version"], one["aliases"]) for one in listed] == [
        (second, "champion"),
        (first, ""),
    ]
    assert "kubectl patch" in tool("rollback")
    assert champion(database) == first
    assert first in tool("list")
    assert json.loads(tool("show", first, "-o", "json"))["card"]["kind"] == "small"


def test_who_comes_second_is_told(database: Database[Document]) -> None:
    first, second, third = add(database, 1), add(database, 2), add(database, 3)
    tool("promote", first)
    tool("promote", second, "--expect", first)

    assert second in tool("promote", third, "--expect", first, code=EXIT_CONFLICT)
    assert champion(database) == second


def test_refused_versions_need_force(database: Database[Document]) -> None:
    version = add(database, 1, ModelState.REJECTED)

    assert "--force" in tool("promote", version, code=1)
    tool("promote", version, "--force")

    assert Registry(database).get(version).state is ModelState.ACCEPTED


def test_exported_version_comes_back(database: Database[Document], tmp_path: Path) -> None:
    version, file = add(database, 1), tmp_path / "model.tar"
    tool("export", version, str(file))
    database["models"].delete_many({})

    assert f"{version}: is Candidate" in tool("import", str(file))
    assert "is whole" in tool("verify", version)
    assert f"{version}: is Candidate" in tool("import", str(file)), "unchanged"


@pytest.mark.parametrize("name", ["../model.onnx", "/model.onnx", "strange.txt"])
def test_archive_with_strange_names_is_refused(
    database: Database[Document], tmp_path: Path, name: str
) -> None:
    file = tmp_path / "model.tar"
    with tarfile.open(file, "w") as archive:
        archive.addfile(tarfile.TarInfo(name), io.BytesIO())

    tool("import", str(file), code=1)

    assert list(database["models"].find()) == []
    assert sorted(tmp_path.iterdir()) == [file]


def test_damaged_version_is_not_promoted(database: Database[Document], tmp_path: Path) -> None:
    version = add(database, 1)
    database["artifacts.chunks"].update_one({}, {"$set": {"data": b"damaged"}})

    tool("verify", version, code=1)
    tool("promote", version, code=1)

    assert Registry(database).alias(MODEL_NAME, Alias.CHAMPION) is None
    (tmp_path / "model.tar").write_bytes(b"no archive")
    tool("import", str(tmp_path / "model.tar"), code=1)


def test_collection_keeps_what_is_needed(database: Database[Document]) -> None:
    versions = [add(database, number) for number in range(1, 9)]
    for one in versions[:2]:
        tool("promote", one)  # champion and the one before
    words = ("gc", "--keep", "2", "--protect", versions[2])

    assert "3 versions" in tool(*words, "--dry-run")
    assert len(Registry(database).list(MODEL_NAME)) == 8
    assert "3 versions" in tool(*words)

    left = {one.version for one in Registry(database).list(MODEL_NAME)}
    assert left == {*versions[:3], *versions[-2:]}
    for one in left:
        Registry(database).load(one)
    assert database["artifacts.files"].count_documents({}) == 5


def test_young_versions_stay(database: Database[Document]) -> None:
    Registry(database).add(small_artifact(1), model=MODEL_NAME, state=ModelState.CANDIDATE, now=NOW)
    add(database, 2)
    database["models"].update_many({}, {"$set": {"created_at": NOW}})

    assert "0 versions" in tool("gc", "--keep", "1")


@pytest.mark.parametrize("moment", ["before the mark", "after the mark"])
def test_version_that_is_promoted_meanwhile_survives(
    database: Database[Document], monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    old, new = add(database, 1), add(database, 2)
    registry = Registry(database)
    registry.move_alias(
        MODEL_NAME, Alias.CHAMPION, to=new, expected=None, by="test", now=NOW
    )  # fmt: skip
    set_state, refused = Registry.set_state, []

    def promote() -> None:
        try:
            registry.move_alias(
                MODEL_NAME, Alias.CHAMPION, to=old, expected=new, by="test", now=NOW
            )
        except StateConflictError as error:
            refused.append(error)

    def racing(self: Registry, version: str, state: ModelState, *, reason: str = "") -> None:
        if moment == "before the mark":
            promote()
        set_state(self, version, state, reason=reason)
        if moment == "after the mark":
            promote()

    monkeypatch.setattr(collection.Registry, "set_state", racing)
    removed = collect(database, MODEL_NAME, Keep(1, (), NOW))
    monkeypatch.undo()

    if moment == "before the mark":
        assert (removed, refused) == ([], [])
        assert champion(database) == old
        assert registry.get(old).state is ModelState.ACCEPTED
    else:
        assert removed == [old]
        assert len(refused) == 1
        assert champion(database) == new
    registry.load(champion(database))


def test_missing_settings_end_with_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TAXI_MONGODB_URI", raising=False)

    assert "TAXI_MONGODB_URI" in tool("list", code=2)
