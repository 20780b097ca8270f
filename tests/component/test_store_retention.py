"""How long rides and labels stay, changed on a running MongoDB."""

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.database import Database
from pymongo.errors import OperationFailure
from support.waiting import wait_for

from taxi_domain.models import MODEL_NAME
from taxi_domain.mongodb import LABELS, PREDICTIONS
from taxi_domain.records import Label, PredictionRecord
from taxi_local.mongod import Mongod, running_mongod
from taxi_store.admin.bootstrap_indexes import main
from taxi_store.admin.indexes import ensure_indexes
from taxi_store.admin.retention import Retention, ensure_retention, read_retention
from taxi_store.admin.users import Credential, Users
from taxi_store.connection import Document, StoreUnavailableError, connect
from taxi_store.log import prediction_log as log
from taxi_store.log.malformed import Unreadable

pytestmark = pytest.mark.component

DAY = 86_400
FOR_EVER = 2**31 - 1
NEVER = Retention(0, 0)
QUARTER = Retention(90, 90)
NAMES = ("root", "predictor", "monitor", "train", "operator", "report")
USERS = {name: Credential(name, f"secret of {name}") for name in NAMES}


@pytest.fixture(scope="module")
def server() -> Iterator[Mongod]:
    """Run a mongod that asks for passwords and looks for what has expired every second."""
    with running_mongod("--auth", "--setParameter", "ttlMonitorSleepSecs=1") as one:
        Users(f"127.0.0.1:{one.port}").apply(USERS)
        yield one


def uri_of(server: Mongod, name: str) -> str:
    source = "admin" if name == "root" else "taxi"
    password = USERS[name].password.replace(" ", "%20")
    return f"mongodb://{name}:{password}@127.0.0.1:{server.port}/taxi?authSource={source}"


@pytest.fixture
def database(server: Mongod) -> Iterator[Database[Document]]:
    """Return a database of its own, as root sees it."""
    with connect(uri_of(server, "root"), app_name="test") as client:
        yield client[f"taxi-{uuid.uuid4().hex[:8]}"]


def expiry(database: Database[Document], collection: str = PREDICTIONS) -> int | None:
    """Return the seconds after which documents expire, None when they do not."""
    found: Any = database[collection].index_information()["stored_at_1"]
    seconds: int | None = found.get("expireAfterSeconds")
    return seconds


def an_old_row(row_id: str) -> PredictionRecord:
    asked = datetime(2021, 1, 1, tzinfo=UTC)
    return PredictionRecord(row_id, asked, None, MODEL_NAME, "v", "champion", {"a": 1}, 10.0)


def test_what_was_stored_too_long_ago_goes_and_old_rows_stay(database: Database[Document]) -> None:
    now = datetime.now(UTC)
    for row_id, age in (("old", 91), ("new", 89)):
        stored = now - timedelta(days=age)
        log.insert_records(database, [an_old_row(row_id).to_document()], stored)
        log.insert_labels(database, [Label(row_id, 10.0, stored)], stored, Unreadable())

    ensure_indexes(database, retention=QUARTER)

    for name in (PREDICTIONS, LABELS):
        wait_for(
            f"the expiry of {name}", lambda name=name: database[name].distinct("_id") == ["new"], 60
        )


@pytest.mark.parametrize(
    ("steps", "seconds"),
    [
        ([NEVER], None),
        ([QUARTER], 90 * DAY),
        ([QUARTER, QUARTER], 90 * DAY),
        ([NEVER, QUARTER], 90 * DAY),
        ([QUARTER, Retention(30, 90)], 30 * DAY),
        ([QUARTER, NEVER], FOR_EVER),
        ([QUARTER, NEVER, NEVER], FOR_EVER),
        ([QUARTER, NEVER, Retention(30, 30)], 30 * DAY),
    ],
)
def test_a_change_reaches_a_server_with_data(
    database: Database[Document], steps: list[Retention], seconds: int | None
) -> None:
    log.insert_records(database, [an_old_row("r").to_document()], datetime.now(UTC))

    for one in steps:
        ensure_retention(database, one)

    assert expiry(database) == seconds


def test_rides_and_labels_have_their_own(database: Database[Document]) -> None:
    ensure_retention(database, Retention(30, 0))

    assert (expiry(database), expiry(database, LABELS)) == (30 * DAY, None)


def test_who_does_not_know_the_retention_leaves_it(database: Database[Document]) -> None:
    # The Job of the first model makes indexes too.
    ensure_indexes(database, retention=QUARTER)
    ensure_indexes(database)

    assert expiry(database) == 90 * DAY


def test_doing_it_again_asks_for_no_change(database: Database[Document]) -> None:
    ensure_retention(database, QUARTER)
    database.command("profile", 2)
    ensure_retention(database, QUARTER)
    database.command("profile", 0)

    asked = {key for one in database["system.profile"].find() for key in one.get("command", {})}
    assert "listIndexes" in asked
    assert not {"collMod", "createIndexes", "dropIndexes"} & asked


def test_train_may_change_it_and_nobody_else(server: Mongod, tmp_path: Path) -> None:
    address = tmp_path / "uri"
    address.write_text(f"{uri_of(server, 'train')}\n")
    for predictions, labels in ((90, 30), (90, 30), (30, 0)):
        days = [f"--predictions-days={predictions}", f"--labels-days={labels}"]
        assert main([f"--uri-file={address}", *days]) == 0

    with connect(uri_of(server, "root"), app_name="test") as client:
        found = client["taxi"]
        assert (expiry(found), expiry(found, LABELS)) == (30 * DAY, FOR_EVER)
    refused = [*((name, PREDICTIONS) for name in ("predictor", "monitor", "operator", "report")),
               ("train", "models")]  # fmt: skip
    change = {"keyPattern": {"stored_at": 1}, "expireAfterSeconds": 1}
    for name, collection in refused:
        with (
            connect(uri_of(server, name), app_name="test") as client,
            pytest.raises(OperationFailure, match="not authorized"),
        ):
            client["taxi"].command("collMod", collection, index=change)


def test_the_container_beside_mongod_follows_its_file(server: Mongod, tmp_path: Path) -> None:
    users = Users(f"127.0.0.1:{server.port}")

    def write(predictions: str, labels: str) -> Retention:
        (tmp_path / "predictions-days").write_text(predictions)
        (tmp_path / "labels-days").write_text(f"{labels}\n")
        return read_retention(tmp_path)

    assert users.apply(USERS, write("90", "90"))
    assert not users.apply(USERS, write("90", "90"))
    assert users.apply(USERS, write("7", "0"))
    client: MongoClient[Document]
    with MongoClient(uri_of(server, "root")) as client:
        assert expiry(client["taxi"]) == 7 * DAY
        assert expiry(client["taxi"], LABELS) == FOR_EVER


def test_a_server_that_is_away_is_told() -> None:
    uri = "mongodb://127.0.0.1:1/taxi"
    with (
        connect(uri, app_name="test", timeout_seconds=0.2) as client,
        pytest.raises(StoreUnavailableError, match="does not answer"),
    ):
        ensure_retention(client["taxi"], QUARTER)
