"""The monitor through its real edge: gunicorn, HTTP, a real mongod, real rides."""

import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from gridfs import GridFSBucket
from prometheus_client.parser import text_string_to_metric_families
from support.artifacts import artifact_for
from support.monitor import HEADERS, Monitor
from support.taxi_artifacts import answers_to, rows_of, taxi_artifact
from support.taxi_columns import DISTANCE, SCHEMA, taxi_rides, usual
from support.waiting import wait_for

from taxi_domain.metrics import CATALOGUE
from taxi_domain.models import MODEL_NAME, Alias, ModelState
from taxi_domain.mongodb import ARTIFACTS_BUCKET
from taxi_domain.records import PredictionRecord
from taxi_local.mongod import Mongod
from taxi_schema.columns.rows import LabelledRows
from taxi_schema.reading import schema_of
from taxi_schema.records import inputs_of
from taxi_store.connection import connect
from taxi_store.log.prediction_log import insert_records
from taxi_store.registry.artifacts import Artifact
from taxi_store.registry.registry import Registry

pytestmark = pytest.mark.component
NOW = datetime.now(UTC)


@pytest.fixture(scope="module")
def rides() -> LabelledRows:
    return usual(taxi_rides("green-2020-03-after.parquet"))


@pytest.fixture(scope="module")
def artifact() -> Artifact:
    return taxi_artifact(taxi_rides("green-2020-03-before.parquet")[-12_000:])


def register(mongod: Mongod, alias: Alias, artifact: Artifact) -> str:
    """Let an alias point at an artifact; return its version."""
    with connect(mongod.uri, app_name="test") as client:
        registry = Registry(client["taxi"])
        before = registry.alias(MODEL_NAME, alias)
        version = registry.add(artifact, model=MODEL_NAME, state=ModelState.ACCEPTED, now=NOW)
        registry.move_alias(
            MODEL_NAME,
            alias,
            to=version,
            expected=before.version if before else None,
            by="t",
            now=NOW,
        )
    return version


@pytest.fixture
def version(mongod: Mongod, artifact: Artifact) -> str:
    return register(mongod, Alias.CHAMPION, artifact)


@pytest.fixture
def monitor(mongod: Mongod, version: str, tmp_path: Path) -> Iterator[Monitor]:
    assert version
    one = Monitor(tmp_path, mongod.uri).start()
    yield one
    one.stop()


def documents(rides: LabelledRows, version: str, start: int, end: int) -> list[dict[str, Any]]:
    part = rides[start:end]
    return [
        PredictionRecord(
            f"ride-{start + place:06d}",
            NOW + timedelta(milliseconds=start + place),
            row.event_time,
            MODEL_NAME,
            version,
            "champion",
            inputs_of(SCHEMA, row),
            answer,
        ).to_document()
        for place, (row, answer) in enumerate(
            zip(rows_of(part), answers_to(part).tolist(), strict=True)
        )
    ]


def as_json(one: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in one.items()
    }


def store(mongod: Mongod, found: list[dict[str, Any]]) -> None:
    with connect(mongod.uri, app_name="test") as client:
        insert_records(client["taxi"], found, datetime.now(UTC))


def labels(rides: LabelledRows, start: int, end: int) -> dict[str, list[dict[str, object]]]:
    return {
        "labels": [
            {"ride_id": f"ride-{number:06d}", "duration": float(rides.target[number])}
            for number in range(start, end)
        ]
    }


@pytest.fixture(scope="module")
def uncut() -> LabelledRows:
    """Rides with labels as TLC has them: a few took no time, or many hours."""
    found = taxi_rides("green-2020-03-after.parquet")
    return found[(found.columns[DISTANCE] <= 100) & (found.target >= 0) & (found.target <= 1440)]


