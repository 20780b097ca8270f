"""Whatever is sent, the predictor answers soon, and never with an error of its own."""

import json
import math
import os
import platform
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.hangs import NEVER, soon
from support.predictor import PLAIN, Predictor, register, small_artifact

from taxi_domain.models import Alias
from taxi_local.mongod import Mongod

pytestmark = pytest.mark.component

CASES = int(os.environ.get("TAXI_FUZZ_CASES", "1500"))
#: Requests until the memory is what it stays at, and how much of it may come later.
WARM_UP = 1000
MAX_GROWTH = 1.1
RESULT = Path(__file__).parents[2] / "benchmarks" / "results" / "soak_fuzz.json"
FUZZ = settings(
    max_examples=CASES, deadline=None, derandomize=True, database=None,
    suppress_health_check=list(HealthCheck),
)  # fmt: skip

scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20),
    st.integers(-5, 300), st.floats(-1, 120), st.just("2021-01-31T08:15:00"),
    st.just("2021-01-31T08:15:00+02:00"),
)  # fmt: skip
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3), max_leaves=5)
names = st.sampled_from(
    ["PULocationID", "DOLocationID", "trip_distance", "lpep_pickup_datetime", "ride_id", "other"]
)
zones = st.integers(1, 265)
good = st.fixed_dictionaries(
    {"PULocationID": zones, "DOLocationID": zones, "trip_distance": st.floats(0, 100)},
    optional={
        "lpep_pickup_datetime": st.datetimes().map(lambda moment: moment.isoformat()),
        "other": scalars,
    },
)
near = st.tuples(good, st.dictionaries(names, values, max_size=2)).map(lambda two: two[0] | two[1])
bodies = st.one_of(good, near, st.dictionaries(names, values), values)


@pytest.fixture(scope="module")
def client(
    shared_mongod: Mongod,
    tmp_path_factory: pytest.TempPathFactory,
    request: pytest.FixtureRequest,
) -> Iterator[httpx.Client]:
    answers: Counter[bool] = Counter()

    def count(answer: httpx.Response) -> None:
        answers[answer.is_server_error] += 1

    folder: Path = tmp_path_factory.mktemp("fuzz")
    uri = shared_mongod.uri.replace("/taxi", "/taxi?appName=fuzz")
    register(uri, Alias.CHAMPION, small_artifact())
    predictor = Predictor(folder, uri).start()
    with httpx.Client(
        base_url=predictor.url, timeout=NEVER, event_hooks={"response": [count]}
    ) as one:
        for _ in range(WARM_UP):
            assert one.post("/predict", json=PLAIN).status_code == 200
        before = memory_kib(predictor)
        yield one
    after = memory_kib(predictor)
    printed = predictor.printed()
    predictor.stop()
    assert "Traceback" not in printed
    assert after < before * MAX_GROWTH
    if "TAXI_FUZZ_CASES" in os.environ and not request.session.testsfailed:
        save(
            {
                "requests": answers.total(), "server_errors": answers[True],
                "before_mib": before / 1024, "after_mib": after / 1024,
            }
        )  # fmt: skip


def memory_kib(predictor: Predictor) -> int:
    """Return the memory of all its processes that no other has."""
    found = 0
    for pid in predictor.pids():
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
        anonymous = re.search(r"^Anonymous:\s+(\d+) kB", text, re.MULTILINE)
        assert anonymous is not None
        found += int(anonymous[1])
    return found


def save(figures: dict[str, float]) -> None:
    """Write the result of a long run."""
    figures = {name: round(value, 1) for name, value in figures.items()}
    RESULT.write_text(
        json.dumps(
            {"figures": figures, "command": "make soak-fuzz",
             "versions": {"python": platform.python_version()}},
            indent=1,
        ) + "\n"
    )  # fmt: skip


def answer_to(client: httpx.Client, route: str, body: bytes, kind: str) -> httpx.Response:
    """Require an answer soon: a prediction or a problem, never an error of the server."""

    def send() -> httpx.Response:
        answer = client.post(route, content=body, headers={"Content-Type": kind})
        check(answer)
        return answer

    return soon(send, sent=(route, kind, body))


def check(answer: httpx.Response) -> None:
    assert answer.status_code in {200, 400, 413, 415, 422}, answer.text[:300]
    if answer.status_code != 200:
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert answer.json()["detail"]


@FUZZ
@given(body=bodies)
def test_both_ways_give_the_same_answer(client: httpx.Client, body: Any) -> None:
    """The short way and Flask's, which takes what names a character set."""
    data = json.dumps(body).encode()

    short = answer_to(client, "/predict", data, "application/json")
    long = answer_to(client, "/predict", data, "application/json; charset=utf-8")

    assert short.status_code == long.status_code
    if short.status_code == 200:
        assert short.json()["duration"] == long.json()["duration"] >= 0
        assert math.isfinite(short.json()["duration"])
    else:
        assert short.json() == long.json()


@FUZZ
@given(body=st.binary(max_size=200), kind=st.sampled_from(["application/json", "text/plain", ""]))
def test_bytes_are_no_rows(client: httpx.Client, body: bytes, kind: str) -> None:
    answer_to(client, "/predict", body, kind)


@FUZZ
@given(rows=st.one_of(st.lists(bodies, max_size=4), bodies, st.just({"rows": []})))
def test_batches(client: httpx.Client, rows: Any) -> None:
    answer = answer_to(client, "/predict/batch", json.dumps(rows).encode(), "application/json")

    if answer.status_code == 200:
        sent = rows["rows"] if isinstance(rows, dict) else rows
        assert len(answer.json()) == len(sent)
