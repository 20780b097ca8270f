"""The monitor through its real edge: gunicorn, HTTP, a real mongod, real rides."""

import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from support.mongod import Mongod
from support.monitor import HEADERS, Monitor
from taxi_domain.features import Features, calendar_of
from taxi_domain.rides import Ride

from taxi_domain.metrics import CATALOGUE
from taxi_domain.models import MODEL_NAME, Alias
from taxi_domain.records import PredictionRecord
from taxi_store.connection import connect
from taxi_store.log.prediction_log import insert_records
from taxi_store.registry.registry import Registry
from taxi_train.data.rides import Rides, read_all, read_file
from taxi_train.main import SAMPLES
from taxi_train.runs.bootstrap import bootstrap

pytestmark = pytest.mark.component
NOW = datetime.now(UTC)
EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - local time


@pytest.fixture(scope="module")
def rides() -> Rides:
    return read_file(SAMPLES / "green-2020-03-after.parquet")


@pytest.fixture
def version(mongod: Mongod) -> str:
    with connect(mongod.uri, app_name="test") as client:
        found = bootstrap(
            client["taxi"], MODEL_NAME,
            lambda: read_file(SAMPLES / "green-2020-03-before.parquet")[-30_000:],
            lambda: NOW,
        )  # fmt: skip
    return found[Alias.CHAMPION]


@pytest.fixture
def monitor(mongod: Mongod, version: str, tmp_path: Path) -> Iterator[Monitor]:
    assert version
    one = Monitor(tmp_path, mongod.uri).start()
    yield one
    one.stop()


def documents(rides: Rides, version: str, start: int, end: int) -> list[dict[str, Any]]:
    found = []
    for number in range(start, end):
        pickup_at = EPOCH + timedelta(seconds=float(rides.moment[number]))
        hour, weekday = calendar_of(pickup_at)
        zones = int(rides.pickup[number]), int(rides.dropoff[number])
        miles = float(rides.distance[number])
        ride_id = f"ride-{number:06d}"
        record = PredictionRecord(
            ride_id,
            NOW + timedelta(milliseconds=number),
            MODEL_NAME,
            version,
            "champion",
            Ride(*zones, miles, pickup_at, ride_id),
            Features(*zones, miles, hour, weekday),
            5 + 3 * min(miles, 15),
        )
        found.append(record.to_document())
    return found


def as_json(one: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in one.items()
    }


def store(mongod: Mongod, found: list[dict[str, Any]]) -> None:
    with connect(mongod.uri, app_name="test") as client:
        insert_records(client["taxi"], found, datetime.now(UTC))


def labels(rides: Rides, start: int, end: int) -> dict[str, list[dict[str, object]]]:
    return {
        "labels": [
            {"ride_id": f"ride-{number:06d}", "duration": float(rides.duration[number])}
            for number in range(start, end)
        ]
    }


@pytest.fixture(scope="module")
def uncut() -> Rides:
    """Rides with labels as TLC has them: a few took no time, or many hours."""
    found = read_all(SAMPLES / "green-2020-03-after.parquet")
    return found[found.distance <= 100]


