"""Inferences of other servers: two events become rows of the log, whatever happens between."""

import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from support.artifacts import artifact_for
from support.monitor import HEADERS, TOKEN, Monitor
from support.predictor import register
from support.taxi_columns import DISTANCE, DROPOFF, EVENT_TIME, PICKUP, SCHEMA
from support.waiting import wait_for

from taxi_domain.models import Alias
from taxi_domain.mongodb import PENDING, PREDICTIONS
from taxi_local.mongod import Mongod
from taxi_store.admin.indexes import ensure_indexes
from taxi_store.connection import connect
from taxi_store.log import pending
from taxi_store.log.pending import Half, Side

pytestmark = pytest.mark.component
SERVICE = "rides"
KINDS = {Half.REQUEST: "instances", Half.RESPONSE: "predictions"}


@pytest.fixture
def version(mongod: Mongod) -> str:
    with connect(mongod.uri, app_name="test") as client:
        ensure_indexes(client["taxi"])
    return register(mongod.uri, Alias.CHAMPION, artifact_for(SCHEMA))


@pytest.fixture
def monitor(mongod: Mongod, version: str, tmp_path: Path) -> Iterator[Monitor]:
    assert version
    one = Monitor(
        tmp_path, mongod.uri, TAXI_MONITOR_INFERENCE_SERVICE=SERVICE, TAXI_MONITOR_MIN_ROWS="10",
        TAXI_MONITOR_WINDOW_ROWS="100",
    ).start()  # fmt: skip
    one.wait("/v1/drift", "window", 0)
    yield one
    one.stop()


def row(number: int = 0) -> dict[str, Any]:
    return {PICKUP: 74, DROPOFF: 75, DISTANCE: 2.5 + number, EVENT_TIME: "2021-03-01T10:00:00"}


def send(
    monitor: Monitor, half: Half, inference: str, *items: object, **changed: str
) -> httpx.Response:
    """Send an event as KServe's logger does: binary, as a form, with the token in the address."""
    headers = {
        "Ce-Id": inference, "Ce-Specversion": "1.0", "Ce-Source": "http://localhost:9081/",
        "Ce-Type": f"org.kubeflow.serving.inference.{half}", "Ce-Endpoint": "",
        "Ce-Time": datetime.now(UTC).isoformat(), "Ce-Inferenceservicename": SERVICE,
        "Content-Type": "application/x-www-form-urlencoded",
    }  # fmt: skip
    host = monitor.url.removeprefix("http://")
    return httpx.post(
        f"http://events:{TOKEN}@{host}/v1/events", content=json.dumps({KINDS[half]: items}),
        headers=headers | changed, timeout=30,
    )  # fmt: skip


def logged(mongod: Mongod) -> dict[str, Any]:
    with connect(mongod.uri, app_name="test") as client:
        return {one["_id"]: one for one in client["taxi"][PREDICTIONS].find()}


def states(mongod: Mongod) -> dict[str, str]:
    with connect(mongod.uri, app_name="test") as client:
        return {one["_id"]: one["state"] for one in client["taxi"][PENDING].find()}


def counted(monitor: Monitor, half: Half | str, result: str) -> float:
    name = f'taxi_monitor_events_total{{half="{half}",result="{result}"}} '
    return float(
        httpx.get(f"{monitor.metrics_url}/metrics", timeout=15).text.partition(name)[2].split()[0]
    )


def test_inferences_are_windows_labels_and_rows_of_the_log(
    monitor: Monitor, mongod: Mongod, version: str
) -> None:
    for number in range(30):
        halves: list[tuple[Half, list[Any]]] = [
            (Half.REQUEST, [row(number % 3), row()]), (Half.RESPONSE, [12.5, 9.0])
        ]  # fmt: skip
        for half, items in halves if number % 2 else halves[::-1]:
            answer = send(monitor, half, f"i-{number}", *items)
            # A Knative broker takes any content for an event.
            assert (answer.status_code, answer.content) == (200, b"")

    monitor.wait("/v1/drift", "window", 60)
    found = logged(mongod)
    assert len(found) == 60
    assert found["i-5-0"]["inputs"] == {PICKUP: 74, DROPOFF: 75, DISTANCE: 4.5}
    assert (found["i-5-1"]["prediction"], found["i-5-1"]["model_version"]) == (9.0, version)
    labels = [{"ride_id": f"i-{number}-0", "duration": 10} for number in range(30)]
    assert monitor.post("/v1/labels", {"labels": labels}).json()["accepted"] == 30
    assert monitor.wait("/v1/performance", "labelled_rows", 30)["actual"]["rmse"] == 2.5


