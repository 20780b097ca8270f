"""`taxi-data delete`, `correct-label` and `audit` with a real mongod."""

import json
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pymongo.database import Database
from support.artifacts import artifact_for
from typer.testing import CliRunner

from taxi_domain.models import MODEL_NAME, Alias, ModelState
from taxi_domain.mongodb import AUDIT, LABELS, PREDICTIONS, REPORTS, ROWS
from taxi_domain.records import Label, PredictionRecord
from taxi_local.mongod import Mongod
from taxi_report.data.main import app
from taxi_schema.reading import read_schema
from taxi_store.admin.audit import digest_of_ids
from taxi_store.admin.indexes import ensure_indexes
from taxi_store.connection import Document, connect
from taxi_store.log.malformed import Unreadable
from taxi_store.log.prediction_log import insert_labels, insert_records
from taxi_store.registry.registry import Registry

pytestmark = pytest.mark.component

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
WHY = ("--by", "Ann", "--reason", "asked by its owner")
DELETE = ("--yes", *WHY)
SCHEMA = read_schema(Path(__file__).parents[2] / "models/taxi_duration/schema.toml")


@pytest.fixture
def database(
    shared_mongod: Mongod, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Database[Document]]:
    """Return a log of rides r0 to r9, answered at noon and each minute after.

    Those with an even number have a label, as has r100, which is not logged.
    """
    name = f"data-{uuid.uuid4().hex[:8]}"
    monkeypatch.setenv("TAXI_MONGODB_URI", shared_mongod.uri.replace("/taxi", f"/{name}"))
    with connect(shared_mongod.uri, app_name="test") as client:
        one = client[name]
        ensure_indexes(one)
        records = [
            PredictionRecord(f"r{n}", at(n), None, MODEL_NAME, "v", "champion", {"a": 1}, 10.0)
            for n in range(10)
        ]
        insert_records(one, [record.to_document() for record in records], NOON)
        labels = [Label(f"r{n}", 10.0, at(n)) for n in (*range(0, 10, 2), 100)]
        insert_labels(one, labels, NOON, Unreadable())
        one[REPORTS].insert_one(
            {"_id": "day", "model": MODEL_NAME, "kind": "report", "from": at(-600), "to": at(5)}
        )
        yield one
        client.drop_database(name)


def at(minutes: int) -> datetime:
    return NOON + timedelta(minutes=minutes)


def run(*arguments: object, code: int = 0) -> list[str]:
    done = CliRunner().invoke(app, [*map(str, arguments)])
    assert done.exit_code == code, done.output
    return done.stdout.splitlines()


def left(database: Database[Document]) -> tuple[set[str], set[str]]:
    return set(database[PREDICTIONS].distinct("_id")), set(database[LABELS].distinct("_id"))


def test_without_a_yes_it_is_only_told(database: Database[Document]) -> None:
    before = left(database)

    lines = run("delete", "--id", "r2", "--id", "r3", "--id", "nobody", "--reports")

    assert lines == [
        "reports of this time, which may show such rows as examples: 1 (day)",
        "2 rows (answered 2026-01-01T12:02:00Z to 2026-01-01T12:03:00Z) and 1 labels would be "
        "deleted; do it with --yes, --by and --reason",
    ]
    assert left(database) == before
    assert database[AUDIT].find_one() is None


def test_rows_of_a_file_go_with_their_labels(database: Database[Document], tmp_path: Path) -> None:
    file = tmp_path / "ids.txt"
    file.write_text("r0\n\nr1\n r0 \n")

    lines = run("delete", "--ids-file", file, *DELETE)

    assert lines[0] == (
        "reports of this time, which may show such rows as examples: 1 (day); --reports deletes "
        "them, too"
    )
    assert lines[1].endswith("and 1 labels deleted")
    assert "the monitor's windows" in lines[2]
    rows, labels = left(database)
    assert (len(rows), len(labels)) == (8, 5)
    assert not {"r0", "r1"} & (rows | labels)
    assert database[REPORTS].count_documents({}) == 1


@pytest.mark.parametrize(
    ("options", "rows", "labels"),
    [
        (["--before", "2026-01-01T12:02"], set(range(2, 10)), {2, 4, 6, 8, 100}),
        (
            ["--from", "2026-01-01T07:03", "--to", "2026-01-01T07:05", "--zone",
             "America/New_York"],
            {0, 1, 2, *range(5, 10)}, {0, 2, 6, 8, 100},
        ),
        (["--before", "2027-01-01"], set(), set()),
        (["--before", "2027-01-01", "--model", "another"], set(range(10)), {0, 2, 4, 6, 8}),
    ],
)  # fmt: skip
def test_rows_of_a_span_go_and_labels_of_it_that_have_no_row(
    database: Database[Document], options: list[str], rows: set[int], labels: set[int]
) -> None:
    run("delete", *options, "--reports", *DELETE)

    assert left(database) == ({f"r{n}" for n in rows}, {f"r{n}" for n in labels})
    assert database[REPORTS].count_documents({}) == (len(rows) == 10)