def test_a_killed_monitor_says_the_same_again(
    monitor: Monitor, mongod: Mongod, version: str, uncut: LabelledRows
) -> None:
    rides = uncut
    found = documents(rides, version, 0, 4000)
    store(mongod, found)
    for start in range(0, 4000, 500):
        body = {"records": [as_json(one) for one in found[start : start + 500]]}
        assert monitor.post("/v1/predictions", body).status_code == 200
    assert monitor.post("/v1/labels", labels(rides, 0, 4000)).json()["accepted"] == 4000
    monitor.wait("/v1/performance", "labelled_rows", 2000)
    # The window is full before all of them are joined.
    monitor.wait_for_evaluations()
    drift, errors = monitor.champion("/v1/drift"), monitor.champion("/v1/performance")

    monitor.kill()
    monitor.start()
    monitor.wait("/v1/performance", "labelled_rows", 2000)
    drift_again, errors_again = monitor.champion("/v1/drift"), monitor.champion("/v1/performance")

    assert drift["score_ratio"] is not None
    assert drift["window"]["rows"] == 2000
    newest = rides.target[2000:4000]
    outside = (newest < 1) | (newest > 60)
    assert errors["labels_outside_ratio"] == outside.sum() / 2000 > 0.01
    assert errors["actual"]["score_ratio"] < 1 < newest.max() / 600
    for one in (drift, drift_again, errors, errors_again):
        one.pop("evaluated_at")
        one.pop("verdict", None)  # two breaches in a row need rides in between
        # How far the log is judged by evidence depends on when it is asked.
        one.pop("judging", None)
        one.pop("evidence", None)
    assert drift_again == drift
    assert errors_again == errors
    page = httpx.get(f"{monitor.url}/", timeout=30).text
    assert version in page
    assert "PULocationID" in page
    assert "of the newest labels are outside of 1 to 60 minutes" in " ".join(page.split())


def test_eight_writers_lose_no_ride(monitor: Monitor, version: str, rides: LabelledRows) -> None:
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
    monitor: Monitor, mongod: Mongod, version: str, rides: LabelledRows
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
    monitor: Monitor, mongod: Mongod, version: str, rides: LabelledRows
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

    squares = [(one["prediction"] - rides.target[n]) ** 2 for n, one in enumerate(found)]
    wanted = pytest.approx((sum(squares) / 700) ** 0.5)

    def settled() -> dict[str, Any]:
        deadline = time.monotonic() + 90
        while True:
            says = monitor.wait("/v1/performance", "labelled_rows", 700)
            if says["actual"]["rmse"] == wanted or time.monotonic() > deadline:
                return says
            time.sleep(0.1)

    assert settled()["actual"]["rmse"] == wanted
    monitor.kill()
    monitor.start()
    assert monitor.wait("/v1/performance", "labelled_rows", 700)["actual"]["rmse"] == wanted


def test_metrics_appear_with_what_is_known(
    monitor: Monitor, version: str, rides: LabelledRows
) -> None:
    def names() -> set[str]:
        text = httpx.get(f"{monitor.metrics_url}/metrics", timeout=30).text
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

    deadline = time.monotonic() + 90
    while "taxi_monitor_window_rows" not in (before := names()):
        assert time.monotonic() < deadline, "no window is exported"
        time.sleep(0.1)
    posted = documents(rides, version, 0, 600)
    monitor.post("/v1/predictions", {"records": [as_json(one) for one in posted]})
    monitor.wait("/v1/drift", "window", 600)

    assert "taxi_monitor_drift_score_ratio" not in before
    assert {"taxi_monitor_drift_score_ratio", "taxi_monitor_drift_detected"} <= names()
    assert "taxi_monitor_error_rmse" not in names()


def test_mongod_away_is_told_and_labels_are_asked_again(
    monitor: Monitor, mongod: Mongod, rides: LabelledRows
) -> None:
    mongod.kill()

    refused = monitor.post("/v1/labels", labels(rides, 0, 3))

    assert refused.status_code == 503
    assert refused.headers["Retry-After"]
    mongod.start()
    assert monitor.post("/v1/labels", labels(rides, 0, 3)).status_code == 200


