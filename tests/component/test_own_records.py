"""Records of a predictor that is not this project's: in the log before the answer, or refused."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from support.artifacts import artifact_for
from support.monitor import HEADERS, Monitor
from support.taxi_columns import DISTANCE, DROPOFF, PICKUP, SCHEMA

from taxi_domain.models import MODEL_NAME, Alias, ModelState
from taxi_local.mongod import Mongod
from taxi_monitor.http.record_checks import MAX_RECORD_BYTES
from taxi_store.connection import connect
from taxi_store.registry.registry import Registry

pytestmark = pytest.mark.component
NOW = datetime.now(UTC)
WINDOW = 100
ROWS = 400


@pytest.fixture
def version(mongod: Mongod) -> str:
    with connect(mongod.uri, app_name="test") as client:
        registry = Registry(client["taxi"])
        version = registry.add(
            artifact_for(SCHEMA), model=MODEL_NAME, state=ModelState.ACCEPTED, now=NOW
        )
        registry.move_alias(MODEL_NAME, Alias.CHAMPION, to=version, expected=None, by="t", now=NOW)
    return version


@pytest.fixture
def monitor(mongod: Mongod, version: str, tmp_path: Path) -> Iterator[Monitor]:
    assert version
    one = Monitor(
        tmp_path, mongod.uri, TAXI_MONITOR_WINDOW_ROWS=str(WINDOW), TAXI_MONITOR_MIN_ROWS="50"
    ).start()
    yield one
    one.stop()


def record(version: str, number: int = 0, **changed: Any) -> dict[str, Any]:
    return {
        "_id": f"own-{number:04d}",
        "ts": (NOW + timedelta(milliseconds=number)).isoformat(),
        "event_time": "2021-03-01T10:00:00",
        "model": MODEL_NAME,
        "model_version": version,
        "model_role": "champion",
        "inputs": {DISTANCE: 2.5, PICKUP: 74, DROPOFF: 75},
        "prediction": 12.5,
        **changed,
    }


def logged(mongod: Mongod) -> dict[str, Any]:
    with connect(mongod.uri, app_name="test") as client:
        return {one["_id"]: one for one in client["taxi"]["predictions"].find()}


def test_a_label_joins_a_row_that_left_the_window_before_a_restart(
    monitor: Monitor, version: str
) -> None:
    records = [record(version, number) for number in range(ROWS)]
    answer = monitor.post("/v1/records", {"records": records})
    assert answer.json() == {"accepted": ROWS, "repeated": 0, "refused": []}
    monitor.wait("/v1/drift", "window", WINDOW)

    monitor.kill()
    monitor.start()

    monitor.wait("/v1/drift", "window", WINDOW)
    labels = [{"ride_id": f"own-{number:04d}", "duration": 10} for number in range(60)]
    assert monitor.post("/v1/labels", {"labels": labels}).json()["accepted"] == 60
    found = monitor.wait("/v1/performance", "labelled_rows", 60)
    assert found["actual"]["rmse"] == pytest.approx(2.5)


def test_the_first_answer_of_a_row_stays_and_early_labels_are_joined(
    monitor: Monitor, mongod: Mongod, version: str
) -> None:
    monitor.wait("/v1/drift", "window", 0)
    labels = [{"ride_id": f"own-{number:04d}", "duration": 10} for number in range(60)]
    assert monitor.post("/v1/labels", {"labels": labels}).json()["accepted"] == 60
    records = [record(version, number) for number in range(60)]
    others = [{**one, "prediction": 50.0} for one in records[:20]]

    first = monitor.post("/v1/records", {"records": [*records, *others]}).json()
    second = monitor.post("/v1/records", {"records": others}).json()

    assert first == {"accepted": 60, "repeated": 20, "refused": []}
    assert second == {"accepted": 0, "repeated": 20, "refused": []}
    assert {one["prediction"] for one in logged(mongod).values()} == {12.5}
    found = monitor.wait("/v1/performance", "labelled_rows", 60)
    assert found["actual"]["rmse"] == pytest.approx(2.5)


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"_id": "a b"}, "_id"),
    ({"ts": "2021-03-01T10:00:00"}, "ts"),
    ({"ts": "yesterday"}, "ts"),
    ({"ts": None}, "ts"),
    ({"ts": "2099-01-01T00:00:00Z"}, "ts"),
    ({"event_time": "2021-03-01T10:00:00+01:00"}, "event_time"),
    ({"event_time": "10 o'clock"}, "event_time"),
    ({"event_time": 7}, "event_time"),
    ({"model": "another"}, "model"),
    ({"model_version": "0123456789ab"}, "model_version"),
    ({"model_version": 7}, "model_version"),
    ({"model_role": "boss"}, "model_role"),
    ({"inputs": [1]}, "inputs"),
    ({"inputs": {DISTANCE: {"$gt": 1}}}, f"inputs.{DISTANCE}"),
    ({"inputs": {DISTANCE: 2**63}}, f"inputs.{DISTANCE}"),
    ({"extra": {"$where": "x"}}, "extra.$where"),
    ({"extra": {"a": [1]}}, "extra.a"),
    ({"extra": {"a": "x" * MAX_RECORD_BYTES}}, "record"),
    ({"extra": {"a\0b": 1}}, "extra.a\0b"),
    ({"extra": "text"}, "extra"),
    ({"prediction": "12"}, "prediction"),
    ({"prediction": 1e200}, "prediction"),
    ({"latency_seconds": "soon"}, "latency_seconds"),
    ({"shadow": [{"model_version": "v"}]}, "shadow.prediction"),
]


def test_what_cannot_be_logged_is_refused_by_index_and_field(
    monitor: Monitor, mongod: Mongod, version: str
) -> None:
    wrong = [record(version, number, **changed) for number, (changed, _) in enumerate(WRONG)]
    records = [record(version, 900), *wrong, 7, {}, record(version, 901, event_time=None)]

    answer = monitor.post("/v1/records", {"records": records})

    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert found["accepted"] == 2
    refused = [(one["index"], one["field"]) for one in found["refused"]]
    fields = [field for _, field in WRONG]
    assert refused == list(enumerate([*fields, "_id", "_id"], 1))
    assert all(one["problem"].count("; ") for one in found["refused"]), "each has a remedy"
    assert set(logged(mongod)) == {"own-0900", "own-0901"}


@pytest.mark.parametrize(
    ("kwargs", "status"),
    [
        ({"json": {"records": []}}, 401),
        ({"json": {"records": [{}] * 10_001}, "headers": HEADERS}, 413),
        ({"json": {"labels": []}, "headers": HEADERS}, 422),
        ({"content": b"{", "headers": {**HEADERS, "Content-Type": "application/json"}}, 400),
        ({"content": b"{", "headers": {**HEADERS, "Content-Type": "application/bson"}}, 415),
    ],
)
def test_strange_requests_are_problems(
    monitor: Monitor, kwargs: dict[str, Any], status: int
) -> None:
    answer = httpx.post(f"{monitor.url}/v1/records", timeout=20, **kwargs)

    assert answer.status_code == status
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_without_mongodb_nothing_is_confirmed(
    monitor: Monitor, mongod: Mongod, version: str
) -> None:
    mongod.kill()
    refused = monitor.post("/v1/records", {"records": [record(version)]})
    assert refused.status_code == 503
    assert refused.headers["Retry-After"]

    mongod.start()
    again = monitor.post("/v1/records", {"records": [record(version)]})
    assert again.json()["accepted"] == 1
    assert set(logged(mongod)) == {"own-0000"}
