"""Rows removed and labels corrected in a real mongod's log, and the audit of it."""

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from pymongo.database import Database

from taxi_domain.models import MODEL_NAME
from taxi_domain.mongodb import AUDIT, LABELS, PREDICTIONS, REPORTS, ROWS
from taxi_domain.records import Label, PredictionRecord
from taxi_local.mongod import Mongod
from taxi_store.admin import audit
from taxi_store.admin.indexes import ensure_indexes
from taxi_store.connection import Document, connect
from taxi_store.log import deletion
from taxi_store.log.malformed import Unreadable
from taxi_store.log.prediction_log import insert_labels, insert_records

pytestmark = pytest.mark.component

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.fixture
def database(shared_mongod: Mongod) -> Iterator[Database[Document]]:
    with connect(shared_mongod.uri, app_name="test") as client:
        one = client[f"data-{uuid.uuid4().hex[:8]}"]
        ensure_indexes(one)
        yield one
        client.drop_database(one.name)


def write(database: Database[Document], *minutes: int, model: str = MODEL_NAME) -> list[str]:
    """Log a row for each minute after noon; its id says which."""
    ids = [f"r{one}" for one in minutes]
    rows = [
        PredictionRecord(row_id, at(one), None, model, "v", "champion", {"a": 1}, 10.0)
        for row_id, one in zip(ids, minutes, strict=True)
    ]
    insert_records(database, [one.to_document() for one in rows], NOON)
    return ids


def label(database: Database[Document], *minutes: int) -> None:
    labels = [Label(f"r{one}", 10.0, at(one)) for one in minutes]
    insert_labels(database, labels, NOON, Unreadable())


def post(database: Database[Document], *minutes: int, model: str = MODEL_NAME) -> None:
    """Store rows that nobody predicts, under ids r1, r2, ... in their order."""
    database[ROWS].insert_many(
        {"_id": f"r{number}", "model": model, "ts": at(one)}
        for number, one in enumerate(minutes, 1)
    )


def at(minutes: int) -> datetime:
    return NOON + timedelta(minutes=minutes)


def ids_in(database: Database[Document], collection: str) -> set[str]:
    return set(database[collection].distinct("_id"))


def test_rows_go_with_their_labels_and_the_others_stay(database: Database[Document]) -> None:
    write(database, 1, 2, 3)
    label(database, 1, 3, 4)

    piece = deletion.Piece.of_ids(["r1", "r2", "r4", "unknown"])

    planned = deletion.removal_of(database, piece)
    removed = deletion.remove_rows(database, piece)

    assert planned == removed == deletion.Removal(2, 2, at(1), at(2))
    assert ids_in(database, PREDICTIONS) == {"r3"}
    assert ids_in(database, LABELS) == {"r3"}
    assert deletion.remove_rows(database, piece) == deletion.Removal()


def test_by_id_a_row_goes_from_everywhere(database: Database[Document]) -> None:
    write(database, 1, 2)
    post(database, 900, 900, model="another")
    label(database, 1, 2)

    removed = deletion.remove_rows(database, deletion.Piece.of_ids(["r1"]))

    assert removed == deletion.Removal(2, 1, at(1), at(900))
    assert [ids_in(database, one) for one in (PREDICTIONS, ROWS, LABELS)] == [{"r2"}] * 3


def test_rows_are_found_by_answer_time_and_model(database: Database[Document]) -> None:
    write(database, 1, 2, 3)
    write(database, 4, model="another")

    def found(start: datetime | None, end: datetime) -> set[str]:
        times = deletion.Times(start, end)
        pieces = deletion.rows_within(database, MODEL_NAME, times)
        return {one for piece in pieces for one in piece.ids}

    assert found(None, at(9)) == {"r1", "r2", "r3"}
    assert found(at(2), at(3)) == {"r2"}
    assert found(at(5), at(9)) == set()


def test_only_labels_whose_row_is_not_logged_are_found_by_their_own_time(
    database: Database[Document],
) -> None:
    write(database, 1)
    post(database, 99, 99, 3)
    label(database, 1, 2, 3, 8)

    (found,) = deletion.labels_without_rows(database, MODEL_NAME, deletion.Times(None, at(5)))

    assert found.ids == ["r2"]  # r3 goes with its row


def test_reports_are_found_by_their_span(database: Database[Document]) -> None:
    for name, start, end in (("before", 0, 10), ("over", 10, 20), ("after", 20, 30)):
        database[REPORTS].insert_one(
            {"_id": name, "model": MODEL_NAME, "kind": "report", "from": at(start), "to": at(end)}
        )
    database[REPORTS].insert_one({"_id": "run", "model": MODEL_NAME, "kind": "run"})

    assert deletion.reports_over(database, MODEL_NAME, at(10), at(19)) == ["over"]
    assert deletion.reports_over(database, MODEL_NAME, at(9), at(20)) == ["after", "before", "over"]
    assert deletion.remove_reports(database, ["over", "unknown"]) == 1
    assert ids_in(database, REPORTS) == {"before", "after", "run"}


def test_the_audit_is_bounded_and_lists_the_newest_first(database: Database[Document]) -> None:
    audit.ensure_audit(database)
    audit.ensure_audit(database)
    done = [
        audit.AuditEntry(at(one), action, audit.Stage.DONE, "Ann", "why", {"n": one}, {"rows": one})
        for one, action in enumerate((audit.Action.BACKUP, audit.Action.DELETE))
    ]
    for one in done:
        audit.record(database, one)

    assert audit.entries(database, 10) == done[::-1]
    assert audit.last_done(database, audit.Action.BACKUP) == at(0)
    assert audit.last_done(database, audit.Action.RESTORE) is None
    assert audit.entries(database, 1) == done[1:]
    assert database[AUDIT].options()["capped"]
