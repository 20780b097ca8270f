"""Doors with a token each, which are changed while requests flow."""

import itertools
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from support.artifacts import artifact_for
from support.monitor import Monitor
from support.predictor import PLAIN, TAXI, Predictor, register
from support.waiting import wait_for

from taxi_domain.models import MODEL_NAME, Alias
from taxi_local.mongod import Mongod
from taxi_store.connection import connect

pytestmark = pytest.mark.component

#: Tokens are looked at once a second.
LOOK_SECONDS = 1.1
DOORS = {
    "ingest": ("/v1/predictions", "/v1/records", "/v1/rows", "/v1/events"),
    "labels": ("/v1/labels", "/v1/labels/corrections"),
    "read": ("/", "/v1/drift", "/v1/performance", "/v1/verdicts", "/v1/reports", "/openapi.json"),
}


def write(folder: Path, name: str, *tokens: str) -> None:
    """Change a file at once, as a mounted Secret changes."""
    changed = folder / f"..{name}"
    changed.write_text("\n".join(tokens))
    changed.rename(folder / name)


@pytest.fixture
def tokens(tmp_path: Path) -> Path:
    folder = tmp_path / "tokens"
    folder.mkdir()
    for name in DOORS:
        write(folder, name, f"{name}-token-1")
    return folder


@pytest.fixture
def monitor(mongod: Mongod, tokens: Path, tmp_path: Path) -> Iterator[Monitor]:
    register(mongod.uri, Alias.CHAMPION, artifact_for(TAXI))
    one = Monitor(
        tmp_path, mongod.uri, TAXI_MONITOR_TOKEN="", TAXI_MONITOR_TOKENS=str(tokens),
        TAXI_MONITOR_READING_CLOSED="true",
    ).start()  # fmt: skip
    yield one
    one.stop()


def first_of(file: Path) -> dict[str, str]:
    return {"Authorization": f"Bearer {file.read_text().split()[0]}"}


def status(monitor: Monitor, path: str, token: str) -> int:
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    method = "GET" if path in DOORS["read"] else "POST"
    return httpx.request(
        method, f"{monitor.url}{path}", content=b"[]", headers=headers, timeout=15
    ).status_code


def test_each_token_opens_its_own_door_alone(monitor: Monitor, tokens: Path) -> None:
    for door, paths in DOORS.items():
        others = [name for name in DOORS if name != door]
        for path in paths:
            for other in others:
                assert status(monitor, path, f"{other}-token-1") == 403
            assert status(monitor, path, "another-token") == 401
            assert status(monitor, path, f"{door}-token-1") not in {401, 403}
    # A browser asks its user, whose name is of no matter.
    challenge = httpx.get(f"{monitor.url}/", timeout=15).headers["WWW-Authenticate"]
    assert 'Basic realm="taxi-monitoring"' in challenge
    assert httpx.get(f"{monitor.url}/", auth=("ann", "read-token-1"), timeout=15).status_code == 200
    for path in ("/healthz", "/metrics"):
        assert httpx.get(f"{monitor.metrics_url}{path}", timeout=15).status_code == 200
    # The one token that older Secrets have opens all.
    write(tokens, "token", "for-all-doors")
    time.sleep(LOOK_SECONDS)
    for path in itertools.chain(*DOORS.values()):
        assert status(monitor, path, "for-all-doors") not in {401, 403}


def test_labels_say_whose_token_they_came_by(
    monitor: Monitor, tokens: Path, mongod: Mongod
) -> None:
    write(tokens, "labels.billing", "token-of-billing")
    time.sleep(LOOK_SECONDS)
    wait_for_the_model(monitor)

    def send(path: str, value: float, token: str) -> int:
        body = {"labels": [{"ride_id": f"of-{token}", "duration": value}]}
        headers = {"Authorization": f"Bearer {token}"}
        return httpx.post(
            f"{monitor.url}{path}", json=body, headers=headers, timeout=30
        ).status_code

    for token in ("labels-token-1", "token-of-billing"):
        assert send("/v1/labels", 5, token) == 200
        assert send("/v1/labels/corrections", 6, token) == 200

    with connect(mongod.uri, app_name="test") as client:
        stored = {one["_id"]: one for one in client["taxi"]["labels"].find()}
    named, unnamed = stored["of-token-of-billing"], stored["of-labels-token-1"]
    assert (named["by"], named["replaced"][0]["by"]) == ("billing", "billing")
    assert not {"by"} & (set(unnamed) | set(unnamed["replaced"][0]))


