"""The store against the real mongod."""

import json
import math
import threading
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import bson
import numpy as np
import pytest
from bson.datetime_ms import DatetimeMS
from pymongo.database import Database

from taxi_domain.models import (
    ARTIFACT_FORMAT_VERSION,
    CARD_FILE,
    MODEL_NAME,
    ONNX_FILE,
    Alias,
    ModelState,
)
from taxi_domain.mongodb import LABELS, PREDICTIONS
from taxi_domain.records import Label, PredictionRecord, Shadow
from taxi_domain.runs import RunResult
from taxi_local.mongod import Mongod
from taxi_store.admin.indexes import ensure_indexes
from taxi_store.connection import Document, StoreUnavailableError, connect
from taxi_store.log import prediction_log as log
from taxi_store.log.encoded_pages import newest_pages, pages_of
from taxi_store.log.labelled import LabelledRow, labelled_pieces
from taxi_store.log.malformed import LENIENT, Unreadable
from taxi_store.registry.artifacts import Artifact, ArtifactError, artifact_of
from taxi_store.registry.entries import AliasConflictError, UnknownVersionError
from taxi_store.registry.registry import Registry
from taxi_store.registry.runs import RunStore

pytestmark = pytest.mark.component
NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


@pytest.fixture
def database(shared_mongod: Mongod) -> Iterator[Database[Document]]:
    with connect(shared_mongod.uri, app_name="test") as client:
        yield client[f"taxi-{uuid.uuid4().hex[:8]}"]


def an_artifact(name: str = "one") -> Artifact:
    card = json.dumps({"format_version": ARTIFACT_FORMAT_VERSION, "name": name}).encode()
    return artifact_of({CARD_FILE: card, ONNX_FILE: name.encode() * 300_000})


def add(registry: Registry, name: str = "one") -> str:
    return registry.add(an_artifact(name), model=MODEL_NAME, state=ModelState.CANDIDATE, now=NOW)


def test_same_artifact_twice_is_one_version(database: Database[Document]) -> None:
    registry = Registry(database)

    assert add(registry) == add(registry)
    assert [one.card["name"] for one in registry.list(MODEL_NAME)] == ["one"]
    assert registry.load(add(registry)).files == an_artifact().files


def test_damaged_archive_is_refused(database: Database[Document]) -> None:
    registry = Registry(database)
    version = add(registry)
    chunk = database["artifacts.chunks"].find_one({"n": 1})
    assert chunk is not None
    database["artifacts.chunks"].update_one(
        {"_id": chunk["_id"]}, {"$set": {"data": b"x" * len(chunk["data"])}}
    )

    with pytest.raises(ArtifactError):
        registry.load(version)


def test_archive_of_another_length_is_not_read(database: Database[Document]) -> None:
    registry = Registry(database)
    version = add(registry)
    database["artifacts.files"].update_one({}, {"$set": {"length": 2**40}})
    database["artifacts.chunks"].delete_many({})  # whoever reads fails in another way

    with pytest.raises(ArtifactError, match=str(2**40)):
        registry.load(version)


def test_missing_pieces_are_damage_and_no_outage(database: Database[Document]) -> None:
    registry = Registry(database)
    version = add(registry)
    database["artifacts.chunks"].delete_one({"n": 1})

    with pytest.raises(ArtifactError, match="damaged"):
        registry.load(version)
    assert add(registry) == version
    assert registry.load(version).files == an_artifact().files, "stored anew"


def test_unknown_version_is_named(database: Database[Document]) -> None:
    with pytest.raises(UnknownVersionError, match="cafe"):
        Registry(database).load("cafe")
    with pytest.raises(UnknownVersionError):
        Registry(database).set_state("cafe", ModelState.REJECTED)


def test_alias_moves_only_from_where_it_is_expected(database: Database[Document]) -> None:
    registry = Registry(database)
    one, two = add(registry, "one"), add(registry, "two")

    def move(to: str, expected: str | None) -> int:
        return registry.move_alias(
            MODEL_NAME, Alias.CHAMPION, to=to, expected=expected, by="test", now=NOW
        ).revision

    assert move(one, None) == 1
    with pytest.raises(AliasConflictError) as conflict:
        move(two, None)
    assert conflict.value.actual == one
    assert move(two, one) == 2
    with pytest.raises(UnknownVersionError):
        move("cafe", two)
    entry = registry.alias(MODEL_NAME, Alias.CHAMPION)
    assert entry is not None
    assert (entry.version, entry.previous) == (two, one)


def test_one_of_many_promoters_wins(database: Database[Document]) -> None:
    registry = Registry(database)
    first = add(registry, "first")
    candidates = [add(registry, f"c{number}") for number in range(8)]
    registry.move_alias(MODEL_NAME, Alias.CHAMPION, to=first, expected=None, by="t", now=NOW)
    won: list[str] = []
    lost: list[AliasConflictError] = []
    begin = threading.Barrier(8)

    def promote(version: str) -> None:
        begin.wait()
        try:
            registry.move_alias(
                MODEL_NAME, Alias.CHAMPION, to=version, expected=first, by=version, now=NOW
            )
            won.append(version)
        except AliasConflictError as error:
            lost.append(error)

    threads = [threading.Thread(target=promote, args=(one,)) for one in candidates]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(won) == 1
    assert len(lost) == 7
    assert {one.actual for one in lost} == set(won)


