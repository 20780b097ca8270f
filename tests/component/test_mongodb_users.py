"""The container beside mongod, against a real mongod that asks for passwords."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
from pymongo import MongoClient
from pymongo.errors import OperationFailure
from support.page_states import VERSION, blocks_of

from taxi_domain.errors import FieldError
from taxi_domain.models import ARTIFACT_FORMAT_VERSION, Alias, ModelState
from taxi_domain.mongodb import AUDIT
from taxi_domain.records import Label
from taxi_domain.verdicts import Side
from taxi_local.mongod import Mongod
from taxi_monitor.http.correction_notes import CorrectionNotes
from taxi_store.admin.audit import Action, entries
from taxi_store.admin.bootstrap_users import read_credentials
from taxi_store.admin.indexes import ensure_indexes, ensure_verdict_indexes
from taxi_store.admin.noting import Asked, note_done
from taxi_store.admin.users import Credential, LockedOutError, Users
from taxi_store.connection import Document
from taxi_store.log import pending
from taxi_store.log.corrections import correct_labels
from taxi_store.log.pending import Half
from taxi_store.registry.artifacts import artifact_of
from taxi_store.registry.garbage_collection import Keep, collect
from taxi_store.registry.registry import Registry
from taxi_store.verdicts.verdicts import append, prune

pytestmark = pytest.mark.component

APPENDED = ("predictions", "rows")
MONITORED = (*APPENDED, "labels", "pending_events", "audit")
CARD = json.dumps({"format_version": ARTIFACT_FORMAT_VERSION}).encode()
WANTED = {
    name: Credential(name, f"secret of {name}: /?@")
    for name in ("root", "predictor", "monitor", "train", "operator", "report")
}


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Mongod]:
    one = Mongod(tmp_path, "--auth")
    one.start()
    try:
        yield one
    finally:
        one.stop()


def log_in(
    mongod: Mongod, name: str, wanted: dict[str, Credential] = WANTED
) -> MongoClient[Document]:
    return MongoClient(
        "127.0.0.1", mongod.port, username=wanted[name].username, password=wanted[name].password,
        authSource="admin" if name == "root" else "taxi", serverSelectionTimeoutMS=5000,
        tz_aware=True,
    )  # fmt: skip


def users_of(mongod: Mongod) -> Users:
    return Users(f"127.0.0.1:{mongod.port}")


def test_an_empty_server_gets_its_users_and_indexes_once(guarded: Mongod) -> None:
    users = users_of(guarded)

    assert users.apply(WANTED)
    assert not users.apply(WANTED)
    with log_in(guarded, "root") as client:
        assert "stored_at_1" in client["taxi"]["predictions"].index_information()
        assert client["taxi"][AUDIT].options()["capped"]


def test_a_new_process_finds_everything_done(guarded: Mongod) -> None:
    users_of(guarded).apply(WANTED)

    assert users_of(guarded).apply(WANTED)  # nothing breaks when all of it exists
    with log_in(guarded, "monitor") as client:
        assert client["taxi"]["predictions"].find_one() is None


def test_nobody_gets_in_without_a_password(guarded: Mongod) -> None:
    users_of(guarded).apply(WANTED)

    client: MongoClient[Document]
    with MongoClient("127.0.0.1", guarded.port) as client, pytest.raises(OperationFailure):
        client["taxi"]["predictions"].find_one()


def test_the_predictor_writes_the_log_and_cannot_read_or_change_it(
    guarded: Mongod,
) -> None:
    users_of(guarded).apply(WANTED)

    with log_in(guarded, "predictor") as client:
        predictions = client["taxi"]["predictions"]
        predictions.insert_many([{"_id": "a"}, {"_id": "b"}], ordered=False)
        for forbidden in (
            predictions.find_one,
            lambda: predictions.delete_many({}),
            lambda: predictions.update_one({"_id": "a"}, {"$set": {"x": 1}}),
            lambda: client["taxi"]["aliases"].insert_one({}),
        ):
            with pytest.raises(OperationFailure, match="not authorized"):
                forbidden()


def test_the_monitor_appends_to_the_log_corrects_labels_and_removes_nothing(
    guarded: Mongod,
) -> None:
    users_of(guarded).apply(WANTED)
    now = datetime.now(UTC)

    with log_in(guarded, "monitor") as client:
        database = client["taxi"]
        for name in ("predictions", "labels", "rows"):
            database[name].insert_one({"_id": "a"})
            assert database[name].find_one() == {"_id": "a"}
        for half in Half:
            pending.add(database, [pending.Side("i", half, {"data": b"{}", "bytes": 2})], now)
        assert pending.pair_of(database, "i") is not None
        pending.done(database, ["i"])
        pending.add(database, [pending.Side("j", Half.REQUEST, {"data": b"", "bytes": 0})], now)
        assert pending.drop(database, pending.waiting(database))[Half.REQUEST] == 1
        assert pending.waiting(database).count == 0
        assert correct_labels(database, [Label("a", 7.0, now)], now).changed
        CorrectionNotes(database, "m").note("a", ["r"])
        assert [one.user for one in entries(database, 2)] == ["monitor@taxi"]
        change = {"$set": {"x": 1}}
        removals: list[Callable[[], object]] = [
            partial(database[name].delete_many, {}) for name in MONITORED
        ]
        changes: list[Callable[[], object]] = [
            partial(database[name].update_one, {"_id": "a"}, change) for name in APPENDED
        ]
        # Also of the audit: who may make a capped collection may cut it to a few bytes.
        removals.append(partial(database.command, {"convertToCapped": AUDIT, "size": 4096}))
        for forbidden in (*removals, *changes):
            with pytest.raises(OperationFailure, match="not authorized"):
                forbidden()


def test_a_report_notes_what_it_removes_and_cannot_read_or_cut_the_audit(guarded: Mongod) -> None:
    users_of(guarded).apply(WANTED)

    with log_in(guarded, "report") as client:
        audit = client["taxi"][AUDIT]
        note_done(client["taxi"], Action.PRUNE, Asked("a report", "old"), {}, {"reports": 3})
        for forbidden in (
            audit.find_one,
            lambda: audit.delete_many({}),
            lambda: client["taxi"].command({"convertToCapped": AUDIT, "size": 4096}),
        ):
            with pytest.raises(OperationFailure, match="not authorized"):
                forbidden()
    with log_in(guarded, "monitor") as client:
        (noted,) = entries(client["taxi"], 2)
        assert (noted.user, noted.counts) == ("report@taxi", {"reports": 3})


def test_who_may_not_write_the_audit_says_so_and_goes_on(
    guarded: Mongod, caplog: pytest.LogCaptureFixture
) -> None:
    users_of(guarded).apply(WANTED)

    with log_in(guarded, "predictor") as client:
        CorrectionNotes(client["taxi"], "m").note("a", ["r"])
    with log_in(guarded, "monitor") as client:
        assert entries(client["taxi"], 1) == []

    assert "give the rights of docs/chart.md" in caplog.text


def test_the_monitor_keeps_and_prunes_the_history_of_its_verdict(guarded: Mongod) -> None:
    users_of(guarded).apply(WANTED)

    with log_in(guarded, "monitor") as client:
        ensure_verdict_indexes(client["taxi"])
        for block in blocks_of(6)[Side.ROWS]:
            assert append(client["taxi"], block)
        removed = prune(
            client["taxi"], "taxi-duration", watched=(VERSION,), keep_blocks=4,
            keep_age=timedelta(days=1), now=datetime.now(UTC),
        )  # fmt: skip
        assert removed == 2
    with log_in(guarded, "train") as client, pytest.raises(OperationFailure, match="authorized"):
        client["taxi"]["verdicts"].find_one()


def test_the_rights_of_train_and_operator_are_enough_for_the_registry(
    guarded: Mongod,
) -> None:
    users_of(guarded).apply(WANTED)
    now = datetime(2021, 2, 1, tzinfo=UTC)
    artifact = artifact_of({"card.json": CARD, "model.onnx": b"x"})

    with log_in(guarded, "train") as client:
        ensure_indexes(client["taxi"])
        registry = Registry(client["taxi"])
        version = registry.add(artifact, model="m", state=ModelState.CANDIDATE, now=now)
        registry.move_alias("m", Alias.CHAMPION, to=version, expected=None, by="t", now=now)
    with log_in(guarded, "operator") as client:
        registry = Registry(client["taxi"])
        registry.set_state(version, ModelState.ACCEPTED)
        registry.move_alias("m", Alias.CHAMPION, to=version, expected=version, by="o", now=now)
    for reader in ("predictor", "monitor"):
        with log_in(guarded, reader) as client:
            assert Registry(client["taxi"]).load(version).digest == artifact.digest
    with log_in(guarded, "train") as client:
        client["taxi"]["aliases"].update_many({}, {"$set": {"version": None, "previous": None}})
        other = artifact_of({"card.json": CARD, "model.onnx": b"y"})
        later = now + timedelta(days=1)
        Registry(client["taxi"]).add(other, model="m", state=ModelState.ACCEPTED, now=later)
        everything = datetime.now(UTC) + timedelta(hours=1)
        assert collect(client["taxi"], "m", Keep(1, (), everything)) == [version]


def test_a_changed_password_reaches_the_server(guarded: Mongod) -> None:
    users = users_of(guarded)
    users.apply(WANTED)
    changed = {name: replace(one, password=f"new {name}") for name, one in WANTED.items()}

    assert users.apply(changed)
    for name in changed:
        with log_in(guarded, name, changed) as client:
            client["taxi"].command("ping")
    with log_in(guarded, "monitor") as client, pytest.raises(OperationFailure):
        client["taxi"]["labels"].find_one()


def test_a_dropped_user_comes_back(guarded: Mongod) -> None:
    users = users_of(guarded)
    users.apply(WANTED)
    with log_in(guarded, "root") as client:
        client["taxi"].command("dropUser", "monitor")

    assert users.apply(WANTED)
    with log_in(guarded, "monitor") as client:
        assert client["taxi"]["labels"].find_one() is None


def test_a_wrong_root_password_is_named_with_its_remedy(guarded: Mongod) -> None:
    users_of(guarded).apply(WANTED)
    wrong = {**WANTED, "root": Credential("root", "guess")}

    with pytest.raises(LockedOutError, match=r"user root: .* put the password into the Secret"):
        users_of(guarded).apply(wrong)


def write_secrets(folder: Path) -> None:
    for name, credential in WANTED.items():
        (folder / name).mkdir(parents=True)
        (folder / name / "username").write_text(credential.username)
        (folder / name / "password").write_text(credential.password)


def test_the_process_says_when_it_is_ready_and_ends_when_asked(
    guarded: Mongod, tmp_path: Path
) -> None:
    secrets = tmp_path / "secrets"
    write_secrets(secrets)
    retention = tmp_path / "retention"
    retention.mkdir()
    for kind in ("predictions", "labels"):
        (retention / f"{kind}-days").write_text("90")
    ready = tmp_path / "ready"
    process = subprocess.Popen(
        [sys.executable, "-m", "taxi_store.admin.bootstrap_users", "--credentials", str(secrets),
         "--retention", str(retention), "--ready-file", str(ready),
         "--host", f"127.0.0.1:{guarded.port}", "--pause-seconds", "0.2"],
        env=os.environ,
    )  # fmt: skip
    try:
        deadline = time.monotonic() + 90
        while not ready.exists() and time.monotonic() < deadline:
            time.sleep(0.1)
        assert ready.exists()
        with log_in(guarded, "root") as client:
            index = client["taxi"]["labels"].index_information()["stored_at_1"]
        assert index["expireAfterSeconds"] == 90 * 86_400
        process.send_signal(signal.SIGTERM)

        assert process.wait(60) == 0
    finally:
        process.kill()


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        ("root/password", "is empty"),
        ("visitor/password", "is no known component"),
    ],
)
def test_unusable_credentials_are_named(tmp_path: Path, broken: str, message: str) -> None:
    write_secrets(tmp_path)
    (tmp_path / broken).parent.mkdir(exist_ok=True)
    (tmp_path / broken).write_text("")

    with pytest.raises(FieldError, match=message):
        read_credentials(tmp_path)
