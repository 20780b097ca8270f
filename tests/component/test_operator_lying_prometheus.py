"""A Prometheus that lies: memory, statuses, Events and logs stay within bounds."""

import asyncio
import gc
import gzip
import json
import logging
import math
import time
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache, partial
from pathlib import Path

import pytest
from support.control_plane import condition_of
from support.lying_prometheus import NOW, Handler, LyingPrometheus, lying_prometheus, result, send
from support.operator_process import eventually
from support.policy_namespace import PolicyNamespace

from taxi_operator.adapters.servers import Servers
from taxi_operator.core.signals import SignalState
from taxi_operator.memory.status import Status
from taxi_operator.observation import Observation, observe
from taxi_operator.spec.addresses import AllowList
from taxi_operator.spec.policy import Policy, policy_of

pytestmark = pytest.mark.component

SECRET = "hunter2"
MEBIBYTE = 1024 * 1024
Answer = Callable[[Handler, dict[str, str]], None]


@pytest.fixture
def liar() -> Iterator[LyingPrometheus]:
    """Return a server that lies."""
    with lying_prometheus() as one:
        yield one


def policy(liar: LyingPrometheus, *, timeout: float = 30) -> Policy:
    return policy_of(
        {
            "target": {"deploymentName": "p", "activeServiceName": "s"},
            "prometheus": {"url": liar.url, "timeoutSeconds": timeout},
            "signals": [
                {
                    "name": "drift", "promql": "q", "explainPromql": "by_name",
                    "enter": {"op": "GreaterOrEqual", "value": "1", "for": "0s"},
                    "exit": {"op": "Less", "value": "0.9", "for": "0s"},
                }
            ],
        }
    )  # fmt: skip


def look(served: Policy) -> Observation:
    async def look_once() -> Observation:
        servers = Servers(AllowList(served.prometheus_url))
        try:
            return await observe(served, Status(breached={"drift": True}), servers)
        finally:
            await servers.close()

    return asyncio.run(look_once())


def many_series(count: int) -> Answer:
    """Answer with so many series, as a server does that knows no limit."""
    series = [
        {"metric": {"pod": f"predictor-{number:032d}"}, "values": [[NOW, "2"]], "value": [NOW, "2"]}
        for number in range(count)
    ]
    return result("matrix", series)


def many_samples(count: int) -> Answer:
    """Answer with one series of so many samples."""
    values = [[NOW - count + number, "2"] for number in range(count)]
    return result("matrix", [{"metric": {}, "values": values}])


def endless(handler: Handler, _: dict[str, str]) -> None:
    """Answer with a body that does not end."""
    handler.send_response(200)
    handler.end_headers()
    while True:
        handler.wfile.write(b" " * 65_536)


def slow(handler: Handler, _: dict[str, str]) -> None:
    """Answer a byte at a time, each within any time-out between two of them."""
    handler.send_response(200)
    handler.end_headers()
    for _number in range(100):
        handler.wfile.write(b" ")
        handler.wfile.flush()
        time.sleep(0.1)


@cache
def bomb_body() -> bytes:
    return gzip.compress(b" " * 64 * MEBIBYTE, 1)


def bomb(handler: Handler, parameters: dict[str, str]) -> None:
    """Answer with 64 MiB in 300 kB."""
    send(bomb_body(), headers={"Content-Encoding": "gzip"})(handler, parameters)


def error(kind: str, text: str, status: int = 400) -> Answer:
    return send(
        json.dumps({"status": "error", "errorType": kind, "error": text}).encode(), status,
        {"X-Secret": SECRET, "Set-Cookie": SECRET},
    )  # fmt: skip


def not_http(handler: Handler, _: dict[str, str]) -> None:
    handler.wfile.write(f"{SECRET} {SECRET}\r\n\r\n".encode())


LIES: dict[str, tuple[Answer, str]] = {
    "a body without end": (endless, "larger than 1 MiB"),
    "a large body": (send(b'"' + b"a" * 8 * MEBIBYTE + b'"'), "larger than 1 MiB"),
    "many series": (many_series(50_000), "larger than 1 MiB"),
    "many samples": (many_samples(30_000), "not asked for"),
    "a slow body": (slow, "no answer in time"),
    "a bomb": (bomb, "is compressed"),
    "a redirect": (
        send(b"", 302, {"Location": f"http://127.0.0.1:1/{SECRET}"}), "redirect (302)",
    ),
    "a long error": (error("execution", SECRET * 300_000), "larger than 1 MiB"),
    "an error": (error("execution", SECRET), "cannot execute it (400, execution)"),
    "a wrong query": (error("bad_data", SECRET), "bad_data"),
    "an error of its own": (error(SECRET, SECRET), "not known"),
    "an error without a word": (send(b'{"errorType": ["' + SECRET.encode() + b'"]}'), "not known"),
    "a refusal": (send(SECRET.encode(), 401), "refuses the operator (401)"),
    "a page": (send(f"<p>{SECRET}</p>".encode(), 502), "502 without a JSON object"),
    "no HTTP": (not_http, "the answer is no HTTP"),
    "a wrong length": (
        send(SECRET.encode(), headers={"Content-Length": "100"}), "the answer was cut",
    ),
    "deep JSON": (send(b"[" * MEBIBYTE), "without a JSON object"),
    "a long number": (send(b"1" * MEBIBYTE), "without a JSON object"),
    "no data": (send(b'{"status": "success"}'), "without a result"),
    "data of another kind": (send(b'{"status": "success", "data": "x"}'), "without a result"),
    "no series": (result("matrix", [SECRET]), "is no vector"),
    "series without samples": (result("matrix", [{"metric": {}}]), "no numbers"),
    "a text": (result("matrix", [{"values": [[NOW, SECRET]]}]), "not one number"),
    "another time": (result("matrix", [{"values": [[NOW + 3600, "2"]]}]), "not asked for"),
    "two values for a time": (
        result("matrix", [{"values": [[NOW, "0"], [NOW, "2"]]}]), "not asked for",
    ),
}  # fmt: skip