def a_record(number: int, version: str = "v1", shadow: str | None = None) -> PredictionRecord:
    shadows = (Shadow(shadow, 9.0),) if shadow else ()
    return PredictionRecord(
        f"r{number:05d}", NOW + timedelta(seconds=number), None, MODEL_NAME, version, "champion",
        {"number": number, "text": "a"}, 10.0, shadow=shadows,
    )  # fmt: skip


def newest(database: Database[Document], most: int) -> list[str]:
    """Return the ids of the newest records that v1 answered or shadowed."""
    pages = newest_pages(database, "v1", most)
    return [one["_id"] for page in pages for one in bson.decode_all(page)]


def test_log_takes_repeats_and_gives_the_newest(database: Database[Document]) -> None:
    ensure_indexes(database)
    ensure_indexes(database)
    documents = [a_record(number).to_document() for number in range(50)]

    assert log.insert_records(database, documents[:30], NOW) == log.InsertResult(30, 0)
    assert log.insert_records(database, documents, NOW) == log.InsertResult(20, 30)
    assert log.insert_records(database, [], NOW) == log.InsertResult(0, 0)

    assert newest(database, 10) == [f"r{number:05d}" for number in range(49, 39, -1)]


def test_window_of_a_version_has_the_rides_that_it_shadowed(database: Database[Document]) -> None:
    records = [a_record(1, "v1"), a_record(2, "v2", shadow="v1"), a_record(3, "v2")]
    log.insert_records(database, [one.to_document() for one in records], NOW)

    assert newest(database, 10) == ["r00002", "r00001"]


def labelled(
    database: Database[Document], limit: int, unreadable: Unreadable, since: datetime | None = None
) -> list[LabelledRow]:
    """Return the rows of all pieces, oldest first."""
    pieces = labelled_pieces(database, MODEL_NAME, limit=limit, unreadable=unreadable, since=since)
    return [row for piece in reversed(list(pieces)) for row in piece]


def test_labelled_rows_are_all_or_a_sample_in_time_order(database: Database[Document]) -> None:
    log.insert_records(database, [a_record(one).to_document() for one in range(400)], NOW)
    labels = [Label(f"r{number:05d}", float(number), NOW) for number in range(0, 400, 2)]
    assert log.insert_labels(database, labels, NOW, Unreadable()) == (
        log.InsertResult(200, 0),
        labels,
    )

    def durations(limit: int, since: datetime | None = None) -> list[float]:
        found = labelled(database, limit, Unreadable(), since)
        return [one.label for one in found]

    since = NOW + timedelta(seconds=390)
    assert durations(99, since) == [390.0, 392.0, 394.0, 396.0, 398.0]
    assert durations(200) == durations(999) == [float(one) for one in range(0, 400, 2)]
    assert durations(1) == [398.0]

    sample = durations(40)

    assert sample == durations(40) == sorted(set(sample))
    assert len(sample) == 40
    assert sample[4:] == [float(one) for one in range(328, 400, 2)], "mostly the newest"
    assert 80 < np.mean(sample[:4]) < 250, "the others are of all the time before"


def test_the_first_label_of_a_ride_stays(database: Database[Document]) -> None:
    first = [Label("a", 1.0, NOW), Label("b", 2.0, NOW), Label("a", 3.0, NOW)]
    again = [Label("c", 4.0, NOW), Label("a", 5.0, NOW), Label("c", 6.0, NOW)]

    done, kept = log.insert_labels(database, first, NOW, Unreadable())
    assert done == log.InsertResult(2, 1)
    assert {one.row_id: one.value for one in kept} == {"a": 1.0, "b": 2.0}

    done, kept = log.insert_labels(database, again, NOW, Unreadable())
    assert done == log.InsertResult(1, 2)
    assert {one.row_id: one.value for one in kept} == {"c": 4.0, "a": 1.0}
    assert {one.value for one in log.labels_of(database, "abc", Unreadable()).values()} == {
        1.0,
        2.0,
        4.0,
    }


def test_tail_gives_what_was_stored_since(database: Database[Document]) -> None:
    later = NOW + timedelta(minutes=1)
    log.insert_records(database, [a_record(1).to_document()], NOW)
    log.insert_records(database, [a_record(2).to_document()], later)
    log.insert_labels(database, [Label("r00002", 3.0, NOW)], later, Unreadable())

    def tail(collection: str, since: datetime) -> list[tuple[datetime, str]]:
        pages = log.tail(database, collection, since, Unreadable())
        return [(one.stored_at, one.row_id) for page in pages for one in page]

    before = NOW - timedelta(milliseconds=1)
    assert tail(PREDICTIONS, before) == [(NOW, "r00001"), (later, "r00002")]
    assert tail(PREDICTIONS, NOW) == [(later, "r00002")]
    assert tail(PREDICTIONS, later) == []
    assert tail(LABELS, NOW) == [(later, "r00002")]


