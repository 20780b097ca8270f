"""Traces of the real processes, taken by a real receiver; what it does is felt by nobody."""

import itertools
import json
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from support.artifacts import artifact_for
from support.collector import Collector, Span, collecting
from support.monitor import TOKEN, Monitor
from support.operator_process import OperatorProcess
from support.policy_namespace import PolicyNamespace
from support.predictor import PLAIN, TAXI, Predictor, register
from support.waiting import wait_for

from taxi_domain.models import Alias
from taxi_local.mongod import Mongod

pytestmark = pytest.mark.component

TRACE, CALLER = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
#: The spans of a process are sent so often.
SOON = {"OTEL_BSP_SCHEDULE_DELAY": "100"}


@pytest.fixture
def collector() -> Iterator[Collector]:
    with collecting() as one:
        yield one


def traced(collector: Collector, name: str) -> dict[str, str]:
    return {
        **SOON, "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_SERVICE_NAME": name,
        "OTEL_RESOURCE_ATTRIBUTES": "k8s.pod.name=pod-1",
        "OTEL_EXPORTER_OTLP_HEADERS": "key=secret",
    }  # fmt: skip


def ask(predictor: Predictor, ride: str, flags: str = "01") -> None:
    headers = {"traceparent": f"00-{TRACE}-{CALLER}-{flags}"}
    row = {**PLAIN, "ride_id": ride}
    assert (
        httpx.post(f"{predictor.url}/predict", json=row, headers=headers, timeout=30).status_code
        == 200
    )


def one_of(collector: Collector, service: str, name: str) -> Span:
    (found,) = (one for one in collector.named(name) if one.service == service)
    return found


def test_a_row_is_followed_from_its_client_to_the_monitor(
    mongod: Mongod, collector: Collector, tmp_path: Path
) -> None:
    version = register(mongod.uri, Alias.CHAMPION, artifact_for(TAXI))
    (tmp_path / "monitor").mkdir()
    monitor = Monitor(tmp_path / "monitor", mongod.uri, **traced(collector, "monitor")).start()
    predictor = Predictor(
        tmp_path, mongod.uri, TAXI_PREDICT_WORKERS="1", TAXI_MONITOR_URL=monitor.url,
        TAXI_MONITOR_TOKEN=TOKEN, **traced(collector, "predictor"),
    ).start()  # fmt: skip
    rows = itertools.count(1)

    def taken() -> list[Span]:
        # What the monitor does not take in time it finds in the log, and no span tells of that.
        ask(predictor, f"row-{next(rows)}")
        time.sleep(0.5)
        return collector.named("POST /v1/predictions")

    try:
        ask(predictor, "not-sampled", "00")
        wait_for("the monitor's span", taken)
        batch = {"rows": [PLAIN, PLAIN, {}]}
        assert (
            httpx.post(f"{predictor.url}/predict/batch", json=batch, timeout=30).status_code == 200
        )
        wait_for("the batch's span", lambda: collector.named("POST /predict/batch"))
    finally:
        predictor.terminate()
        monitor.stop()

    spans = {one.id: one for one in list(collector.spans)}
    last = collector.named("POST /v1/predictions")[0]
    told = spans[last.parent]
    asked = spans[told.parent]
    assert (last.service, told.name, asked.name) == (
        "monitor", "deliver to monitor", "POST /predict",
    )  # fmt: skip
    assert {one.trace for one in (asked, told, last)} == {TRACE}
    assert asked.id in {one.parent for one in collector.named("deliver to mongodb")}
    assert (asked.parent, asked.kind, told.kind) == (CALLER, "SERVER", "CLIENT")
    assert asked.attributes["taxi.row_id"].startswith("row-")
    assert asked.attributes["taxi.model_version"] == version
    assert asked.attributes["http.response.status_code"] == 200
    assert asked.resource["k8s.pod.name"] == "pod-1"
    assert "not-sampled" not in {one.attributes.get("taxi.row_id") for one in spans.values()}
    assert one_of(collector, "predictor", "POST /predict/batch").attributes["taxi.rows"] == 2
    assert {one["key"] for one in collector.headers} == {"secret"}


def test_a_collector_that_hangs_costs_spans_alone(
    mongod: Mongod, collector: Collector, tmp_path: Path
) -> None:
    register(mongod.uri, Alias.CHAMPION, artifact_for(TAXI))
    collector.goes_on.clear()
    predictor = Predictor(
        tmp_path, mongod.uri, TAXI_PREDICT_WORKERS="1", TAXI_PREDICT_DRAIN_SECONDS="5",
        OTEL_BSP_MAX_QUEUE_SIZE="200", OTEL_EXPORTER_OTLP_TIMEOUT="60",
        **traced(collector, "predictor"),
    ).start()  # fmt: skip
    try:
        ask(predictor, "first")
        assert collector.asked.wait(30)
        with httpx.Client(timeout=30) as client:
            for _ in range(300):  # more than its queue holds
                assert client.post(f"{predictor.url}/predict", json=PLAIN).status_code == 200
        assert predictor.terminate() == 0
    finally:
        predictor.stop()
    lines = (tmp_path / "log.txt").read_text()

    assert not collector.spans
    # Worker and delivery ended by themselves; the exporter would have waited for a minute.
    assert lines.count("the last spans are lost") == 2
    assert "is killed" not in lines


def test_a_decision_is_one_trace_and_stands_in_the_operators_lines(
    world: PolicyNamespace, collector: Collector, tmp_path: Path
) -> None:
    operator = OperatorProcess(tmp_path, {**world.variables(), **traced(collector, "operator")})
    try:
        world.say(drift=2)
        world.apply_policy()
        wait_for("the span of a Job", lambda: collector.named("effect CreateJob"))
        (job,) = world.jobs()
        operator.process.terminate()
        assert operator.wait_for_death() == 0
    finally:
        operator.kill()
    lines = map(json.loads, (tmp_path / "operator.log").read_text().splitlines())

    decision = one_of(collector, "operator", "decision Retrain")
    made = one_of(collector, "operator", "effect CreateJob")
    assert made.trace == decision.trace
    assert made.attributes["taxi.job"] == job["metadata"]["name"]
    (line,) = (one for one in lines if one.get("reason") == "RetrainDecided")
    assert (line["policy"], line["decision"]) == ("p", decision.attributes["taxi.decision"])
    assert (line["trace_id"], line["span_id"]) == (decision.trace, decision.id)
