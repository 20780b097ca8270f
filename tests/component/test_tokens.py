"""Two doors with a token each, which are changed while requests flow."""

import itertools
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from support.artifacts import artifact_for
from support.monitor import Monitor
from support.predictor import PLAIN, TAXI, Predictor, register
from support.waiting import wait_for

from taxi_domain.models import Alias
from taxi_local.mongod import Mongod

pytestmark = pytest.mark.component

#: Tokens are looked at once a second.
LOOK_SECONDS = 1.1
DOORS = {
    "ingest": ("/v1/predictions", "/v1/records", "/v1/rows", "/v1/events"),
    "labels": ("/v1/labels", "/v1/labels/corrections"),
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
        tmp_path, mongod.uri, TAXI_MONITOR_TOKEN="", TAXI_MONITOR_TOKENS=str(tokens)
    ).start()
    yield one
    one.stop()


def status(monitor: Monitor, path: str, token: str) -> int:
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    return httpx.post(f"{monitor.url}{path}", content=b"[]", headers=headers).status_code


def test_each_token_opens_its_own_door_alone(monitor: Monitor, tokens: Path) -> None:
    for door, paths in DOORS.items():
        (other,) = (name for name in DOORS if name != door)
        for path in paths:
            assert status(monitor, path, f"{other}-token-1") == 403
            assert status(monitor, path, "another-token") == 401
            assert status(monitor, path, f"{door}-token-1") not in {401, 403}
    # The one token that older Secrets have opens both.
    write(tokens, "token", "for-all-doors")
    time.sleep(LOOK_SECONDS)
    for path in itertools.chain(*DOORS.values()):
        assert status(monitor, path, "for-all-doors") not in {401, 403}


def test_tokens_are_changed_without_a_refused_request(
    monitor: Monitor, tokens: Path, mongod: Mongod, tmp_path: Path
) -> None:
    (tmp_path / "predictor").mkdir()
    predictor = Predictor(
        tmp_path / "predictor",
        mongod.uri,
        TAXI_MONITOR_URL=monitor.url,
        TAXI_MONITOR_TOKENS=str(tokens),
    ).start()
    stop = threading.Event()
    answers: list[int] = []

    def send() -> None:
        with httpx.Client(timeout=15) as client:
            for number in itertools.count():
                if stop.is_set():
                    return
                client.post(f"{predictor.url}/predict", json={**PLAIN, "ride_id": f"r-{number}"})
                # As a client does whose token is changed with the Secret: it sends the first one.
                token = (tokens / "labels").read_text().split()[0]
                headers = {"Authorization": f"Bearer {token}"}
                labels = {"labels": [{"ride_id": f"r-{number}", "duration": 5}]}
                url = f"{monitor.url}/v1/labels"
                answers.append(client.post(url, json=labels, headers=headers).status_code)

    def writes(result: str) -> float:
        text = httpx.get(f"{predictor.metrics_url}/metrics", timeout=15).text
        name = f'taxi_predictor_log_writes_total{{destination="monitor",result="{result}"}} '
        return float(text.partition(name)[2].split()[0])

    monitor.wait("/v1/drift", "window", 0)
    sender = threading.Thread(target=send)
    sender.start()
    try:
        steps = (("1",), ("1", "2"), ("2", "1"), ("2",))
        for step in steps:
            for name in DOORS:
                write(tokens, name, *(f"{name}-token-{number}" for number in step))
            time.sleep(LOOK_SECONDS)
        before, count = writes("ok"), len(answers)
        wait_for("more of both", lambda: writes("ok") > before and len(answers) > count)
        failed = writes("error")
    finally:
        stop.set()
        sender.join()
        predictor.stop()

    assert set(answers) == {200}
    assert status(monitor, "/v1/labels", "labels-token-1") == 401
    assert failed == 0
