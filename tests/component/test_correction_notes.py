"""Posted corrections in the audit: none is lost, and many are few entries."""

import json
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from pymongo.database import Database
from pymongo.errors import AutoReconnect
from support.taxi_columns import SCHEMA

from taxi_domain.metrics import MONITOR_LABELS
from taxi_domain.mongodb import AUDIT, LABELS
from taxi_domain.records import LABEL_VALUE
from taxi_local.mongod import Mongod
from taxi_monitor.http import correction_routes
from taxi_monitor.http.correction_notes import SECONDS, CorrectionNotes
from taxi_monitor.metrics.counters import Counters
from taxi_runtime.problems import ProblemError
from taxi_store.admin.audit import Action, AuditEntry, Stage, digest_of_ids, ensure_audit, entries
from taxi_store.connection import Document, StoreUnavailableError, connect

pytestmark = pytest.mark.component
BODY = json.dumps({"labels": [{SCHEMA.id: "a", SCHEMA.target.name: 9.0}]}).encode()


@pytest.fixture
def database(shared_mongod: Mongod) -> Iterator[Database[Document]]:
    with connect(shared_mongod.uri, app_name="test") as client:
        one = client[f"taxi-{uuid.uuid4().hex[:8]}"]
        one[LABELS].insert_one({"_id": "a", LABEL_VALUE: 5.0, "stored_at": datetime.now(UTC)})
        yield one
        client.drop_database(one)


class Tailer:
    """Does not get at MongoDB the first time."""

    def __init__(self) -> None:
        self._asked = 0

    def correct_labels(self, _row_ids: list[str]) -> None:
        self._asked += 1
        if self._asked == 1:
            raise StoreUnavailableError("MongoDB does not answer: failover")


def parts_of(database: Database[Document]) -> Any:
    return SimpleNamespace(
        clock=time.time, database=database, model="m", tailer=Tailer(),
        counters=Counters(CollectorRegistry()),
        state=SimpleNamespace(version_of=lambda _: None, schema_of=lambda _: SCHEMA),
        corrections=CorrectionNotes(database, "m"),
    )  # fmt: skip


def take(parts: Any) -> dict[str, object]:
    return correction_routes._take(parts, BODY, "billing", "labels.billing")


def done(database: Database[Document]) -> list[tuple[Stage, Any, dict[str, int]]]:
    found: list[AuditEntry] = entries(database, 100)
    assert {(one.action, one.by) for one in found} <= {(Action.CORRECT_LABEL, "billing")}
    return [(one.stage, one.what["ids"], dict(one.counts)) for one in reversed(found)]


def test_a_correction_is_noted_where_mongodb_hesitates_behind_it(
    database: Database[Document],
) -> None:
    ensure_audit(database)
    parts = parts_of(database)

    with pytest.raises(ProblemError, match="post them again"):
        take(parts)
    assert take(parts)["unchanged"] == 1

    assert done(database) == [(Stage.DONE, 1, {LABELS: 1})]
    assert parts.counters[MONITOR_LABELS].labels("corrected")._value.get() == 1.0


def test_a_correction_that_is_not_confirmed_may_be_done(
    database: Database[Document], monkeypatch: pytest.MonkeyPatch
) -> None:
    ensure_audit(database)
    parts = parts_of(database)

    with monkeypatch.context() as broken:
        # As a bulk that MongoDB did and could not confirm.
        def unconfirmed(collection: Any, updates: list[Any], **_: object) -> None:
            collection.update_one(updates[0]._filter, updates[0]._doc)
            raise AutoReconnect("connection closed")

        broken.setattr("pymongo.collection.Collection.bulk_write", unconfirmed)
        with pytest.raises(ProblemError, match="post them again"):
            take(parts)

    (noted,) = entries(database, 10)
    assert (noted.stage, noted.what["ids"], noted.counts) == (Stage.FAILED, 1, {})
    assert noted.what["ids_sha256"] == digest_of_ids(["a"])
    assert noted.problem.startswith("may be done: MongoDB does not answer")


def test_many_corrections_are_few_entries_and_keep_their_number(
    database: Database[Document],
) -> None:
    ensure_audit(database)
    now = [0.0]
    notes = CorrectionNotes(database, "m", clock=lambda: now[0])

    for number in range(50):
        notes.note("billing", [f"{number}", "b"])
    # One that is killed has noted the first.
    assert done(database) == [(Stage.DONE, 2, {LABELS: 2})]
    notes.flush()
    assert len(done(database)) == 1
    now[0] += SECONDS
    notes.flush()
    assert done(database)[1:] == [(Stage.DONE, 98, {LABELS: 98})]
    assert entries(database, 1)[0].what["posts"] == 49

    # One that ends does not wait.
    notes.note("billing", ["c"])
    assert len(done(database)) == 2
    notes.flush(at_once=True)
    assert done(database)[2:] == [(Stage.DONE, 1, {LABELS: 1})]
    assert entries(database, 1)[0].what["ids_sha256"] == digest_of_ids(["c"])


def test_what_is_not_taken_waits_for_an_audit_that_somebody_makes(
    database: Database[Document], caplog: pytest.LogCaptureFixture
) -> None:
    """An insert into what is not there would make a collection without an end."""
    now = [0.0]
    notes = CorrectionNotes(database, "m", clock=lambda: now[0])
    notes.note("billing", ["a"])
    notes.note("billing", ["b"])

    assert AUDIT not in database.list_collection_names()
    assert caplog.text.count("is not written") == 1
    ensure_audit(database)
    now[0] += SECONDS
    notes.flush()
    assert done(database) == [(Stage.DONE, 2, {LABELS: 2})]