def test_a_killed_monitor_says_the_same_again(
    monitor: Monitor, mongod: Mongod, version: str, uncut: Rides
) -> None:
    rides = uncut
    found = documents(rides, version, 0, 4000)
    store(mongod, found)
    for start in range(0, 4000, 500):
        body = {"records": [as_json(one) for one in found[start : start + 500]]}
        assert monitor.post("/v1/predictions", body).status_code == 200
    assert monitor.post("/v1/labels", labels(rides, 0, 4000)).json()["accepted"] == 4000
    monitor.wait("/v1/performance", "labelled_rows", 2000)
    drift, errors = monitor.champion("/v1/drift"), monitor.champion("/v1/performance")

    monitor.kill()
    monitor.start()
    monitor.wait("/v1/performance", "labelled_rows", 2000)
    drift_again, errors_again = monitor.champion("/v1/drift"), monitor.champion("/v1/performance")

    assert drift["score_ratio"] is not None
    assert drift["window"]["rows"] == 2000
    newest = rides.duration[2000:4000]
    outside = (newest < 1) | (newest > 60)
    assert errors["labels_outside_ratio"] == outside.sum() / 2000 > 0.01
    assert errors["actual"]["score_ratio"] < 1 < newest.max() / 600
    for one in (drift, drift_again, errors, errors_again):
        one.pop("evaluated_at")
        one.pop("verdict", None)  # two breaches in a row need rides in between
    assert drift_again == drift
    assert errors_again == errors
    page = httpx.get(f"{monitor.url}/").text
    assert version in page
    assert "PULocationID" in page
    assert "of the newest labels are outside of\n  1 to 60 minutes" in page


