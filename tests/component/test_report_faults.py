"""What goes away, or fails for good, while a report is made from a real mongod's log."""

from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from pymongo.database import Database
from support.report_log import Written, register, write_rides
from support.taxi_artifacts import taxi_artifact
from support.taxi_columns import taxi_rides, usual

from taxi_domain.mongodb import ARTIFACTS_BUCKET, DATABASE, LABELS, PREDICTIONS
from taxi_local.mongod import running_mongod
from taxi_report.collect.partition import Part, Task
from taxi_report.collect.workers import LocalWorkers
from taxi_report.request import Request
from taxi_report.settings import Settings
from taxi_report.spans import Span, span_between
from taxi_report.steps import collect_rows, compare_rows, profile_rows
from taxi_report.subject import Subject
from taxi_runtime.settings import read
from taxi_store.connection import Document, connect
from taxi_store.registry.artifacts import Artifact

pytestmark = pytest.mark.component

NOW = datetime(2021, 1, 1, tzinfo=UTC)
GONE = "its archive is gone"


@dataclass(frozen=True, slots=True)
class Log:
    """A log of some rides, and the model that answered them."""

    database: Database[Document]
    artifact: Artifact
    written: Written

    def lose_the_artifact(self) -> None:
        """Remove the artifact; the version stays registered."""
        for part in ("files", "chunks"):
            self.database[f"{ARTIFACTS_BUCKET}.{part}"].delete_many({})

    def restore_the_artifact(self) -> None:
        """Store the artifact again."""
        register(self.database, self.artifact, NOW)


@pytest.fixture(scope="module")
def written() -> Iterator[tuple[str, Log]]:
    rides = usual(taxi_rides("green-2020-03-before.parquet"))[-9000:]
    artifact = taxi_artifact(rides[:4000])
    with running_mongod() as server, connect(server.uri, app_name="test") as client:
        database = client[DATABASE]
        register(database, artifact, NOW)
        yield server.uri, Log(database, artifact, write_rides(database, rides[4000:], artifact))


@pytest.fixture
def log(written: tuple[str, Log], monkeypatch: pytest.MonkeyPatch) -> Iterator[Log]:
    """Return the log with its artifact, for settings that workers read too."""
    uri, log = written
    monkeypatch.setenv("TAXI_MONGODB_URI", uri)
    monkeypatch.setenv("TAXI_REPORT_PATIENCE_SECONDS", "20")
    monkeypatch.setenv("TAXI_REPORT_PARTITION_ROWS", "1000")
    log.lose_the_artifact()
    log.database["aliases"].delete_many({})
    log.restore_the_artifact()
    log.database["aliases"].delete_many({})
    yield log
    log.database["aliases"].delete_many({})


_SPANS = iter(range(1, 1000))


def request(log: Log) -> Request:
    """Return a request of the whole log; each has another span, whose versions nobody knows yet."""
    start = log.written.start - timedelta(minutes=next(_SPANS))
    span: Span = span_between(start.isoformat(), log.written.end.isoformat(), ZoneInfo("UTC"), NOW)
    settings = read(Settings)
    subject = Subject(settings.model, span, None)
    return Request(subject, settings, log.database, with_html=False, now=NOW)


class LosingWorkers(LocalWorkers):
    """A real process that reads; the artifact is lost once it has read the first partition."""

    def __init__(self, log: Log) -> None:
        super().__init__(1)
        self._log = log
        self.begun = 0

    def submit(self, task: Task) -> "Future[Part]":
        future = super().submit(task)
        self.begun += 1
        if self.begun == 1:
            future.result(240)
            self._log.lose_the_artifact()
        return future


def test_a_version_whose_artifact_is_gone_is_counted(log: Log) -> None:
    log.lose_the_artifact()
    one = request(log)
    workers = LocalWorkers(1)
    try:
        document = compare_rows(one, profile_rows(one, collect_rows(one), workers)).document
    finally:
        workers.close()

    assert document["served"]["rows"] == log.written.rows
    assert document["versions"] == []
    assert document["served"]["unprofiled"][log.artifact.version]["rows"] == log.written.rows
    assert any(f"were counted only: model version {log.artifact.version}: {GONE}" in problem
               for problem in document["problems"])  # fmt: skip


def test_an_artifact_that_goes_away_while_partitions_are_merged_is_no_end(log: Log) -> None:
    one = request(log)
    workers = LosingWorkers(log)
    try:
        document = compare_rows(one, profile_rows(one, collect_rows(one), workers)).document
    finally:
        workers.close()

    assert workers.begun > 2
    assert document["served"]["rows"] == log.written.rows
    assert document["versions"] == []
    (found,) = document["served"]["unprofiled"].values()
    assert found["rows"] == log.written.rows
    assert GONE in found["reason"]
    (problem,) = document["problems"]
    assert f"{log.written.rows:,} rows of version {log.artifact.version}" in problem


def test_an_artifact_that_goes_away_before_the_comparison_is_no_end(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    # One partition: nothing is merged, so the report has not asked for the artifact yet.
    monkeypatch.setenv("TAXI_REPORT_PARTITION_ROWS", "50000")
    one = request(log)
    workers = LocalWorkers(1)
    try:
        profiled = profile_rows(one, collect_rows(one), workers)
    finally:
        workers.close()
    assert log.artifact.version in profiled.current.part.profiles
    log.lose_the_artifact()

    document = compare_rows(one, profiled).document

    assert document["versions"] == []
    assert document["served"]["unprofiled"][log.artifact.version]["rows"] == log.written.rows
    assert any("were counted only" in problem for problem in document["problems"])


def test_an_artifact_that_comes_back_is_used_by_workers_that_missed_it(log: Log) -> None:
    log.lose_the_artifact()
    one = request(log)
    workers = LocalWorkers(1)
    try:
        without = profile_rows(one, collect_rows(one), workers).current.part
        log.restore_the_artifact()
        again = profile_rows(one, collect_rows(one), workers).current.part
    finally:
        workers.close()

    assert without.unprofiled[log.artifact.version][0] == log.written.rows
    assert again.unprofiled == {}
    assert again.profiles[log.artifact.version].rows == log.written.rows


def test_a_partition_that_mongodb_refuses_for_good_is_named_and_the_others_are_read(
    log: Log,
) -> None:
    refused = next(iter(log.database[PREDICTIONS].find({}, {"_id": 1}).sort("ts", 1).skip(2500)))
    # A view that cannot be computed for one ride: the server refuses all that asks for it.
    log.database[LABELS].rename("labels_behind")
    by = {"$cond": [{"$eq": ["$_id", refused["_id"]]}, 0, 1]}
    log.database.create_collection(
        LABELS, viewOn="labels_behind",
        pipeline=[{"$addFields": {"value": {"$divide": ["$value", by]}}}],
    )  # fmt: skip
    one = request(log)
    workers = LocalWorkers(2)
    try:
        collected = collect_rows(one)
        profiled = profile_rows(one, collected, workers)
        document = compare_rows(one, profiled).document
    finally:
        workers.close()
        log.database.drop_collection(LABELS)
        log.database["labels_behind"].rename(LABELS)

    assert len(collected.tasks) > 3
    (reason,) = profiled.current.failed.values()
    assert "MongoDB refuses: " in reason
    assert log.written.rows - 1000 <= document["served"]["rows"] < log.written.rows
    (problem,) = document["problems"]
    assert f"1 of {len(collected.tasks)} partitions of the span could not be read" in problem
