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

from support.server_process import ServerProcess
from taxi_domain.features import CATEGORICAL_FEATURES, MODEL_INPUTS, MODEL_OUTPUT
from taxi_domain.models import (
    ARTIFACT_FORMAT_VERSION,
    CARD_FILE,
    MODEL_NAME,
    ONNX_FILE,
    Alias,
    ModelState,
)
from taxi_store.connection import connect
from taxi_store.registry.artifacts import Artifact, artifact_of
from taxi_store.registry.registry import Registry

NOW = datetime(2026, 1, 1, tzinfo=UTC)
PLAIN = {"PULocationID": 130, "DOLocationID": 205, "trip_distance": 3.66}


def small_artifact(minutes_a_mile: float = 4.0) -> Artifact:
    """Return a real graph of the domain's inputs: duration = miles x factor."""
    graph = _graph("Mul", ["trip_distance", "factor"], minutes_a_mile)
    card = {"kind": "small", "factor": minutes_a_mile, "metrics": {}}
    return artifact_of({ONNX_FILE: graph, CARD_FILE: _card(card)})


def division_graph(factor: float = 20.0) -> bytes:
    """Return a graph that has no finite answer for one legal ride: duration = factor / miles."""
    return _graph("Div", ["factor", "trip_distance"], factor)


def division_artifact(factor: float = 20.0) -> Artifact:
    """Return an artifact of that graph."""
    return artifact_of({ONNX_FILE: division_graph(factor), CARD_FILE: _card({"kind": "division"})})


def _card(entries: dict[str, object]) -> bytes:
    return json.dumps({"format_version": ARTIFACT_FORMAT_VERSION, **entries}).encode()


def _graph(operation: str, operands: list[str], constant: float) -> bytes:
    inputs = [
        helper.make_tensor_value_info(
            name,
            TensorProto.INT64 if name in CATEGORICAL_FEATURES else TensorProto.FLOAT,
            [None, 1],
        )
        for name in MODEL_INPUTS
    ]
    output = helper.make_tensor_value_info(MODEL_OUTPUT, TensorProto.FLOAT, [None, 1])
    factor = helper.make_tensor("factor", TensorProto.FLOAT, [1], [constant])
    node = helper.make_node(operation, operands, [MODEL_OUTPUT])
    graph = helper.make_graph([node], "small", inputs, [output], [factor])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    data: bytes = model.SerializeToString()
    return data


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


class Predictor(ServerProcess):
    """One predictor container's processes, with its own data folder."""

    def __init__(self, folder: Path, uri: str, **variables: str) -> None:
        super().__init__("taxi_predict.server.main", folder / "log.txt", variables)
        self.folder = folder
        self._variables |= {
            "TAXI_MONGODB_URI": uri,
            "TAXI_PREDICT_DATA_DIR": str(folder / "data"),
            "TAXI_PREDICT_HOST": "127.0.0.1",
            "TAXI_PREDICT_PORT": str(self.port),
            "PROMETHEUS_MULTIPROC_DIR": str(folder / "metrics"),
            **variables,
        }

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
        return self._process.wait(60)


def _command_of(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()


class Load:
    """Sends rides with ids of their own from a few threads and remembers the answers."""

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
        return [one["_id"] for one in client["taxi"]["predictions"].find({}, {"_id": 1})]


def page_with(predictor: Predictor, rides: float) -> str:
    """Return the metrics when so many rides are counted: counts arrive in strides."""
    deadline = time.monotonic() + 20
    while True:
        page = httpx.get(f"{predictor.url}/metrics").text
        if value(page, "taxi_predictor_predictions_total") >= rides:
            return page
        assert time.monotonic() < deadline, page
        time.sleep(0.1)


def value(page: str, name: str) -> float:
    """Return the sum of a metric's series."""
    found = re.findall(rf"^{name}(?:{{[^}}]*}})? (\S+)$", page, re.MULTILINE)
    assert found, f"{name} is not exported"
    return sum(map(float, found))


def wait_until_logged(uri: str, count: int, seconds: float = 40) -> list[str]:
    """Wait until the log has so many rides, and return them."""
    deadline = time.monotonic() + seconds
    found = logged(uri)
    while len(found) < count and time.monotonic() < deadline:
        time.sleep(0.2)
        found = logged(uri)
    assert len(found) >= count, f"{len(found)} of {count} rides are in the log"
    return found