def test_halves_survive_a_kill_and_come_again_without_doubling(
    monitor: Monitor, mongod: Mongod
) -> None:
    assert send(monitor, Half.RESPONSE, "late", 12.5).status_code == 200
    monitor.kill()
    monitor.start()
    monitor.wait("/v1/drift", "window", 0)
    assert states(mongod) == {"late": "one"}

    assert send(monitor, Half.REQUEST, "late", row()).status_code == 200
    assert send(monitor, Half.REQUEST, "late", row(9)).status_code == 200
    assert send(monitor, Half.RESPONSE, "late", 99.0).status_code == 200

    assert [(one["prediction"], one["inputs"][DISTANCE]) for one in logged(mongod).values()] == [
        (12.5, 2.5)
    ]
    assert states(mongod) == {"late": "done"}
    assert counted(monitor, Half.REQUEST, "repeated") == 1
    assert counted(monitor, Half.RESPONSE, "repeated") == 1


def test_a_pair_that_a_killed_pod_left_whole_is_joined(monitor: Monitor, mongod: Mongod) -> None:
    """It stored the second half and did not live to log the rows; nobody sends them again."""
    long_ago = datetime(2021, 1, 1, tzinfo=UTC)
    with connect(mongod.uri, app_name="test") as client:
        database = client["taxi"]
        # Without the index of its expiry: it is long over.
        database[PENDING].drop_indexes()
        sides = [
            Side(
                "left", half,
                {
                    "data": json.dumps({KINDS[half]: [item]}).encode(), "bytes": 70, "time": None,
                    "version": "", "endpoint": "",
                },
            )
            for half, item in ((Half.REQUEST, row()), (Half.RESPONSE, 12.5))
        ]  # fmt: skip
        pending.add(database, sides, long_ago)
        assert pending.pair_of(database, "left") is not None

    wait_for("the pair", lambda: set(logged(mongod)) == {"left"})
    wait_for("its end", lambda: states(mongod) == {"left": "done"})


def test_what_cannot_be_taken_is_a_problem_passed_over_or_told_by_index(
    monitor: Monitor, mongod: Mongod
) -> None:
    def refused(half: Half, *items: object, **changed: str) -> str:
        answer = send(monitor, half, "bad", *items, **changed)
        assert answer.status_code == 422, answer.text
        assert answer.headers["Content-Type"] == "application/problem+json"
        return str(answer.json()["field"])

    assert refused(Half.REQUEST) == "data"
    service = {"Ce-Inferenceservicename": "x"}
    assert refused(Half.REQUEST, row(), **service) == "inferenceservicename"
    assert refused(Half.REQUEST, row(), **{"Ce-Id": "x" * 200}) == "id"
    other = {"Ce-Type": "org.kubeflow.serving.inference.outlier"}
    assert send(monitor, Half.REQUEST, "other", row(), **other).status_code == 200
    assert counted(monitor, "other", "ignored") == 1
    assert states(mongod) == {}
    # The second half says that the first one cannot be used.
    assert send(monitor, Half.REQUEST, "pair", [1, 2]).status_code == 200
    assert refused(Half.RESPONSE, 1.0, **{"Ce-Id": "pair"}) == "instances"
    assert states(mongod) == {"pair": "done"}
    assert logged(mongod) == {}

    url = f"{monitor.url}/v1/events"
    assert httpx.post(url, json={}, headers=HEADERS, timeout=15).status_code == 415
    assert httpx.post(url, json={}, timeout=15).status_code == 401
    wrong = {"Authorization": "Basic " + base64.b64encode(b"events:wrong").decode()}
    assert httpx.post(url, headers=wrong, timeout=15).status_code == 401

    # Batches are answered by index.
    def event(half: Half, inference: str, item: object) -> dict[str, Any]:
        return {
            "specversion": "1.0", "id": inference, "source": "gateway",
            "type": f"org.kubeflow.serving.inference.{half}", "data": {KINDS[half]: [item]},
        }  # fmt: skip

    body = [
        event(Half.REQUEST, "a", row()), event(Half.RESPONSE, "a", 12.5), {"id": "b"},
        event(Half.REQUEST, "c", row()),
        {**event(Half.REQUEST, "d", row()), "time": "0001-01-01T00:00:00+14:00"},
        {**event(Half.REQUEST, "e", row()), "data": "BYTE"},
    ]  # fmt: skip
    content = json.dumps(body).encode().replace(b"BYTE", b"\xff")
    headers = {**HEADERS, "Content-Type": "application/cloudevents-batch+json"}

    answer = httpx.post(url, content=content, headers=headers, timeout=15).json()

    assert (answer["taken"], answer["repeated"], answer["ignored"]) == (3, 0, 0)
    assert [(one["index"], one["field"]) for one in answer["refused"]] == [
        (2, "event"), (4, "time"), (5, "data")
    ]  # fmt: skip
    assert set(logged(mongod)) == {"a"}
    metrics = f"{monitor.metrics_url}/metrics"
    wait_for(
        "the gauge",
        lambda: "\ntaxi_monitor_pending_events 1.0" in httpx.get(metrics, timeout=15).text,
    )
    too_many = json.dumps([{}] * 101)
    assert httpx.post(url, content=too_many, headers=headers, timeout=15).status_code == 413
