"""`taxi-data backup` and `restore` with a real mongod that asks for passwords, and an S3 server."""

import hashlib
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import httpx
import pytest
from moto.server import ThreadedMotoServer
from pymongo import MongoClient
from pymongo.database import Database
from support.predictor import PLAIN, Predictor
from support.report_log import register, write_rides
from support.taxi_artifacts import taxi_artifact
from support.taxi_columns import SCHEMA, taxi_rides, usual
from support.waiting import wait_for
from typer.testing import CliRunner

from taxi_domain.models import MODEL_NAME, Alias, ModelState
from taxi_domain.mongodb import ALIASES, AUDIT, LABELS, PREDICTIONS
from taxi_domain.records import Label
from taxi_local.mongod import Mongod, running_mongod
from taxi_report.backup.manifest import MANIFEST
from taxi_report.backup.parts import BackupError
from taxi_report.backup.shelf import load
from taxi_report.backup.writing import CHUNKS, Backup
from taxi_report.data.main import app
from taxi_report.destination import Destination, DestinationError
from taxi_store.admin.indexes import ensure_indexes, ensure_report_index
from taxi_store.admin.retention import Retention, ensure_retention
from taxi_store.admin.roles import privileges_of, role_of
from taxi_store.connection import Document, connect
from taxi_store.log.corrections import correct_labels
from taxi_store.registry.artifacts import Artifact
from taxi_store.registry.registry import Registry
from taxi_train.runs.run import Run
from taxi_train.runs.unseen import unseen_rows

pytestmark = pytest.mark.component

NOW = datetime.now(UTC).replace(microsecond=0)
PASSWORD = "of: /?@"
ROWS, LABELLED = 900, 630
WHY = ("--by", "Ann", "--reason", "a disk was lost")

#: Runs the tool and is killed when it opens the so-many-th part.
KILLED = """
import os, signal, sys
import pyarrow
from taxi_report.data.main import app

left = int(sys.argv[1])
def hook(event, arguments):
    global left
    if event == "open" and str(arguments[0]).endswith(".zst" + sys.argv[2]):
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(hook)
app(sys.argv[3:])
"""


@dataclass(frozen=True, slots=True)
class Server:
    """A mongod with a user for each purpose in each database."""

    mongod: Mongod
    root: MongoClient[Document]

    def database(self, name: str = "") -> Database[Document]:
        """Make a database with its users; return it as root sees it."""
        one = self.root[name or f"fresh-{uuid.uuid4().hex[:8]}"]
        for component in ("backup", "data", "predictor"):
            rights = privileges_of(component, one.name)
            one.command("createRole", role_of(component), privileges=rights, roles=[])
            one.command("createUser", component, pwd=PASSWORD, roles=[role_of(component)])
        return one

    def uri(self, database: Database[Document], user: str) -> str:
        return f"mongodb://{user}:of%3A%20%2F%3F%40@127.0.0.1:{self.mongod.port}/{database.name}"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running_mongod(
        "--auth",
        "--setParameter",
        "ttlMonitorEnabled=false",
        "--setParameter",
        "ttlMonitorSleepSecs=1",
    ) as one:
        client: MongoClient[Document]
        with MongoClient("127.0.0.1", one.port) as client:
            client["admin"].command("createUser", "root", pwd=PASSWORD, roles=["root"])
        address = f"mongodb://root:of%3A%20%2F%3F%40@127.0.0.1:{one.port}/?authSource=admin"
        with connect(address, app_name="test") as client:
            yield Server(one, client)


@pytest.fixture(scope="module")
def artifacts() -> list[Artifact]:
    rides = usual(taxi_rides("green-2020-03-before.parquet"))
    return [taxi_artifact(rides[:rows]) for rows in (3000, 4000)]


@pytest.fixture(scope="module")
def source(server: Server, artifacts: list[Artifact]) -> Database[Document]:
    """Return a release's database, which tests only read."""
    rides = usual(taxi_rides("green-2020-03-before.parquet"))
    database = server.database("taxi")
    ensure_indexes(database, retention=Retention(90, 0))
    ensure_report_index(database)
    register(database, artifacts[0], NOW)
    registry = Registry(database)
    other = registry.add(artifacts[1], model=MODEL_NAME, state=ModelState.ACCEPTED, now=NOW)
    registry.move_alias(MODEL_NAME, Alias.FALLBACK, to=other, expected=None, by="test", now=NOW)
    shift = NOW - datetime(2020, 3, 5, tzinfo=UTC)
    write_rides(database, rides[5000 : 5000 + ROWS], artifacts[0], labelled=0.7, shift=shift)
    correct_labels(database, [Label("ride-00000000", 7.5, NOW)], NOW)
    database["reports"].insert_one({"_id": "r", "model": MODEL_NAME, "kind": "report"})
    database["runs"].insert_one({"_id": "run", "started_at": NOW})
    database["of_a_later_release"].insert_one({"_id": 1})
    return database