@pytest.mark.parametrize("lie", LIES)
def test_lie_changes_no_state_and_is_told_in_words_of_our_own(
    liar: LyingPrometheus, lie: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    liar.answer, words = LIES[lie]

    timeout = 1 if lie == "a slow body" else 30
    found = look(policy(liar, timeout=timeout))

    (reading,) = found.readings
    assert (reading.state, reading.breached) == (SignalState.NO_DATA, True)
    assert words in reading.reason
    told = f"{found} {reading.reason} {[repr(one) for one in found.bad_queries]} {caplog.text}"
    assert SECRET not in told
    assert len(told) < 2000


def test_server_that_is_away_is_told_without_its_address() -> None:
    with lying_prometheus() as gone:
        served = policy(gone)

    found = look(served)

    assert found.problem == "Prometheus: no connection"


def test_redirect_is_not_followed(liar: LyingPrometheus) -> None:
    with lying_prometheus() as other:
        liar.answer = send(b"", 307, {"Location": f"http://{other.address}/api/v1/query"})
        look(policy(liar))

        assert other.paths == []


LARGE = ["a body without end", "many series", "many samples", "a bomb", "a long error"]


@pytest.mark.parametrize("lie", LARGE)
def test_memory_stays_bounded(liar: LyingPrometheus, lie: str) -> None:
    served = policy(liar)
    liar.answer, _ = LIES[lie]
    bomb_body()  # before memory is counted
    many = replace(
        served, signals=tuple(replace(served.signals[0], name=f"s{n}") for n in range(8))
    )
    look(served)
    tracemalloc.start()
    gc.disable()  # what a reconcile leaves behind in circles is there for long
    try:
        for _ in range(4):
            look(many)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        gc.enable()
        tracemalloc.stop()

    # Four bodies of 1 MiB are read at a time, with the copies that the client makes.
    assert peak < 24 * MEBIBYTE


def test_explanation_has_few_series_and_short_labels(liar: LyingPrometheus) -> None:
    labels = {f"label_{number}": "x" * 10_000 for number in range(20)}
    series = [{"metric": labels, "values": [[NOW, "2"]], "value": [NOW, str(n)]} for n in range(3)]

    def answer(handler: Handler, parameters: dict[str, str]) -> None:
        ranked = "topk" in parameters["query"]
        (result("vector", series) if ranked else result("matrix", series[:1]))(handler, parameters)

    liar.answer = answer

    (reading,) = look(policy(liar)).readings

    assert reading.state is SignalState.BREACHED
    assert reading.explanation.startswith("label_0=xxx")
    assert len(reading.explanation) <= 600


@pytest.mark.parametrize("lie", [math.nan, math.inf, -1.0, 1e300])
def test_impossible_time_is_no_answer(liar: LyingPrometheus, lie: float) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("support.lying_prometheus.NOW", lie)
        found = look(policy(liar))

    assert found.now is None
    assert "is no time" in found.problem


def test_limit_is_asked_for(liar: LyingPrometheus) -> None:
    look(policy(liar))

    asked = [one for one in liar.paths if "time%28%29" not in one and "time()" not in one]
    assert asked
    assert all("limit=" in one for one in asked)


def test_operator_survives_50_000_series_and_writes_its_status(
    world: PolicyNamespace, liar: LyingPrometheus, tmp_path: Path
) -> None:
    operator = world.operator(PROMETHEUS_ALLOWED=liar.url)
    liar.answer = result("matrix", [{"metric": {}, "values": [[NOW, "0"]], "value": [NOW, "0"]}])
    names = [f"s{number}" for number in range(16)]
    world.apply_policy(
        prometheus={"url": liar.url}, fallback=None, retrain=None,
        signals=[world.signal(name, promql=f"q{name}") for name in names], rules=None,
    )  # fmt: skip
    eventually("all is well", lambda: condition_of(world.policy(), "MetricsAvailable")[0] == "True")
    before = operator.memory_bytes()

    def says(words: str) -> bool:
        return words in json.dumps(world.status())

    for lie in ("many series", "a long error"):
        liar.answer, words = LIES[lie]
        eventually(lie, partial(says, words))
        operator.reconcile()

    assert operator.is_well()
    assert operator.memory_bytes() - before < 32 * MEBIBYTE
    told = json.dumps([world.status(), world.api.list("Event", world.namespace)])
    assert SECRET not in told
    assert SECRET not in (tmp_path / "operator.log").read_text()
    assert len(json.dumps(world.status())) < 32_768