def test_tail_reads_each_once_however_many_have_one_time(database: Database[Document]) -> None:
    ensure_indexes(database)
    ids = [f"r{number:05d}" for number in range(2 * log.CHUNK + 1)]
    log.insert_labels(database, [Label(row_id, 3.0, NOW) for row_id in ids], NOW, Unreadable())
    log.insert_labels(database, [Label("last", 3.0, NOW)], NOW + timedelta(1), Unreadable())
    database.command("profile", 2)

    pages = list(log.tail(database, LABELS, NOW - timedelta(1), Unreadable()))

    assert [len(page) for page in pages] == [log.CHUNK, log.CHUNK, 2]
    found = [one.row_id for page in pages for one in page]
    assert (sorted(found[:-1]), found[-1]) == (ids, "last")
    looks = list(database["system.profile"].find({"ns": f"{database.name}.labels"}))
    assert sum(one["docsExamined"] for one in looks) == len(ids) + 1
    assert not any(one.get("hasSortStage") for one in looks)


def damaged(number: int, **fields: object) -> dict[str, object]:
    return {**a_record(number).to_document(), **fields}


def test_readers_leave_out_what_cannot_be_read_and_count_it_once(
    database: Database[Document],
) -> None:
    """Each kind of damage was stored by an older version, or by a program of somebody's own."""
    good = [a_record(number).to_document() for number in range(20)]
    bad = [
        damaged(20, prediction=math.inf),
        damaged(21, prediction=None),
        damaged(22, inputs=None),
        damaged(23, _id={"row": 23}),
        damaged(24, ts=DatetimeMS(2**62)),
        damaged(25, shadow=[{"model_version": "v0"}]),
    ]
    log.insert_records(database, [*good, *bad], NOW)
    labels = [Label(f"r{number:05d}", 5.0, NOW) for number in range(30)]
    log.insert_labels(database, labels, NOW, Unreadable())
    database["labels"].update_one({"_id": "r00019"}, {"$set": {"value": math.nan}})
    database["labels"].update_one({"_id": "r00018"}, {"$unset": {"ts": ""}})
    counted: list[tuple[str, str]] = []
    unreadable = Unreadable(lambda collection, field: counted.append((collection, field)))
    _, kept = log.insert_labels(database, labels[17:], NOW, unreadable)
    assert kept == [labels[17], *labels[20:]], (
        "what cannot be read is the ride's label all the same"
    )
    ids = [f"r{number:05d}" for number in range(30)]

    for _ in range(2):
        rides = labelled(database, 99, unreadable)

        assert [one.record.row_id for one in rides] == ids[:18]
        assert sum(len(bson.decode_all(one, LENIENT)) for one in pages_of(database, ids)) == 25
        assert set(log.labels_of(database, ids, unreadable)) == {*ids} - {*ids[18:20]}
        since = NOW - timedelta(1)
        assert [len(page) for page in log.tail(database, PREDICTIONS, since, unreadable)] == [25]
        assert [len(page) for page in log.tail(database, LABELS, since, unreadable)] == [30]
    assert sorted(counted) == [
        ("labels", "ts"), ("labels", "value"), ("predictions", "_id"),
        ("predictions", "inputs"), ("predictions", "prediction"), ("predictions", "prediction"),
        ("predictions", "shadow.prediction"), ("predictions", "ts"),
    ]  # fmt: skip
    assert unreadable.count == 8


def test_a_sample_of_a_long_log_leaves_out_strange_ids(database: Database[Document]) -> None:
    records = [a_record(number).to_document() for number in range(100)]
    log.insert_records(database, [*records, damaged(7, _id={"ride": 7})], NOW)
    labels = [Label(f"r{number:05d}", 5.0, NOW) for number in range(100)]
    log.insert_labels(database, labels, NOW, Unreadable())
    unreadable = Unreadable()

    found = labelled(database, 20, unreadable)

    assert (len(found), unreadable.count) == (20, 1)


def test_finished_run_keeps_its_verdict(database: Database[Document]) -> None:
    runs = RunStore(database)
    runs.start("a", "train", ["run"], NOW)
    pending = runs.get("a")
    runs.finish("a", RunResult.BETTER, now=NOW, message="ok", candidate="v2", numbers={"gain": 0.1})
    runs.start("a", "train", ["run"], NOW)
    finished = runs.get("a")

    assert pending is not None
    assert pending.result is RunResult.PENDING
    assert finished is not None
    assert (finished.result, finished.candidate) == (RunResult.BETTER, "v2")
    assert finished.numbers == {"gain": 0.1}


def test_dead_mongod_is_an_error_in_time(mongod: Mongod) -> None:
    with connect(mongod.uri, app_name="test", timeout_seconds=0.5) as client:
        mongod.kill()

        with pytest.raises(StoreUnavailableError):
            newest(client["taxi"], 10)
