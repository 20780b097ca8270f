"""Halves of inferences whose other half never comes: of requests that failed there is none."""

import json
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest
from prometheus_client import CollectorRegistry
from pymongo.database import Database
from support.artifacts import artifact_for
from support.predictor import register
from support.taxi_columns import DISTANCE, DROPOFF, EVENT_TIME, PICKUP, SCHEMA

from taxi_domain.models import MODEL_NAME, Alias
from taxi_domain.mongodb import PENDING, PREDICTIONS
from taxi_local.mongod import Mongod
from taxi_monitor.events.cloudevents import Event
from taxi_monitor.http import event_log
from taxi_monitor.http.event_log import EventLog
from taxi_monitor.http.routes import Parts
from taxi_monitor.metrics.counters import Counters
from taxi_store.admin.indexes import ensure_indexes
from taxi_store.connection import Document, connect
from taxi_store.log.pending import Half, Waiting

pytestmark = pytest.mark.component
NOW = datetime.now(UTC)
ROW = {PICKUP: 74, DROPOFF: 75, DISTANCE: 2.5, EVENT_TIME: "2021-03-01T10:00:00"}
BODIES = {Half.REQUEST: {"instances": [ROW]}, Half.RESPONSE: {"predictions": [12.5]}}


class Intake:
    """Takes events in this process, each a second after the one before."""

    def __init__(self, database: Database[Document], version: str) -> None:
        self.registry = CollectorRegistry()
        self.now = NOW - timedelta(seconds=200)
        state = SimpleNamespace(
            schema_of=lambda _: SCHEMA, version_of={Alias.CHAMPION: version}.get, problem="",
            ingest=lambda _: None,
        )  # fmt: skip
        parts = SimpleNamespace(
            clock=lambda: self.now.timestamp(), model=MODEL_NAME, database=database,
            counters=Counters(self.registry), state=state,
        )  # fmt: skip
        self.log = EventLog(cast("Parts", parts), "rides")

    def take(self, half: Half, *ids: str) -> dict[str, Any]:
        self.now += timedelta(seconds=1)
        data = json.dumps(BODIES[half]).encode()
        return dict(self.log.take([Event(one, half, NOW, "", "", "", data) for one in ids], ""))

    def dropped(self, half: Half) -> float | None:
        labels = {"half": str(half), "result": event_log.DROPPED}
        return self.registry.get_sample_value("taxi_monitor_events_total", labels)


def test_requests_that_failed_make_room_for_inferences(
    mongod: Mongod, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = register(mongod.uri, Alias.CHAMPION, artifact_for(SCHEMA))
    with connect(mongod.uri, app_name="test") as client:
        database = client["taxi"]
        ensure_indexes(database)
        halves = database[PENDING].index_information()["halves"]
        assert halves["expireAfterSeconds"] == 600
        assert halves["partialFilterExpression"] == {"state": "one"}
        monkeypatch.setattr(event_log, "MAX_WAITING", Waiting(20, 10**6))
        intake = Intake(database, version)

        for number in range(30):
            intake.take(Half.REQUEST, f"failed-{number}")
        intake.take(Half.REQUEST, "good")
        intake.log.look()

        waiting = {one["_id"] for one in database[PENDING].find({"state": "one"})}
        # The oldest are gone, the newest wait on.
        assert {"good", "failed-29", "failed-20"} <= waiting
        assert len(waiting) < 20
        assert "failed-0" not in waiting
        assert intake.dropped(Half.REQUEST) == 31 - len(waiting)
        assert intake.dropped(Half.RESPONSE) == 0
        intake.take(Half.RESPONSE, "good")
        assert [one["_id"] for one in database[PREDICTIONS].find()] == ["good"]
        # What comes behind its time is told, and waits no more.
        too_late = intake.take(Half.RESPONSE, "failed-0")["failed-0"]
        assert (too_late.stored, too_late.refused[0]["field"]) == (0, "id")
        assert database[PENDING].find_one({"_id": "failed-0"}, {"stored_at": 0}) == {
            "_id": "failed-0", "state": "dropped"
        }  # fmt: skip


def test_a_full_store_still_joins_what_completes_it(
    mongod: Mongod, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of one batch: the oldest halves are completed and not dropped, however many there are."""
    version = register(mongod.uri, Alias.CHAMPION, artifact_for(SCHEMA))
    with connect(mongod.uri, app_name="test") as client:
        database = client["taxi"]
        ensure_indexes(database)
        intake = Intake(database, version)
        size = len(json.dumps(BODIES[Half.RESPONSE]))
        ids = [f"i-{number}" for number in range(10)]
        intake.take(Half.RESPONSE, *ids)
        monkeypatch.setattr(event_log, "MAX_WAITING", Waiting(1000, 10 * size))

        joined = intake.take(Half.REQUEST, *ids[:2])

        assert {name: one.stored for name, one in joined.items()} == {"i-0": 1, "i-1": 1}
        assert intake.dropped(Half.RESPONSE) == 0
        # By bytes as well as by number.
        intake.take(Half.RESPONSE, *(f"more-{number}" for number in range(4)))
        assert intake.dropped(Half.RESPONSE) == 3
        assert database[PENDING].count_documents({"state": "one"}) == 9
