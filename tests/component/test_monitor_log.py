"""A monitor follows a log that files were scored and labelled into, with a real mongod."""

import math
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from bson.datetime_ms import DatetimeMS
from prometheus_client import CollectorRegistry
from pymongo.database import Database
from support.monitor_windows import NOW, taxi_record, watched
from support.report_log import register
from support.taxi_artifacts import taxi_artifact
from support.taxi_columns import INPUTS as COLUMNS_OF_INPUTS
from support.taxi_columns import taxi_reference, taxi_rides, usual

from taxi_domain.models import MODEL_NAME
from taxi_domain.mongodb import LABELS, PREDICTIONS
from taxi_domain.records import LABEL_VALUE, Label, PredictionRecord, Shadow
from taxi_local.mongod import Mongod
from taxi_monitor.metrics.counters import Counters
from taxi_monitor.settings import Settings
from taxi_monitor.tailer import log_tailer
from taxi_monitor.tailer.follower import OVERLAP, Follower
from taxi_monitor.tailer.log_reader import LogReader
from taxi_monitor.tailer.log_tailer import LogTailer
from taxi_monitor.windows.state import State
from taxi_profiles.reference import MOMENT, PREDICTION, TARGET
from taxi_store.connection import Document, connect
from taxi_store.log.malformed import Unreadable
from taxi_store.log.prediction_log import insert_labels, insert_records
from taxi_store.registry.artifacts import Artifact

pytestmark = pytest.mark.component

WINDOW = 20_000
COLUMNS = (*COLUMNS_OF_INPUTS, PREDICTION, TARGET, MOMENT)
INPUTS = {"PULocationID": 41, "DOLocationID": 42, "trip_distance": 1.5}


@cache
def artifact() -> Artifact:
    return taxi_artifact(usual(taxi_rides("green-2020-03-before.parquet"))[:6000])


class Followed:
    """A log, and a tailer that is called by hand."""

    def __init__(self, database: Database[Document], uri: str) -> None:
        self.database = database
        self.version = register(database, artifact(), datetime.now(UTC))
        self.ahead = timedelta()
        self.registry = CollectorRegistry()
        settings = Settings.model_validate(
            {
                "TAXI_MONGODB_URI": uri, "TAXI_MONITOR_TOKEN": "12345678",
                "TAXI_MONITOR_WINDOW_ROWS": WINDOW, "TAXI_MONITOR_ERROR_WINDOW_ROWS": WINDOW,
            }
        )  # fmt: skip
        self.state = State(WINDOW, 500)
        self.tailer = LogTailer(
            database, settings, self.state, Counters(self.registry),
            lambda: self.now().timestamp(),
        )  # fmt: skip
        self.tailer.follow_aliases()
        self.tailer.catch_up()

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    def log(self, ids: list[str]) -> None:
        """Log rows that were answered ten seconds ago, as a program of somebody's own may."""
        at = self.now()
        one = PredictionRecord(
            "", at - timedelta(seconds=10), None, MODEL_NAME, self.version, "champion", INPUTS, 9.0
        ).to_document()
        self._insert(PREDICTIONS, [{**one, "_id": row_id, "stored_at": at} for row_id in ids])

    def label(self, ids: list[str], behind: float = 0) -> list[Label]:
        """Store labels by a clock that is so many seconds behind."""
        labels = [Label(row_id, 12.0, self.now()) for row_id in ids]
        at = self.now() - timedelta(seconds=behind)
        documents = [
            {"_id": one.row_id, LABEL_VALUE: one.value, "ts": one.ts, "stored_at": at}
            for one in labels
        ]
        self._insert(LABELS, documents)
        return labels

    def _insert(self, collection: str, documents: list[Document]) -> None:
        self.database[collection].insert_many(documents, ordered=False)

    def read(self) -> dict[str, int]:
        """Let the tailer look once; return how many documents of the log that read."""
        self.database["system.profile"].drop()
        self.database.command("profile", 2)
        self.tailer.catch_up()
        self.database.command("profile", 0)
        return {
            name: sum(
                one.get("docsExamined", 0)
                for one in self.database["system.profile"].find(
                    {"ns": f"{self.database.name}.{name}"}
                )
            )
            for name in (PREDICTIONS, LABELS)
        }

    def looks(self) -> int:
        """Return how many queries of the log the last `read` was."""
        logs = [f"{self.database.name}.{name}" for name in (PREDICTIONS, LABELS)]
        found = {"ns": {"$in": logs}, "op": "query"}
        return self.database["system.profile"].count_documents(found)

    def joined(self) -> list[float]:
        """Return the labelled rows of the window, the labels joined, and the lags observed."""
        (champion,) = self.state.watched()
        names = ("taxi_monitor_labels_total", "taxi_monitor_label_lag_seconds_count")
        counted = [
            self.registry.get_sample_value(name, {"result": "joined"} if "total" in name else {})
            for name in names
        ]
        return [champion.labelled.snapshot().rows, *(value or 0 for value in counted)]


@pytest.fixture(scope="module")
def client_of(shared_mongod: Mongod) -> Iterator[Any]:
    with connect(shared_mongod.uri, app_name="test") as client:
        yield SimpleNamespace(client=client, uri=shared_mongod.uri)