def test_new_champion_begins_its_own_window(
    monitor: Monitor, mongod: Mongod, version: str, rides: LabelledRows
) -> None:
    monitor.post("/v1/predictions", {"records": [as_json(documents(rides, version, 0, 1)[0])]})
    monitor.wait("/v1/drift", "window", 1)
    other = register(mongod, Alias.CHAMPION, artifact_for(SCHEMA))

    found = monitor.wait("/v1/drift", "model_version", other)
    assert found["window"]["rows"] == 0


def test_versions_of_different_columns_are_watched_at_once(
    monitor: Monitor, mongod: Mongod, version: str, rides: LabelledRows
) -> None:
    schema = schema_of({
        "id": "trip", "target": {"name": "fare", "unit": "dollars", "minimum": 0},
        "columns": [
            {"name": DISTANCE, "kind": "category"}, {"name": "vendor", "kind": "boolean"},
        ],
    })  # fmt: skip
    register(mongod, Alias.FALLBACK, artifact_for(schema))
    while len(monitor.get("/v1/drift")["versions"]) < 2:
        time.sleep(0.1)
    found = documents(rides, version, 0, 600)
    other = monitor.get("/v1/drift")["versions"][1]["model_version"]
    shadowed = [
        {**one, "shadow": [{"model_version": other, "prediction": 7.0}]} for one in found
    ]  # fmt: skip

    monitor.post("/v1/predictions", {"records": [as_json(one) for one in shadowed]})
    monitor.post("/v1/labels", labels(rides, 0, 600))
    monitor.wait("/v1/performance", "labelled_rows", 600)

    def windows() -> list[int]:
        # One is evaluated behind the other.
        return [one["window"]["rows"] for one in monitor.get("/v1/drift")["versions"]]

    wait_for("both windows", lambda: windows() == [600, 600])
    champion, fallback = monitor.get("/v1/drift")["versions"]
    assert set(fallback["problems"]) == {DISTANCE, "vendor"}, "what does not fit is missing"
    assert (champion["event_time"], fallback["event_time"]) == ("lpep_pickup_datetime", None)
    first, second = monitor.get("/v1/performance")["versions"]
    assert (first["unit"], first["target_limits"]) == ("minutes", [1, 60])
    assert (second["target"], second["target_limits"]) == ("fare", [0, None])
    page = httpx.get(f"{monitor.metrics_url}/metrics", timeout=30).text
    assert f'collection="predictions",field="{DISTANCE}",source="push"}} 600.0' in page
    assert 'target="fare",unit="dollars"' in page
    assert f'feature="vendor",model="{MODEL_NAME}",model_role="fallback"}} 1.0' in page


@pytest.mark.parametrize("damaged", list(Alias))
def test_a_version_that_cannot_be_read_keeps_no_other_from_being_followed(
    mongod: Mongod, artifact: Artifact, rides: LabelledRows, tmp_path: Path, damaged: Alias
) -> None:
    (sound,) = set(Alias) - {damaged}
    version = register(mongod, sound, artifact)
    gone = register(mongod, damaged, artifact_for(SCHEMA))
    with connect(mongod.uri, app_name="test") as client:
        files = GridFSBucket(client["taxi"], ARTIFACTS_BUCKET)
        files.delete_by_name(Registry(client["taxi"]).get(gone).digest)
    monitor = Monitor(tmp_path, mongod.uri).start()
    try:
        watched = wait_for("a version", lambda: monitor.get("/v1/drift")["versions"])
        assert [one["model_role"] for one in watched] == [sound]
        store(mongod, documents(rides, version, 0, 600))

        def window() -> Any:
            return monitor.get("/v1/drift")["versions"][0]["window"]["rows"] == 600

        wait_for("rows of the log", window)
        told = monitor.get("/v1/drift")["problem"]
    finally:
        monitor.stop()
    assert told == f"model version {gone}: its archive is gone"


def test_labels_before_the_first_model_are_asked_again(mongod: Mongod, tmp_path: Path) -> None:
    monitor = Monitor(tmp_path, mongod.uri).start()
    try:
        refused = monitor.post("/v1/labels", {"labels": []})
    finally:
        monitor.stop()

    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "5")
    assert "no model yet" in refused.json()["detail"]


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