def test_eight_writers_lose_no_ride(monitor: Monitor, version: str, rides: Rides) -> None:
    found = documents(rides, version, 0, 1600)

    def post(part: list[dict[str, Any]]) -> None:
        for start in range(0, len(part), 20):
            body = {"records": [as_json(one) for one in part[start : start + 20]]}
            assert monitor.post("/v1/predictions", body).status_code == 200

    threads = [threading.Thread(target=post, args=(found[one::8],)) for one in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert monitor.wait("/v1/drift", "window", 1600)["window"]["rows"] == 1600


def test_log_fills_what_was_never_posted_and_early_labels_wait(
    monitor: Monitor, mongod: Mongod, version: str, rides: Rides
) -> None:
    assert monitor.post("/v1/labels", labels(rides, 0, 700)).json()["accepted"] == 700
    found = documents(rides, version, 0, 700)
    monitor.post("/v1/predictions", {"records": [as_json(one) for one in found[:100]]})
    store(mongod, found)

    assert monitor.wait("/v1/drift", "window", 700)["score_ratio"] is not None
    assert monitor.wait("/v1/performance", "labelled_rows", 700)["actual"]["rmse"] > 0
    again = monitor.post("/v1/labels", labels(rides, 0, 700)).json()
    assert (again["accepted"], again["repeated"]) == (0, 700)


def test_the_first_label_and_the_answer_in_the_log_stay(
    monitor: Monitor, mongod: Mongod, version: str, rides: Rides
) -> None:
    def of_an_hour(start: int, end: int) -> dict[str, list[dict[str, object]]]:
        found = labels(rides, start, end)["labels"]
        return {"labels": [{**one, "duration": 60.0} for one in found]}

    found = documents(rides, version, 0, 700)
    # Another pod answered the same rides a second later, and its answers were posted.
    later = [{**one, "ts": one["ts"] + timedelta(seconds=1), "prediction": 55.0} for one in found]
    for body in (labels(rides, 0, 400), of_an_hour(0, 400)):
        assert monitor.post("/v1/labels", body).status_code == 200
    monitor.post("/v1/predictions", {"records": [as_json(one) for one in later]})
    store(mongod, found)
    store(mongod, later)
    monitor.wait("/v1/drift", "window", 700)
    repeated = {"labels": [*labels(rides, 400, 700)["labels"], *of_an_hour(300, 700)["labels"]]}
    assert monitor.post("/v1/labels", repeated).json()["repeated"] == 400

    squares = [(one["prediction"] - rides.duration[n]) ** 2 for n, one in enumerate(found)]
    wanted = pytest.approx((sum(squares) / 700) ** 0.5)

    def settled() -> dict[str, Any]:
        deadline = time.monotonic() + 30
        while True:
            says = monitor.wait("/v1/performance", "labelled_rows", 700)
            if says["actual"]["rmse"] == wanted or time.monotonic() > deadline:
                return says
            time.sleep(0.1)

    assert settled()["actual"]["rmse"] == wanted
    monitor.kill()
    monitor.start()
    assert monitor.wait("/v1/performance", "labelled_rows", 700)["actual"]["rmse"] == wanted


def test_metrics_appear_with_what_is_known(monitor: Monitor, version: str, rides: Rides) -> None:
    def names() -> set[str]:
        text = httpx.get(f"{monitor.url}/metrics").text
        known = {metric.name: metric for metric in CATALOGUE}
        found = set()
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                name = sample.name
                for suffix in ("_bucket", "_sum", "_count", "_created"):
                    name = name if name in known else name.removesuffix(suffix)
                if sample.name.endswith("_created"):
                    continue
                assert set(sample.labels) - {"le"} == set(known[name].labels), sample.name
                found.add(name)
        return found

    deadline = time.monotonic() + 30
    while "taxi_monitor_window_rows" not in (before := names()):
        assert time.monotonic() < deadline, "no window is exported"
        time.sleep(0.1)
    posted = documents(rides, version, 0, 600)
    monitor.post("/v1/predictions", {"records": [as_json(one) for one in posted]})
    monitor.wait("/v1/drift", "window", 600)

    assert "taxi_monitor_drift_score_ratio" not in before
    assert {"taxi_monitor_drift_score_ratio", "taxi_monitor_drift_detected"} <= names()
    assert "taxi_monitor_error_rmse_seconds" not in names()


def test_mongod_away_is_told_and_labels_are_asked_again(
    monitor: Monitor, mongod: Mongod, rides: Rides
) -> None:
    mongod.kill()

    refused = monitor.post("/v1/labels", labels(rides, 0, 3))

    assert refused.status_code == 503
    assert refused.headers["Retry-After"]
    mongod.start()
    assert monitor.post("/v1/labels", labels(rides, 0, 3)).status_code == 200


def test_new_champion_begins_its_own_window(
    monitor: Monitor, mongod: Mongod, version: str, rides: Rides
) -> None:
    monitor.post("/v1/predictions", {"records": [as_json(documents(rides, version, 0, 1)[0])]})
    monitor.wait("/v1/drift", "window", 1)
    with connect(mongod.uri, app_name="test") as client:
        registry = Registry(client["taxi"])
        fallback = registry.alias(MODEL_NAME, Alias.FALLBACK)
        assert fallback is not None
        registry.move_alias(
            MODEL_NAME, Alias.CHAMPION, to=fallback.version, expected=version, by="t", now=NOW
        )

    found = monitor.wait("/v1/drift", "model_version", fallback.version)
    assert found["window"]["rows"] == 0


BSON = {"Content-Type": "application/bson"}


@pytest.mark.parametrize(
    ("path", "kwargs", "status"),
    [
        ("/v1/labels", {"json": {"labels": []}}, 401),
        ("/v1/labels", {"json": {"labels": []}, "headers": {"Authorization": "Bearer x"}}, 401),
        ("/v1/labels", {"json": [], "headers": HEADERS}, 422),
        ("/v1/predictions", {"content": b"{", "headers": HEADERS}, 415),
        ("/v1/predictions", {"content": b"\x05\0\0", "headers": {**HEADERS, **BSON}}, 422),
        ("/v1/predictions", {"json": {"records": [{}] * 10_001}, "headers": HEADERS}, 413),
    ],
)
def test_strange_requests_are_problems(
    monitor: Monitor, path: str, kwargs: dict[str, Any], status: int
) -> None:
    answer = httpx.post(f"{monitor.url}{path}", timeout=20, **kwargs)

    assert answer.status_code == status
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_bad_items_are_refused_by_index(monitor: Monitor) -> None:
    body = {"labels": [{"ride_id": "a", "duration": 3}, {"ride_id": "a b", "duration": 3}, 7]}

    answer = monitor.post("/v1/labels", body).json()

    assert answer["accepted"] == 1
    assert [(one["index"], one["field"]) for one in answer["refused"]] == [
        (1, "ride_id"),
        (2, "ride_id"),
    ]
