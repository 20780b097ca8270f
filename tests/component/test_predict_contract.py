"""The predictor through its real edge: gunicorn, HTTP, a real mongod."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from support.predictor import (
    PLAIN,
    TAXI,
    Predictor,
    logged,
    register,
    small_artifact,
    wait_until_logged,
)
from support.waiting import wait_for

from taxi_domain.metrics import CATALOGUE
from taxi_domain.models import MODEL_NAME, Alias
from taxi_domain.mongodb import PREDICTIONS
from taxi_local.mongod import Mongod, running_mongod
from taxi_schema.features import derive
from taxi_schema.records import row_of
from taxi_store.connection import connect
from taxi_store.log.malformed import Unreadable

pytestmark = pytest.mark.component


@pytest.fixture(scope="module")
def mongo() -> Iterator[Mongod]:
    with running_mongod() as one:
        yield one


@pytest.fixture(scope="module")
def predictor(mongo: Mongod, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Predictor]:
    register(mongo.uri, Alias.CHAMPION, small_artifact())
    one = Predictor(tmp_path_factory.mktemp("predictor"), mongo.uri).start()
    yield one
    one.stop()


def post(predictor: Predictor, path: str, **kwargs: object) -> httpx.Response:
    return httpx.post(f"{predictor.url}{path}", timeout=30, **kwargs)  # type: ignore[arg-type]


def test_plain_body_is_answered_and_logged(predictor: Predictor, mongo: Mongod) -> None:
    answer = post(predictor, "/predict", json=PLAIN)

    assert answer.status_code == 200
    body = answer.json()
    assert body["duration"] == pytest.approx(3.66 * 4, abs=1e-4)
    assert body["ride_id"] in wait_until_logged(mongo.uri, 1)
    with connect(mongo.uri, app_name="test") as client:
        found = client["taxi"][PREDICTIONS].find({"_id": body["ride_id"]})
        (record,) = Unreadable().records(found)
    assert (record.model, record.model_role) == (MODEL_NAME, "champion")
    assert record.prediction == body["duration"]
    assert record.inputs == PLAIN
    row, _ = row_of(TAXI, record.inputs, record.event_time)
    assert derive(TAXI)(row)[3] == 130205
    assert record.latency_seconds is not None
    assert 0 < record.latency_seconds < 10
    assert record.event_time is None


def test_a_row_sent_twice_is_logged_once(predictor: Predictor, mongo: Mongod) -> None:
    ride = {**PLAIN, "ride_id": "twice", "lpep_pickup_datetime": "2021-01-31T08:15:00"}

    answers = [post(predictor, "/predict", json=ride).json() for _ in range(2)]
    last = post(predictor, "/predict", json={**PLAIN, "ride_id": "after-twice"})

    assert [answer["ride_id"] for answer in answers] == ["twice", "twice"]
    assert last.status_code == 200
    wait_for("both", lambda: {"twice", "after-twice"} <= set(logged(mongo.uri)))
    assert logged(mongo.uri).count("twice") == 1


def test_batch_keeps_the_order_and_reports_bad_rows_by_index(predictor: Predictor) -> None:
    rows = [{**PLAIN, "trip_distance": float(miles)} for miles in range(5)]
    rows[2] = {**PLAIN, "PULocationID": 999}

    items = post(predictor, "/predict/batch", json=rows).json()

    # One minute is the least that the target has.
    assert [round(item["duration"], 3) for item in items if "duration" in item] == [1, 4, 12, 16]
    assert (items[2]["index"], items[2]["field"]) == (2, "PULocationID")
    wrapped = post(predictor, "/predict/batch", json={"rows": rows[:1]}).json()
    assert len(wrapped) == 1


@pytest.mark.parametrize(
    ("kwargs", "status", "field"),
    [
        ({"json": {**PLAIN, "trip_distance": -1}}, 422, "trip_distance"),
        ({"json": {**PLAIN, "trip_distance": "1.01"}}, 422, "trip_distance"),
        ({"json": {"PULocationID": 1, "DOLocationID": 2}}, 422, "trip_distance"),
        ({"json": {**PLAIN, "PULocationID": 99999}}, 422, "PULocationID"),
        ({"json": {**PLAIN, "vendor": {"a": 1}}}, 422, "vendor"),
        ({"json": [PLAIN]}, 422, "body"),
        ({"content": b"null", "headers": {"Content-Type": "application/json"}}, 422, "body"),
        ({"content": b"{", "headers": {"Content-Type": "application/json"}}, 400, None),
        ({"content": b"", "headers": {"Content-Type": "application/json"}}, 400, None),
        (
            {"content": b'{"trip_distance": NaN}', "headers": {"Content-Type": "application/json"}},
            400,
            None,
        ),
        ({"content": b"[" * 200_000, "headers": {"Content-Type": "application/json"}}, 400, None),
        ({"content": b"PULocationID=1"}, 415, None),
        (
            {"content": b" " * 3_000_000, "headers": {"Content-Type": "application/json"}},
            413,
            None,
        ),
    ],
)
def test_refusal_is_a_problem_that_names_the_field(
    predictor: Predictor, kwargs: dict[str, object], status: int, field: str | None
) -> None:
    answer = post(predictor, "/predict", **kwargs)

    assert answer.status_code == status
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json().get("field") == field
    assert answer.json()["detail"]


@pytest.mark.parametrize(
    ("body", "status"), [([], 422), ({"rows": 3}, 422), ([PLAIN] * 1001, 413), ("x", 422)]
)
def test_strange_batch_is_refused(predictor: Predictor, body: object, status: int) -> None:
    assert post(predictor, "/predict/batch", json=body).status_code == status


def test_unknown_route_and_method_are_problems(predictor: Predictor) -> None:
    assert httpx.get(f"{predictor.url}/nothing", timeout=30).json()["status"] == 404
    assert httpx.get(f"{predictor.url}/predict", timeout=30).json()["status"] == 405


def test_model_says_what_serves(predictor: Predictor) -> None:
    found = httpx.get(f"{predictor.url}/v1/model", timeout=30).json()

    assert found["model_version"] == small_artifact().version
    assert found["digest"] == small_artifact().digest
    assert (found["target"], found["unit"]) == ("duration", "minutes")
    assert found["schema_sha256"] == TAXI.digest
    assert httpx.get(f"{predictor.metrics_url}/healthz", timeout=30).status_code == 200
    assert httpx.get(f"{predictor.url}/openapi.json", timeout=30).json()["openapi"] == "3.1.0"


def test_metrics_are_those_of_the_catalogue(predictor: Predictor) -> None:
    post(predictor, "/predict", json=PLAIN)
    text = httpx.get(f"{predictor.metrics_url}/metrics", timeout=30).text

    known = {metric.name: metric for metric in CATALOGUE}
    seen = set()
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            name = sample.name.removesuffix("_bucket").removesuffix("_sum").removesuffix("_count")
            metric = known.get(sample.name) or known[name]
            assert set(sample.labels) - {"le"} == set(metric.labels), sample.name
            seen.add(metric.name)
    assert "taxi_predictor_predictions_total" in seen


def test_pod_without_a_model_waits_and_says_why(tmp_path: Path) -> None:
    with running_mongod() as empty:
        predictor = Predictor(tmp_path, empty.uri).start(until="/healthz")
        try:
            waiting = httpx.get(f"{predictor.metrics_url}/readyz", timeout=30)
            refused = post(predictor, "/predict", json=PLAIN)

            assert (waiting.status_code, refused.status_code) == (503, 503)
            assert "no model yet" in refused.json()["detail"]
            assert refused.headers["Retry-After"]
            for path in ("/openapi.json", "/v1/model"):
                assert httpx.get(f"{predictor.url}{path}", timeout=30).status_code == 503, path
            register(empty.uri, Alias.CHAMPION, small_artifact())
            readyz = f"{predictor.metrics_url}/readyz"
            wait_for("the model", lambda: httpx.get(readyz, timeout=30).status_code == 200)
        finally:
            predictor.stop()


def test_bad_setting_ends_with_one_line(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="TAXI_PREDICT_WORKERS"):
        Predictor(tmp_path, "mongodb://127.0.0.1:1/taxi", TAXI_PREDICT_WORKERS="many").start()
