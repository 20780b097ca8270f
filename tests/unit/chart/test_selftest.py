"""The checks of `helm test`, against a small real HTTP server."""

import importlib.util
import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any

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
    vars(module)["PAUSES"] = vars(module)["LOG_PAUSES"] = (0, 0)
    return module


class Answers(ThreadingHTTPServer):
    """Serves fixed answers by path; what is not there is 503.

    Attributes:
        logs: A row that is predicted is one more in the log.
    """

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.bodies = dict(GOOD)
        self.logs = False
        self.url = f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    server: Answers

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        bodies = self.server.bodies
        body = bodies.get(self.path)
        if self.server.logs and self.path == "/predict":
            bodies["/metrics"] = bodies["/metrics"].replace('"mongodb"} 3.0', '"mongodb"} 4.0')
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


def test_the_operator_is_looked_at_where_it_is(
    selftest: ModuleType,
    answers: Answers,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(vars(selftest), "check_policies", lambda _: "known")

    assert selftest.main(*[answers.url] * 5) == 0

    printed = capsys.readouterr().out
    assert "ok      operator: taxi_operator_ is there" in printed
    assert "ok      policies: known" in printed
    assert "log" not in printed


@pytest.mark.parametrize("taken", [True, False])
def test_a_row_has_to_reach_the_log_now(
    selftest: ModuleType, answers: Answers, capsys: pytest.CaptureFixture[str], *, taken: bool
) -> None:
    """The log took three rows once, which says nothing of what it is today."""
    answers.logs = taken

    assert selftest.main(*[answers.url] * 4, "log") == (0 if taken else 1)

    printed = capsys.readouterr().out
    assert ("ok      log: it took 1 rows since this test began" in printed) == taken
    assert ("FAILED  log" in printed) != taken


class Pods:
    """Predictors behind a headless Service, whose name leads each caller to any one of them.

    Attributes:
        rows: What each pod's page says, None for one that does not answer; by address.
        next: The pod that answers the next row, which reaches the log at once; none: it is lost.
        asked: Pages that were asked for.
    """

    SERVICE = "http://taxi-predictor-metrics:9697"

    def __init__(self) -> None:
        self.rows: dict[str, float | None] = {"10.0.0.1": 0.0, "10.0.0.2": 7.0}
        self.next: str | None = None
        self.asked: list[str] = []

    def addresses(self, host: str, port: int, type: int) -> list[object]:  # noqa: A002 - the name is the standard library's
        assert (host, port) == ("taxi-predictor-metrics", 9697)
        if not self.rows:
            raise OSError("no address")
        return [(0, type, 6, "", (pod, port)) for pod in self.rows]

    def fetch(self, url: str) -> str:
        self.asked.append(url)
        rows = self.rows[url.removeprefix("http://").removesuffix(":9697/metrics").strip("[]")]
        if rows is None:
            raise TimeoutError("timed out")
        return f'taxi_predictor_logged_records_total{{destination="mongodb"}} {rows}\n'

    def predict(self, _: str) -> str:
        if self.next is not None:
            self.rows[self.next] = (self.rows[self.next] or 0) + 1
        return "{}"


@pytest.fixture
def pods(selftest: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Pods:
    """Return two pods, of which one has rows in the log."""
    pods = Pods()
    monkeypatch.setattr("socket.getaddrinfo", pods.addresses)
    monkeypatch.setitem(vars(selftest), "fetch", pods.fetch)
    monkeypatch.setitem(vars(selftest), "check_prediction", pods.predict)
    return pods


@pytest.fixture
def log(selftest: ModuleType, pods: Pods) -> Any:
    """Return the check, which has looked at the pods once."""
    log = selftest.Log(Pods.SERVICE)
    assert log.look() == 0
    return log


def test_every_pod_is_asked_and_not_the_nearest_alone(pods: Pods, log: Any) -> None:
    pods.rows["fd00::9"] = 0.0
    pods.asked.clear()

    log.look()

    assert sorted(pods.asked) == [
        "http://10.0.0.1:9697/metrics",
        "http://10.0.0.2:9697/metrics",
        "http://[fd00::9]:9697/metrics",
    ]


@pytest.mark.parametrize("pod", ["10.0.0.1", "10.0.0.2"])
def test_one_pod_with_a_row_more_is_enough(pods: Pods, log: Any, pod: str) -> None:
    pods.next = pod
    pods.predict("")
    assert log.check("http://taxi-predict") == "it took 1 rows since this test began"


def test_a_count_that_stays_is_of_old_rows(pods: Pods, log: Any) -> None:
    for _ in range(3):
        with pytest.raises(ValueError, match="no pod says that the log took a row"):
            log.check("http://taxi-predict")


def test_a_pod_that_restarted_counts_from_what_it_begins_with(pods: Pods, log: Any) -> None:
    """It was down while nobody looked; what its spool had may have gone to the log before."""
    pods.rows["10.0.0.2"] = 2.0
    assert log.look() == 0

    pods.rows["10.0.0.2"] = 3.0  # below the seven rows from before
    assert log.look() == 1


def test_a_pod_that_goes_away_is_left_out(pods: Pods, log: Any) -> None:
    pods.rows["10.0.0.2"] = None  # its name stays for a while
    pods.next = "10.0.0.1"
    pods.predict("")
    assert log.look() == 1

    del pods.rows["10.0.0.2"]
    assert log.look() == 0
    pods.predict("")
    assert log.look() == 1


def test_the_row_of_a_try_shows_at_a_pod_that_is_new(pods: Pods, log: Any) -> None:
    """Nobody knows when the rows that it has already reached the log."""
    pods.rows = {"10.0.0.3": 5.0}
    pods.next = "10.0.0.3"

    with pytest.raises(ValueError, match="no pod says"):
        log.check("http://taxi-predict")
    assert log.check("http://taxi-predict") == "it took 1 rows since this test began"


def test_no_pod_at_all_is_no_end(pods: Pods, log: Any, capsys: pytest.CaptureFixture[str]) -> None:
    pods.rows.clear()
    assert log.look() == 0
    assert "taxi-predictor-metrics:9697 has no pod: no address" in capsys.readouterr().out


def test_the_log_is_given_the_time_that_a_delivery_may_take(selftest: ModuleType) -> None:
    """A busy predictor delivers up to 10 s late, one that has just started 20 s.

    The pod ends after 120 s, of which the other checks need some.
    """
    (pauses,) = re.findall(r"^LOG_PAUSES = \((.*)\)$", SCRIPT.read_text(), re.MULTILINE)
    assert 25 < sum(map(int, pauses.split(","))) < 60
