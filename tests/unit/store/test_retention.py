"""Days that rides and labels stay: what is refused, and what old servers need."""

from pathlib import Path
from typing import Any

import pytest
from pymongo.errors import OperationFailure

from taxi_domain.errors import FieldError
from taxi_store.admin.bootstrap_users import main
from taxi_store.admin.retention import Retention, ensure_retention, read_retention
from taxi_store.admin.roles import ROLES
from taxi_store.connection import StoreUnavailableError


@pytest.mark.parametrize("text", ["", "many", "-1", "1.5", "24856", "1e9"])
def test_an_unusable_number_of_days_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "predictions-days").write_text(text)
    (tmp_path / "labels-days").write_text("90")

    with pytest.raises(FieldError, match=r"predictions.*days"):
        read_retention(tmp_path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FieldError, match="predictions-days: has no number of days"):
        read_retention(tmp_path)


class OldServer:
    """A collection of a MongoDB that refuses to change an index."""

    name = "predictions"

    def __init__(self, code: int) -> None:
        self.code = code
        self.expiry: dict[str, Any] = {}
        self.database = self

    def __getitem__(self, _: str) -> "OldServer":
        return self

    def command(self, *_: object, **__: object) -> None:
        raise OperationFailure("no expireAfterSeconds field to update", self.code)

    def list_indexes(self) -> list[dict[str, Any]]:
        return [{"key": {"stored_at": 1}, "name": "stored_at_1", **self.expiry}]

    def drop_index(self, name: str) -> None:
        assert name == "stored_at_1"

    def create_index(self, keys: list[tuple[str, int]], **expiry: int) -> None:
        assert keys == [("stored_at", 1)]
        self.expiry = expiry


def test_an_old_server_gets_its_index_anew() -> None:
    server = OldServer(72)

    ensure_retention(server, Retention(90, 90))  # type: ignore[arg-type]

    assert server.expiry == {"expireAfterSeconds": 90 * 86_400}


def test_an_index_stays_when_its_change_is_refused_for_another_reason() -> None:
    server = OldServer(13)

    with pytest.raises(StoreUnavailableError, match="refuses"):
        ensure_retention(server, Retention(90, 90))  # type: ignore[arg-type]

    assert server.expiry == {}


def test_only_who_makes_the_indexes_may_change_them() -> None:
    changing = {
        (component, collection)
        for component, rights in ROLES.items()
        for collection, actions in rights.items()
        if "collMod" in actions
    }

    assert changing == {("train", "predictions"), ("train", "rows"), ("train", "labels")}


@pytest.mark.parametrize("option", ["--pause-seconds", "--patience-seconds"])
@pytest.mark.parametrize("text", ["nan", "inf", "-1", "0", "1e9", "soon"])
def test_senseless_seconds_are_refused_by_name(
    option: str, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--credentials=.", "--retention=.", "--ready-file=x", f"{option}={text}"])

    assert ended.value.code == 2
    assert option in capsys.readouterr().err