def run(server: Server, database: Database[Document], user: str, *arguments: object) -> list[str]:
    done = CliRunner().invoke(
        app,
        [*map(str, arguments)],
        env={"TAXI_MONGODB_URI": server.uri(database, user), "TAXI_REPORT_PATIENCE_SECONDS": "0"},
    )
    assert done.exit_code == 0, done.output
    return done.stdout.splitlines()


def fails(
    server: Server, database: Database[Document], caplog: pytest.LogCaptureFixture,
    *arguments: object, code: int = 1,
) -> str:  # fmt: skip
    caplog.clear()
    done = CliRunner().invoke(
        app, [*map(str, arguments)], env={"TAXI_MONGODB_URI": server.uri(database, "data")}
    )
    assert done.exit_code == code, done.output
    return caplog.messages[-1]


@pytest.fixture(scope="module")
def backed_up(
    server: Server, source: Database[Document], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Return a backup in small parts, which tests only read."""
    folder = tmp_path_factory.mktemp("backups")
    with connect(server.uri(source, "backup"), app_name="test") as client:
        Backup(client[source.name], Destination(str(folder)), NOW, part_bytes=16_384).make()
    return folder


def known(database: Database[Document], collection: str) -> str:
    """Return the digest of a collection's documents, byte for byte."""
    digest = hashlib.sha256()
    batches: Any = database[collection].find_raw_batches(sort=[("_id", 1)])
    for batch in batches:
        digest.update(batch)
    return digest.hexdigest()


def known_all(database: Database[Document]) -> dict[str, str]:
    names = set(database.list_collection_names()) - {AUDIT}
    return {
        one: known(database, one)
        for one in names
        if not one.startswith("system.") and database[one].find_one()
    }


def gate_rows(database: Database[Document]) -> int:
    """Return how many rows the gate compares a candidate and the champion on."""
    champion = Registry(database).alias(MODEL_NAME, Alias.CHAMPION)
    assert champion is not None
    artifact = Registry(database).load(champion.version)
    found = unseen_rows(
        Run(database, MODEL_NAME, "none", lambda: NOW), SCHEMA, [artifact], [], 100_000
    )
    return len(found.rows)


def test_a_fresh_database_serves_the_same_champion_and_the_gate_counts_the_same_rows(
    server: Server, source: Database[Document], tmp_path: Path
) -> None:
    (told,) = run(server, source, "backup", "backup", tmp_path)
    fresh = server.database()

    lines = run(server, fresh, "data", "restore", tmp_path, *WHY)

    assert f"{ROWS} predictions" in told
    assert f"{ROWS} predictions" in lines[0]
    assert lines[1:] == ["1 of_a_later_release left out: they are of another release"]
    assert known_all(fresh) == {
        name: known(source, name) for name in known_all(source) if name != "of_a_later_release"
    }
    assert gate_rows(fresh) == gate_rows(source) > 500
    for alias in (Alias.CHAMPION, Alias.FALLBACK):
        ours, theirs = (Registry(one).alias(MODEL_NAME, alias) for one in (fresh, source))
        assert ours is not None
        assert ours == theirs
        assert Registry(fresh).load(ours.version) == Registry(source).load(ours.version)


def test_predictors_that_wait_for_a_model_serve_the_champion_of_the_backup(
    server: Server, source: Database[Document], backed_up: Path, tmp_path: Path
) -> None:
    fresh = server.database()
    predictor = Predictor(tmp_path, server.uri(fresh, "predictor")).start(until="/healthz")
    try:
        assert httpx.get(f"{predictor.metrics_url}/readyz", timeout=30).status_code == 503

        run(server, fresh, "data", "restore", backed_up, *WHY)

        def answered() -> str:
            answer = httpx.post(f"{predictor.url}/predict", json=PLAIN, timeout=30)
            return str(answer.json().get("model_version", ""))

        champion = Registry(source).alias(MODEL_NAME, Alias.CHAMPION)
        assert champion is not None
        assert wait_for("an answer", answered, 60) == champion.version
    finally:
        predictor.stop()


def test_what_expired_comes_back_where_it_is_to_stay_longer(
    server: Server, backed_up: Path, tmp_path: Path
) -> None:
    own = server.database()
    ensure_indexes(own, retention=Retention(90, 90))
    run(server, own, "data", "restore", backed_up, *WHY)
    for name in (PREDICTIONS, LABELS):
        own[name].update_many({}, {"$set": {"stored_at": NOW - timedelta(days=60)}})
    before = gate_rows(own)
    run(server, own, "backup", "backup", tmp_path)
    try:
        server.root["admin"].command("setParameter", 1, ttlMonitorEnabled=True)
        ensure_retention(own, Retention(30, 30))
        for name in (PREDICTIONS, LABELS):
            wait_for(f"the expiry of {name}", lambda name=name: not own[name].find_one(), 60)
    finally:
        server.root["admin"].command("setParameter", 1, ttlMonitorEnabled=False)
    ensure_retention(own, Retention(90, 90))

    run(server, own, "data", "restore", tmp_path, "--replace", *WHY)

    assert gate_rows(own) == before > 500


def indexes(database: Database[Document], collection: str) -> dict[str, Document]:
    return {
        name: {**one, "key": list(one["key"])}
        for name, one in database[collection].index_information().items()
    }


def test_indexes_come_back_and_the_expiry_is_that_of_the_database(
    server: Server, source: Database[Document], backed_up: Path
) -> None:
    bare, own = server.database(), server.database()
    ensure_indexes(own, retention=Retention(30, 30))

    for one in (bare, own):
        run(server, one, "data", "restore", backed_up, *WHY)

    for name in (PREDICTIONS, LABELS, "models", "runs", "reports", "artifacts.files", CHUNKS):
        assert indexes(bare, name) == indexes(source, name), name
        assert set(indexes(own, name)) == set(indexes(source, name)), name
    for name in (PREDICTIONS, LABELS):
        assert indexes(own, name)["stored_at_1"]["expireAfterSeconds"] == 30 * 86_400


def test_old_rows_are_told_before_they_expire(
    server: Server, backed_up: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fresh = server.database()
    ensure_indexes(fresh, retention=Retention(0, 1))
    fresh.command(
        "collMod", LABELS, index={"keyPattern": {"stored_at": 1}, "expireAfterSeconds": 1}
    )

    run(server, fresh, "data", "restore", backed_up, *WHY)

    assert [one for one in caplog.messages if "older than the retention" in one] == [
        "labels: some are older than the retention of this database, which removes them within "
        "minutes"
    ]


def test_nothing_is_written_of_a_backup_that_is_damaged(
    server: Server, backed_up: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    subprocess.run(["cp", "-r", f"{backed_up}/.", tmp_path], check=True, timeout=30)
    (folder,) = tmp_path.iterdir()
    fresh = server.database()
    victim = folder / "predictions-00001.bson.zst"
    content = bytearray(victim.read_bytes())
    content[len(content) // 2] ^= 1
    victim.write_bytes(bytes(content))

    for command in (["verify", tmp_path], ["restore", tmp_path, *WHY]):
        text = fails(server, fresh, caplog, *command)
        assert "predictions-00001.bson.zst: has other content than its manifest says" in text
        assert "(1 in all)" in text
    victim.unlink()
    assert "is missing" in fails(server, fresh, caplog, "restore", tmp_path, *WHY)
    manifest = folder / MANIFEST
    manifest.write_text(manifest.read_text().replace(f'"documents": {ROWS}', '"documents": 1'))
    assert "its manifest was changed" in fails(server, fresh, caplog, "restore", tmp_path, *WHY)
    assert known_all(fresh) == {}


def killed(server: Server, database: Database[Document], user: str, *arguments: object) -> None:
    done = subprocess.run(
        [sys.executable, "-c", KILLED, *map(str, arguments)],
        env={**os.environ, "TAXI_MONGODB_URI": server.uri(database, user)},
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == -signal.SIGKILL, done.stderr


def test_a_backup_that_was_killed_is_none_and_goes_later(
    server: Server, source: Database[Document], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    killed(server, source, "backup", 6, ".part", "backup", tmp_path)

    (listed,) = run(server, source, "backup", "backups", tmp_path)
    assert "not finished" in listed
    assert "none that is finished" in fails(server, source, caplog, "restore", tmp_path, *WHY)
    (left,) = tmp_path.iterdir()
    left.rename(tmp_path / "20200101T000000Z")
    lines = run(server, source, "backup", "backup", tmp_path, "--keep", 1)
    assert lines[1:] == ["20200101T000000Z: removed, 1 stay"]
    assert (
        "all parts are as its manifest says" in run(server, source, "data", "verify", tmp_path)[0]
    )


def test_a_restore_that_was_killed_serves_nothing_and_is_done_again(
    server: Server, source: Database[Document], backed_up: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fresh = server.database()
    parts = len(list(backed_up.glob("*/*.zst")))

    killed(server, fresh, "data", parts + parts - 2, "", "restore", backed_up, *WHY)

    assert fresh[PREDICTIONS].find_one() is not None
    assert fresh[ALIASES].find_one() is None
    assert "--replace" in fails(server, fresh, caplog, "restore", backed_up, *WHY)
    run(server, fresh, "data", "restore", backed_up, "--replace", *WHY)
    assert known_all(fresh) == {
        name: known(source, name) for name in known_all(source) if name != "of_a_later_release"
    }
    stages = [one["stage"] for one in fresh[AUDIT].find({"action": "restore"})]
    assert stages == ["begun", "begun", "done"]


class Watched(Destination):
    """A destination that does something before it writes the first part of the artifacts."""

    def __init__(self, url: str, act: list[Callable[[], None]]) -> None:
        super().__init__(url)
        self.act = act

    def write(self, name: str, data: bytes) -> None:
        if CHUNKS in name and self.act:
            self.act.pop(0)()
        super().write(name, data)


def test_a_registry_that_changes_meanwhile_is_read_again(
    server: Server, artifacts: list[Artifact], tmp_path: Path
) -> None:
    fresh = server.database()
    first = register(fresh, artifacts[0], NOW)
    registry = Registry(fresh)

    def promote() -> None:
        new = registry.add(artifacts[1], model=MODEL_NAME, state=ModelState.ACCEPTED, now=NOW)
        registry.move_alias(MODEL_NAME, Alias.CHAMPION, to=new, expected=first, by="x", now=NOW)

    destination = Watched(str(tmp_path), [promote])
    manifest = Backup(fresh, destination, NOW, sleep=lambda _: None).make()

    now = registry.alias(MODEL_NAME, Alias.CHAMPION)
    assert now is not None
    assert now.version != first
    assert manifest.aliases == {f"{MODEL_NAME}/champion": now.version}
    assert manifest.counts["models"] == 2
    again = server.database()
    run(server, again, "data", "restore", tmp_path, *WHY)
    assert known_all(again) == known_all(fresh)


def test_a_registry_that_never_rests_and_a_full_disk_leave_nothing(
    server: Server, artifacts: list[Artifact], tmp_path: Path
) -> None:
    fresh = server.database()
    register(fresh, artifacts[0], NOW)

    def move() -> None:
        fresh[ALIASES].update_one({}, {"$inc": {"revision": 1}})

    with pytest.raises(BackupError, match="changed 5 times"):
        Backup(fresh, Watched(str(tmp_path), [move] * 5), NOW, sleep=lambda _: None).make()

    def full() -> None:
        raise DestinationError("the disk is full")

    with pytest.raises(DestinationError, match="the disk is full"):
        Backup(fresh, Watched(str(tmp_path), [full]), NOW).make()
    assert list(tmp_path.rglob("*")) == []


def test_a_champion_that_nobody_could_load_is_told(
    server: Server, artifacts: list[Artifact], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    broken = server.database()
    version = register(broken, artifacts[0], NOW)
    broken[CHUNKS].delete_many({})

    text = fails(server, broken, caplog, "backup", tmp_path, code=3)

    assert text.startswith(f"all is done, but: model version {version}")
    assert load(Destination(str(tmp_path))).problems
    fresh = server.database()
    text = fails(server, fresh, caplog, "restore", tmp_path, *WHY, code=3)
    assert text.startswith(f"all is done, but: {MODEL_NAME}/champion: model version {version}")


def test_so_many_stay_and_who_did_it_is_noted(
    server: Server, source: Database[Document], tmp_path: Path
) -> None:
    with connect(server.uri(source, "backup"), app_name="test") as client:
        for days in (3, 2, 1):
            Backup(
                client[source.name], Destination(str(tmp_path)), NOW - timedelta(days=days)
            ).make()

    lines = run(server, source, "backup", "backup", tmp_path, "--keep", 2)

    assert [line.split(" ", 1)[1] for line in lines[1:]] == ["removed, 2 stay"] * 2
    assert len(run(server, source, "backup", "backups", tmp_path)) == 2
    removed, newest = run(server, source, "data", "audit", "--limit", 2)
    assert "prune done  by schedule (backup@taxi): backup; backups ['2" in removed
    assert removed.endswith("keep 2: 2 backups")
    assert "backup done  by schedule (backup@taxi): backup; backup 2" in newest
    assert f"{ROWS} predictions" in newest


def test_an_s3_server_keeps_and_gives_backups(
    server: Server, source: Database[Document], monkeypatch: pytest.MonkeyPatch
) -> None:
    one = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    one.start()
    host, port = one.get_host_and_port()
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}", "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret", "AWS_DEFAULT_REGION": "us-east-1",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    try:
        boto3.client("s3").create_bucket(Bucket="taxi")
        url = "s3://taxi/backups/eta"
        with connect(server.uri(source, "backup"), app_name="test") as client:
            Backup(client[source.name], Destination(url), NOW - timedelta(days=1)).make()

        lines = run(server, source, "backup", "backup", url, "--keep", 1)
        assert len(lines) == 2
        assert len(run(server, source, "backup", "backups", url)) == 1
        fresh = server.database()
        run(server, fresh, "data", "restore", url, *WHY)
        assert known(fresh, PREDICTIONS) == known(source, PREDICTIONS)
    finally:
        one.stop()
