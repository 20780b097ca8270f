"""Without an endpoint no part imports OpenTelemetry, and nothing of it is wrapped."""

import subprocess
import sys
from pathlib import Path

import pytest

from taxi_domain.errors import FieldError
from taxi_runtime.settings import read
from taxi_runtime.tracing import TracedSettings, traces_of

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
PREDICTOR = """
from taxi_predict.settings import Settings, prepare_metrics_folder
os.environ["PROMETHEUS_MULTIPROC_DIR"] = "metrics"
prepare_metrics_folder()
from taxi_predict.app import create_worker
from taxi_predict.serving.predictions import Predictions
from taxi_predict.serving.readiness import WorkerReadiness
from taxi_domain.metrics import PREDICTOR_WORKER_RESTARTS
from taxi_runtime.restarts import Restarts
settings = read(Settings)
restarts = Restarts(settings.restarts_file, PREDICTOR_WORKER_RESTARTS)
worker = create_worker(settings, WorkerReadiness(settings.readiness_dir, 1), restarts, None)
api = worker.app._api
print(type(api).__name__, type(api._predictions) is Predictions)
"""
DELIVERY = """
from taxi_predict.settings import Settings, prepare_metrics_folder
os.environ["PROMETHEUS_MULTIPROC_DIR"] = "metrics"
prepare_metrics_folder()
from taxi_predict.delivery.main import _shipper
settings = read(Settings)
shipper = _shipper(settings, traces_of(settings))
print(type(shipper).__name__, type(shipper._log).__name__)
"""
MONITOR = """
from pathlib import Path
from taxi_domain.metrics import MONITOR_WORKER_RESTARTS
from taxi_monitor.app import create_monitor
from taxi_monitor.http.access import Tokens
from taxi_monitor.settings import Settings
from taxi_runtime.restarts import Restarts
restarts = Restarts(Path("restarts"), MONITOR_WORKER_RESTARTS)
restarts.begin()
tokens = Tokens("a-token-for-tests", None, reading_closed=False)
print(type(create_monitor(read(Settings), restarts, tokens).app._api).__name__)
"""
OPERATOR = """
import kopf
import taxi_operator.main
from taxi_operator.app import _executor_of, register
from taxi_operator.settings import Settings
settings = read(Settings)
register(kopf.OperatorRegistry(), settings)
print(getattr(_executor_of(traces_of(settings)), "__name__", "another"))
"""
CODE = """
import os, sys
from taxi_runtime.settings import read
from taxi_runtime.tracing import traces_of
{}
print(any(one.startswith("opentelemetry") for one in sys.modules), flush=True)
os._exit(0)  # its threads wait for MongoDB
"""


@pytest.mark.parametrize(
    ("code", "endpoint", "found"),
    [
        (PREDICTOR, "", ["FastPath True", "False"]),
        (DELIVERY, "", ["Shipper MongoLog", "False"]),
        (MONITOR, "", ["Flask", "False"]),
        (OPERATOR, "", ["Executor", "False"]),
        (OPERATOR, "http://127.0.0.1:9", ["another", "True"]),
    ],
    ids=["predictor", "delivery", "monitor", "operator", "on"],
)
def test_a_part_pays_for_traces_only_where_they_are_made(
    code: str, endpoint: str, found: list[str], tmp_path: Path
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CODE.format(code)],
        cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120,
        env={
            "PYTHONPATH": ":".join(sys.path), ENDPOINT: endpoint,
            "TAXI_MONGODB_URI": "mongodb://127.0.0.1:9/taxi", "TAXI_OPERATOR_NAMESPACE": "taxi",
            "TAXI_PREDICT_DATA_DIR": str(tmp_path),
        },
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == found


@pytest.mark.parametrize("endpoint", ["collector:4318", "grpc://collector:4317", "http://"])
def test_an_endpoint_that_is_none_stops_the_process(endpoint: str) -> None:
    with pytest.raises(FieldError, match=ENDPOINT):
        read(TracedSettings, {ENDPOINT: endpoint})


def test_an_image_without_the_extra_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "taxi_runtime.traces", None)

    with pytest.raises(FieldError, match="extra `tracing`"):
        traces_of(read(TracedSettings, {ENDPOINT: "http://collector:4318"}))
