"""A real predictor: gunicorn with workers on a loopback port, a real ONNX model, real disk."""

import json
import os
import re
import signal
import threading
import time
import uuid
from datetime import UTC, datetime
from pathlib import Path

import httpx
from onnx import TensorProto, helper

from support.artifacts import Linear, graph_inputs, model_bytes
from taxi_domain.models import (
    ARTIFACT_FORMAT_VERSION,
    CARD_FILE,
    MODEL_NAME,
    ONNX_FILE,
    SCHEMA_FILE,
    Alias,
    ModelState,
)
from taxi_local.parts import PredictorProcess
from taxi_schema.reading import read_schema
from taxi_schema.schema import Schema
from taxi_store.connection import connect
from taxi_store.registry.artifacts import Artifact, artifact_of
from taxi_store.registry.registry import Registry

NOW = datetime(2026, 1, 1, tzinfo=UTC)
PLAIN = {"PULocationID": 130, "DOLocationID": 205, "trip_distance": 3.66}


TAXI = read_schema(Path(__file__).parents[2] / "models" / "taxi_duration" / "schema.toml")
FLIGHTS = read_schema(Path(__file__).parents[2] / "models" / "flight_delay" / "schema.toml")


def served_artifact(schema: Schema, graph: bytes, **entries: object) -> Artifact:
    """Return what a predictor needs of an artifact: no reference and no profile."""
    card = {
        "format_version": ARTIFACT_FORMAT_VERSION, "kind": "small", "target": schema.target.name,
        "schema_sha256": schema.digest, "metrics": {},
        "prediction_buckets": [1.0, 2.5, 5.0, 10.0, 15.0, 20.0, 30.0, 60.0], **entries,
    }  # fmt: skip
    return artifact_of({
        ONNX_FILE: graph, CARD_FILE: json.dumps(card).encode(), SCHEMA_FILE: schema.to_json(),
    })  # fmt: skip


def small_artifact(minutes_a_mile: float = 4.0) -> Artifact:
    """Return a real graph of the taxi example: duration = miles x factor."""
    model = Linear(weights={"trip_distance": minutes_a_mile})
    return served_artifact(TAXI, model.graph(TAXI), factor=minutes_a_mile)


def division_graph(factor: float = 20.0) -> bytes:
    """Return a graph that has no finite answer for one legal ride: duration = factor / miles."""
    output = helper.make_tensor_value_info("duration", TensorProto.FLOAT, [None, 1])
    constant = helper.make_tensor("$factor", TensorProto.FLOAT, [1], [factor])
    node = helper.make_node("Div", ["$factor", "trip_distance"], ["duration"])
    return model_bytes(helper.make_graph([node], "d", graph_inputs(TAXI), [output], [constant]))


def division_artifact(factor: float = 20.0) -> Artifact:
    """Return an artifact of that graph."""
    return served_artifact(TAXI, division_graph(factor), kind="division")


def register(uri: str, alias: Alias, artifact: Artifact) -> str:
    """Put an artifact into the registry and let an alias point at it."""
    with connect(uri, app_name="test") as client:
        registry = Registry(client["taxi"])
        version = registry.add(artifact, model=MODEL_NAME, state=ModelState.ACCEPTED, now=NOW)
        now = registry.alias(MODEL_NAME, alias)
        registry.move_alias(
            MODEL_NAME, alias, to=version, expected=now.version if now else None, by="t", now=NOW
        )
        return version


class Predictor(PredictorProcess):
    """One predictor container's processes, with its own data folder."""

    def kill_a_worker(self) -> None:
        """Kill one worker process."""
        assert self._process is not None
        pid = self._process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        os.kill(int(children[0]), signal.SIGKILL)

    def kill_the_delivery(self) -> None:
        """Kill the process that writes to MongoDB."""
        self._signal_the_delivery(signal.SIGKILL)

    def hang_the_delivery(self) -> None:
        """Stop that process without ending it."""
        self._signal_the_delivery(signal.SIGSTOP)

    def _signal_the_delivery(self, number: signal.Signals) -> None:
        os.kill(self.delivery(), number)

    def delivery(self) -> int:
        """Return the pid of that process."""
        (pid,) = (one for one in self.pids() if "taxi_predict.delivery.main" in _command_of(one))
        return pid

    def terminate(self) -> int:
        """End it as Kubernetes does, and return the exit code."""
        assert self._process is not None
        self._process.terminate()
        return self._process.wait(120)


def _command_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:  # it has ended
        return ""


_ANSWERS_SECONDS = 60


class Load:
    """Sends rows with ids of their own from a few threads and remembers the answers."""

    def __init__(self, url: str, threads: int = 4, pause: float = 0.005) -> None:
        self._url = url
        self._pause = pause
        self._stop = threading.Event()
        self.answered: list[str] = []
        #: How long each answer took.
        self.seconds: list[float] = []
        self._threads = [threading.Thread(target=self._send) for _ in range(threads)]

    def __enter__(self) -> "Load":
        """Begin."""
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End and wait for the last answers."""
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def wait_for(self, more: int, seconds: float = 0.0) -> None:
        """Wait until so many more rides are answered, and for so long at least.

        How long the answers take on a busy machine says nothing here.
        """
        wanted, begin = len(self.answered) + more, time.monotonic()
        time.sleep(seconds)
        while len(self.answered) < wanted:
            late = time.monotonic() - begin > _ANSWERS_SECONDS
            assert not late, f"{len(self.answered)} of {wanted} are answered"
            time.sleep(0.02)

    def _send(self) -> None:
        client = httpx.Client(timeout=20)
        while not self._stop.is_set():
            ride_id = uuid.uuid4().hex
            begin = time.monotonic()
            try:
                answer = client.post(f"{self._url}/predict", json={**PLAIN, "ride_id": ride_id})
            except httpx.TransportError:
                client.close()
                client = httpx.Client(timeout=20)
                time.sleep(0.05)
                continue
            if answer.status_code == 200:
                self.seconds.append(time.monotonic() - begin)
                self.answered.append(ride_id)
            time.sleep(self._pause)
        client.close()


def logged(uri: str) -> list[str]:
    """Return the ride ids in the log."""
    with connect(uri, app_name="test") as client:
        return [record["_id"] for record in client["taxi"]["predictions"].find({}, {"_id": 1})]


def page_with(predictor: Predictor, rows: float) -> str:
    """Return the metrics when so many rows are counted: counts arrive in strides."""
    deadline = time.monotonic() + 90
    while True:
        page = httpx.get(f"{predictor.metrics_url}/metrics", timeout=30).text
        if value(page, "taxi_predictor_predictions_total") >= rows:
            return page
        assert time.monotonic() < deadline, page
        time.sleep(0.1)


def value(page: str, name: str) -> float:
    """Return the sum of a metric's series."""
    found = re.findall(rf"^{name}(?:{{[^}}]*}})? (\S+)$", page, re.MULTILINE)
    assert found, f"{name} is not exported"
    return sum(map(float, found))


def wait_until_logged(uri: str, count: int, seconds: float = 90) -> list[str]:
    """Wait until the log has so many rows, and return them."""
    deadline = time.monotonic() + seconds
    found = logged(uri)
    while len(found) < count and time.monotonic() < deadline:
        time.sleep(0.2)
        found = logged(uri)
    assert len(found) >= count, f"{len(found)} of {count} rows are in the log"
    return found
