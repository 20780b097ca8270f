"""The checks of `helm test`, against a small real HTTP server."""

import importlib.util
import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).parents[3] / "charts/taxi-monitoring/files/selftest.py"
SCHEMAS = {
    "Row": {"examples": [{"carrier": "UA"}]},
    "Answer": {"required": ["flight_id", "delay", "model_version"]},
}
ANSWER = {"flight_id": "a", "delay": -12.5, "model_version": "abc"}
GOOD = {
    "/openapi.json": json.dumps({"components": {"schemas": SCHEMAS}}),
    "/predict": json.dumps(ANSWER),
    "/metrics": "taxi_predictor_predictions_total 1\ntaxi_monitor_window_rows 1\n"
    "taxi_operator_webhook_pending 0\n"
    'taxi_predictor_logged_records_total{destination="monitor"} 9.0\n'
    'taxi_predictor_logged_records_total{destination="mongodb"} 3.0\n',
    "/readyz": "{}",
}


@pytest.fixture(scope="module")
def selftest() -> ModuleType:
    spec = importlib.util.spec_from_file_location("selftest", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    vars(module)["PAUSES"] = (0, 0)
    return module


class Answers(ThreadingHTTPServer):
    """Serves fixed answers by path; what is not there is 503."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.bodies = dict(GOOD)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    server: Answers

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = self.server.bodies.get(self.path)
        self.send_response(503 if body is None else 200)
        self.end_headers()
        self.wfile.write((body or "no model yet").encode())

    do_POST = do_GET  # noqa: N815 - the name is the standard library's

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def answers() -> Iterator[Answers]:
    with Answers() as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join(5)


def test_a_working_system_passes(
    selftest: ModuleType, answers: Answers, capsys: pytest.CaptureFixture[str]
) -> None:
    assert selftest.main(*[answers.url] * 4) == 0
    assert json.dumps(ANSWER) in capsys.readouterr().out


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (("/predict", None), "no model yet"),
        (("/predict", '{"delay": 3, "flight_id": "a"}'), "has no model_version"),
        (("/openapi.json", None), "no model yet"),
        (("/metrics", ""), "does not have taxi_predictor_predictions_total"),
        (("/readyz", None), "503"),
    ],
)
def test_a_broken_part_fails_with_its_name(
    selftest: ModuleType,
    answers: Answers,
    capsys: pytest.CaptureFixture[str],
    answer: tuple[str, str | None],
    told: str,
) -> None:
    path, body = answer
    if body is None:
        del answers.bodies[path]
    else:
        answers.bodies[path] = body

    assert selftest.main(*[answers.url] * 4) == 1
    printed = capsys.readouterr().out
    assert "FAILED" in printed
    assert told in printed


def test_it_sends_the_first_token_of_a_caller_where_there_is_one(
    selftest: ModuleType, tmp_path: Path
) -> None:
    assert selftest.rights(tmp_path / "nothing") == selftest.rights(tmp_path) == {}
    (tmp_path / "..data").mkdir()
    (tmp_path / "shop").write_text("new-token\nold-token\n")

    assert selftest.rights(tmp_path) == {"Authorization": "Bearer new-token"}


def test_the_log_and_the_operator_are_looked_at_where_they_are(
    selftest: ModuleType,
    answers: Answers,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    urls = [answers.url] * 4
    assert selftest.main(*urls, "log") == 0
    assert "ok      log: a pod has 3 rows in the log" in capsys.readouterr().out

    monkeypatch.setitem(vars(selftest), "check_policies", lambda _: "known")
    assert selftest.main(*urls, answers.url) == 0
    printed = capsys.readouterr().out
    assert "ok      operator: taxi_operator_ is there" in printed
    assert "ok      policies: known" in printed

    answers.bodies["/metrics"] = answers.bodies["/metrics"].replace("3.0", "0.0")
    assert selftest.main(*urls, "log") == 1
    assert "no pod says that the log has a row of it" in capsys.readouterr().out


def test_every_pod_is_asked_for_its_rows_and_not_the_nearest_alone(
    selftest: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name of a headless Service leads each caller to the same pod, again and again."""
    pods = {"10.244.1.7": "0.0", "10.244.2.9": "0.0", "fd00::9": "3.0"}
    asked = []

    def addresses(host: str, port: int, type: int) -> list[object]:  # noqa: A002 - the name is the standard library's
        assert port == 9697
        if host == "taxi-fallback-metrics":
            raise socket.gaierror(-2, "Name or service not known")
        assert host == "taxi-predictor-metrics"
        return [(0, type, 6, "", (pod, port)) for pod in pods]

    def fetch(url: str) -> str:
        asked.append(url)
        host = url.removeprefix("http://").removesuffix(":9697/metrics").strip("[]")
        return f'taxi_predictor_logged_records_total{{destination="mongodb"}} {pods[host]}\n'

    monkeypatch.setattr("socket.getaddrinfo", addresses)
    monkeypatch.setitem(vars(selftest), "fetch", fetch)

    services = [f"http://taxi-{part}-metrics:9697" for part in ("fallback", "predictor")]
    told = selftest.check_logged(*services)

    assert told == "a pod has 3 rows in the log"
    assert asked == [
        "http://10.244.1.7:9697/metrics",
        "http://10.244.2.9:9697/metrics",
        "http://[fd00::9]:9697/metrics",
    ]
    with pytest.raises(ValueError, match="no pod says"):
        selftest.check_logged(services[0])