def test_what_the_monitor_logs_says_whose_token_it_came_by(
    monitor: Monitor, tokens: Path, mongod: Mongod
) -> None:
    write(tokens, "ingest.edge", "token-of-edge")
    time.sleep(LOOK_SECONDS)
    wait_for_the_model(monitor)
    with connect(mongod.uri, app_name="test") as client:
        version = client["taxi"]["models"].find_one({})["_id"]  # type: ignore[index]

    for sender, token in (("", "ingest-token-1"), ("edge", "token-of-edge")):

        def send(path: str, body: object, token: str = token, **headers: str) -> None:
            headers |= {"Authorization": f"Bearer {token}"}
            answer = httpx.post(f"{monitor.url}{path}", json=body, headers=headers, timeout=15)
            assert answer.status_code == 200, answer.text

        record = {
            "_id": f"record-{sender}", "ts": datetime.now(UTC).isoformat(), "model": MODEL_NAME,
            "model_version": version, "model_role": "champion", "inputs": PLAIN, "prediction": 1.0,
            "by": "somebody else",
        }  # fmt: skip
        send("/v1/records", {"records": [record]})
        send("/v1/rows", {"rows": [{**PLAIN, "ride_id": f"row-{sender}"}]})
        for half, body in (("request", {"instances": [PLAIN]}), ("response", {"predictions": [2]})):
            send("/v1/events", body, **{
                "Ce-Id": f"event-{sender}", "Ce-Specversion": "1.0", "Ce-Source": "a",
                "Ce-Type": f"org.kubeflow.serving.inference.{half}",
            })  # fmt: skip

    with connect(mongod.uri, app_name="test") as client:
        stored = {
            one["_id"]: one.get("by")
            for name in ("predictions", "rows") for one in client["taxi"][name].find()
        }  # fmt: skip
    assert stored == {
        "record-": None, "row-": None, "event-": None,
        "record-edge": "edge", "row-edge": "edge", "event-edge": "edge",
    }  # fmt: skip


def wait_for_the_model(monitor: Monitor) -> None:
    headers = {"Authorization": "Bearer read-token-1"}

    def has_champion() -> bool:
        answer = httpx.get(f"{monitor.url}/v1/drift", headers=headers, timeout=15)
        return "champion" in answer.text

    wait_for("the model", has_champion)


def test_tokens_are_changed_without_a_refused_request(
    monitor: Monitor, tokens: Path, mongod: Mongod, tmp_path: Path
) -> None:
    (tmp_path / "predictor").mkdir()
    callers = tmp_path / "callers"
    callers.mkdir()
    write(callers, "shop", "shop-token-1")
    predictor = Predictor(
        tmp_path / "predictor",
        mongod.uri,
        TAXI_MONITOR_URL=monitor.url,
        TAXI_MONITOR_TOKENS=str(tokens),
        TAXI_PREDICT_CALLERS=str(callers),
    ).start()
    stop = threading.Event()
    answers: list[int] = []
    predicted: list[int] = []

    def send() -> None:
        with httpx.Client(timeout=15) as client:
            for number in itertools.count():
                if stop.is_set():
                    return
                # As clients do whose token is changed with the Secret: they send the first one.
                row = {**PLAIN, "ride_id": f"r-{number}"}
                headers = first_of(callers / "shop")
                url = f"{predictor.url}/predict"
                predicted.append(client.post(url, json=row, headers=headers).status_code)
                headers = first_of(tokens / "labels")
                labels = {"labels": [{"ride_id": f"r-{number}", "duration": 5}]}
                url = f"{monitor.url}/v1/labels"
                answers.append(client.post(url, json=labels, headers=headers).status_code)

    def writes() -> float:
        text = httpx.get(f"{predictor.metrics_url}/metrics", timeout=15).text
        name = 'taxi_predictor_log_writes_total{destination="monitor",result="ok"} '
        return float(text.partition(name)[2].split()[0])

    wait_for_the_model(monitor)
    sender = threading.Thread(target=send)
    sender.start()
    try:
        steps = (("1",), ("1", "2"), ("2", "1"), ("2",))
        for step in steps:
            for name in DOORS:
                write(tokens, name, *(f"{name}-token-{number}" for number in step))
            write(callers, "shop", *(f"shop-token-{number}" for number in step))
            time.sleep(LOOK_SECONDS)
            # What was begun with the tokens of before has ended when another one behind it has.
            before, count = writes(), len(answers)
            wait_for(
                "two more of both",
                lambda before=before, count=count: (
                    writes() >= before + 2 and len(answers) >= count + 2
                ),
            )
    finally:
        stop.set()
        sender.join()
        predictor.stop()

    assert set(answers) == set(predicted) == {200}
    assert status(monitor, "/v1/labels", "labels-token-1") == 401
    # One that is too busy to answer in time is told later.
    told = (tmp_path / "predictor" / "log.txt").read_text().splitlines()
    assert not [line for line in told if "monitor is not told" in line and "401" in line]