def test_of_rows_that_share_an_id_only_those_of_the_span_and_the_model_go(
    database: Database[Document],
) -> None:
    """Rows that nobody predicted are posted under ids that the log of answers has, too."""
    posted = {
        # Posted in the span and answered after it, labelled or not.
        "r2": (0, MODEL_NAME), "r3": (1, MODEL_NAME),
        # Answered in the span: posted after it, or to another model.
        "r0": (7, MODEL_NAME), "r1": (1, "another"),
        # Never answered, with a label of the span or one after it.
        "r50": (1, MODEL_NAME), "r60": (1, MODEL_NAME),
    }  # fmt: skip
    database[ROWS].insert_many(
        {"_id": row_id, "model": model, "ts": at(minutes)}
        for row_id, (minutes, model) in posted.items()
    )
    late = [Label("r50", 10.0, at(1)), Label("r60", 10.0, at(9))]
    insert_labels(database, late, NOON, Unreadable())
    span = ("--before", "2026-01-01T12:02")
    told = "6 rows (answered 2026-01-01T12:00:00Z to 2026-01-01T12:01:00Z) and 3 labels"

    assert run("delete", *span)[-1].startswith(f"{told} would be deleted")
    assert run("delete", *span, *DELETE)[1] == f"{told} deleted"

    rows, labels = left(database)
    assert rows == {f"r{n}" for n in range(2, 10)}
    assert labels == {"r2", "r4", "r6", "r8", "r100"}
    assert set(database[ROWS].distinct("_id")) == {"r0", "r1"}
    assert run("delete", *span, *DELETE)[0] == "0 rows and 0 labels deleted"


def test_the_audit_says_who_and_why_and_has_no_id(database: Database[Document]) -> None:
    run("delete", "--id", "r2", "--id", "r1", "--reports", *DELETE)

    end, begin = json.loads("".join(run("audit", "--output", "json")))
    assert (begin["stage"], begin["counts"]) == ("begun", {})
    assert {**end, "at": ""} == {
        "at": "", "action": "delete", "stage": "done", "by": "Ann", "reason": "asked by its owner",
        "what": {"ids": 2, "ids_sha256": digest_of_ids(["r1", "r2"]), "reports": 1},
        "counts": {"predictions": 2, "labels": 1, "reports": 1}, "user": "",
            "before": {}, "after": {}, "problem": "",
    }  # fmt: skip
    assert "r1" not in str(list(database[AUDIT].find()))


def test_what_cannot_be_meant_is_refused(database: Database[Document], tmp_path: Path) -> None:
    before = left(database)
    for options in (
        [], ["--id", "r1", "--before", "2026-01-02"], ["--id", "a b"], ["--before", "soon"],
        ["--from", "2026-01-02"], ["--from", "2026-01-02", "--to", "2026-01-01"],
        ["--ids-file", tmp_path / "none"], ["--id", "r1", "--yes"],
        ["--id", "r1", "--yes", "--by", "Ann"],
    ):  # fmt: skip
        run("delete", *options, code=2)
    assert left(database) == before


@pytest.fixture
def champion(database: Database[Document]) -> None:
    registry = Registry(database)
    artifact = artifact_for(SCHEMA)
    version = registry.add(artifact, model=MODEL_NAME, state=ModelState.ACCEPTED, now=NOON)
    registry.move_alias(MODEL_NAME, Alias.CHAMPION, to=version, expected=None, by="test", now=NOON)


@pytest.mark.usefixtures("champion")
def test_a_label_is_corrected_within_the_limits_of_the_schema(
    database: Database[Document],
) -> None:
    assert run("correct-label", "r2", "12.5", *WHY)[0].startswith("r2: its label is 12.5; ")
    assert run("correct-label", "r2", "12.5", *WHY) == ["r2: its label is 12.5 already"]
    run("correct-label", "r1", "12.5", *WHY, code=1)
    run("correct-label", "r2", "-1", *WHY, code=2)
    run("correct-label", "r2", "11", code=2)

    stored = database[LABELS].find_one({"_id": "r2"}) or {}
    assert stored["value"] == 12.5
    assert [one["value"] for one in stored["replaced"]] == [10.0]
    counts = [one["counts"] for one in database[AUDIT].find({"stage": "done"})]
    assert counts == [{"labels": 1}, {"labels": 0}, {"labels": 0}]