@pytest.fixture
def followed(client_of: Any) -> Followed:
    return Followed(client_of.client[f"taxi-{uuid.uuid4().hex[:8]}"], client_of.uri)


def test_more_than_are_remembered_are_joined_once_and_not_read_again(
    client_of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit, batch = 2000, 1000
    monkeypatch.setattr(log_tailer, "Follower", partial(Follower, max_taken=limit))
    followed = Followed(client_of.client[f"taxi-{uuid.uuid4().hex[:8]}"], client_of.uri)
    rows = 15 * batch
    for start in range(0, rows, batch):
        ids = [f"ride-{number}" for number in range(start, start + batch)]
        followed.log(ids)
        followed.label(ids)
    followed.tailer.catch_up()
    assert followed.joined() == [rows] * 3

    for _ in range(2):  # ids alone, of what is remembered, and no record or label of them
        assert max(followed.read().values()) <= limit
        assert followed.looks() == 2
    followed.ahead = OVERLAP + timedelta(seconds=1)
    followed.read()
    assert followed.read() == {PREDICTIONS: 0, LABELS: 0}
    assert followed.joined() == [rows] * 3


def test_labels_of_a_clock_behind_are_joined_and_counted_once(followed: Followed) -> None:
    ids = [f"ride-{number}" for number in range(40)]
    followed.log(ids)
    followed.label(ids[:10])
    followed.tailer.catch_up()
    followed.label(ids[10:20], behind=15)
    followed.tailer.catch_up()
    assert followed.joined() == [20] * 3

    posted = followed.label(ids[20:30])
    followed.tailer.take_labels(posted)
    assert followed.joined() == [30] * 3
    early = followed.label(ids[30:])
    followed.tailer.catch_up()
    followed.tailer.take_labels(early)  # of a post that was stored, and met before it was joined
    assert followed.joined() == [40] * 3
    lags = followed.registry.get_sample_value("taxi_monitor_label_lag_seconds_sum")
    assert 40 * 10 <= (lags or 0) < 40 * 20

    found = followed.read()
    assert max(found.values()) <= 40  # ids alone, within the overlap
    assert followed.looks() == 2
    followed.ahead = OVERLAP + timedelta(seconds=1)
    followed.read()
    assert followed.read() == {PREDICTIONS: 0, LABELS: 0}
    assert followed.joined() == [40] * 3


def test_labels_before_their_rows_and_bad_documents_do_not_hold_up(followed: Followed) -> None:
    followed.label(["a", "b"])
    followed.database[LABELS].insert_one({"_id": {"x": 1}, "stored_at": followed.now()})
    followed.tailer.catch_up()
    assert followed.joined() == [0] * 3
    followed.log(["a"])
    followed.tailer.catch_up()
    assert followed.joined() == [1] * 3
    assert followed.tailer.unreadable.count == 1
    done, _ = insert_labels(
        followed.database, [Label("b", 13.0, followed.now())], followed.now(), Unreadable()
    )
    assert done.repeated == 1


def damaged(number: int, **fields: object) -> Document:
    return {**taxi_record(number, INPUTS).to_document(), **fields}


def test_windows_are_filled_with_the_newest_that_can_be_read(client_of: Any) -> None:
    database = client_of.client[f"taxi-{uuid.uuid4().hex[:8]}"]
    records = [taxi_record(number, INPUTS, prediction=float(number)) for number in range(100)]
    records += [
        taxi_record(100, INPUTS, model_version="v2", shadow=(Shadow("v1", 100.0),)),
        taxi_record(101, INPUTS, model_version="v2"),
    ]
    bad = [
        damaged(102, prediction=math.inf), damaged(103, inputs=None), damaged(104, _id={"row": 1}),
        damaged(105, ts=DatetimeMS(2**62)), damaged(106, shadow=[{"model_version": "v0"}]),
    ]  # fmt: skip
    insert_records(database, [*(one.to_document() for one in records), *bad], NOW)
    # Every second row has a label, and every second of these is outside of the limits.
    labels = [Label(f"r{n}", 2000.0 if n % 4 else 12.0, NOW) for n in range(0, 110, 2)]
    counted: list[tuple[str, str]] = []
    unreadable = Unreadable(lambda collection, field: counted.append((collection, field)))
    insert_labels(database, labels, NOW, unreadable)
    reader = LogReader(database, unreadable)

    version = watched(taxi_reference(dict.fromkeys(COLUMNS, np.arange(1.0, 201.0))), 6)
    reader.fill(version, 6, 6)

    window, labelled = version.window.snapshot(), version.labelled.snapshot()
    assert window.columns["prediction"].tolist() == [95.0, 96.0, 97.0, 98.0, 99.0, 100.0]
    assert labelled.evaluated.columns["prediction"].tolist() == [80.0, 84, 88, 92, 96, 100]
    # The newest six of any label: what is older and outside is left out.
    assert (labelled.rows, labelled.outside) == (6, 3)
    assert sorted(field for _, field in counted) == [
        "_id", "inputs", "prediction", "shadow.prediction", "ts",
    ]  # fmt: skip
