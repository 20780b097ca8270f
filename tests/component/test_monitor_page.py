"""The page and the verdict's history through the monitor's real edge: gunicorn, a real mongod."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import numpy as np
import pytest
from pymongo.database import Database
from support.monitor import Monitor
from support.page_states import blocks_of
from support.taxi_artifacts import answers_to, rows_of, taxi_artifact
from support.taxi_columns import DISTANCE, SCHEMA, taxi_rides, usual
from support.waiting import wait_for

from taxi_domain.models import MODEL_NAME, PROFILE_FILE, Alias, ModelState
from taxi_domain.mongodb import DATABASE
from taxi_domain.records import Label, PredictionRecord
from taxi_domain.runs import RunResult
from taxi_domain.verdicts import Side
from taxi_local.mongod import Mongod, running_mongod
from taxi_monitor.http.page_templates import CONTENT_SECURITY_POLICY
from taxi_profiles.evidence.calibrate import calibrate
from taxi_profiles.reference import reference_of
from taxi_schema.columns.rows import LabelledRows
from taxi_schema.records import inputs_of
from taxi_store.admin.indexes import ensure_verdict_indexes
from taxi_store.connection import Document, connect
from taxi_store.log.malformed import Unreadable
from taxi_store.log.prediction_log import insert_labels, insert_records
from taxi_store.registry.artifacts import Artifact, artifact_of
from taxi_store.registry.registry import Registry
from taxi_store.registry.runs import RunStore
from taxi_store.verdicts.verdicts import append
from taxi_train.artifact.builder import sample_of

pytestmark = pytest.mark.component

NOW = datetime.now(UTC).replace(microsecond=0)
BEFORE = "5a398ffc8fcf"
#: Rows of a block, and blocks of the log; from the half on, distances are kilometres.
BLOCK, BLOCKS = 100, 20
EVENT = {
    "name": "Snow <b>storm</b>", "from": (NOW - timedelta(minutes=5)).isoformat(),
    "to": (NOW + timedelta(hours=1)).isoformat(),
}  # fmt: skip


@pytest.fixture(scope="module")
def server() -> Iterator[Mongod]:
    with running_mongod() as one:
        yield one


@pytest.fixture(scope="module")
def version(server: Mongod) -> str:
    """Return the champion; its log and the history of the version before are in the store."""
    rides = usual(taxi_rides("green-2020-03-before.parquet"))[: 6000 + BLOCK * BLOCKS]
    artifact = judging_artifact(rides[:6000])
    with connect(server.uri, app_name="test") as client:
        database = client[DATABASE]
        registry = Registry(database)
        version = registry.add(artifact, model=MODEL_NAME, state=ModelState.ACCEPTED, now=NOW)
        registry.move_alias(
            MODEL_NAME, Alias.CHAMPION, to=version, expected=None, by="policy taxi/p", now=NOW
        )
        runs = RunStore(database)
        runs.start("run-1", "train", [], NOW, model=MODEL_NAME)
        runs.finish("run-1", RunResult.BETTER, now=NOW, message="<RMSE 5>", candidate=version)
        write_log(database, version, rides[6000:])
        ensure_verdict_indexes(database)
        old = blocks_of(20, version=BEFORE, end=NOW - timedelta(hours=11))
        for side in Side:
            for block in old[side]:
                assert append(database, replace(block, model=MODEL_NAME))
    return version


def judging_artifact(rides: LabelledRows) -> Artifact:
    """Return an artifact whose reference gives evidence by small blocks."""
    sample = sample_of(SCHEMA, rides.predicted(answers_to(rides)))
    reference = reference_of(sample)
    evidence = calibrate(reference, sample, block_rows=BLOCK).arrays()
    profile = replace(reference, evidence=evidence).to_bytes()
    return artifact_of({**taxi_artifact(rides[:200]).files, PROFILE_FILE: profile})


def write_log(database: Database[Document], version: str, rides: LabelledRows) -> None:
    answers = answers_to(rides)
    factor = np.where(np.arange(len(rides.target)) < len(rides.target) // 2, 1.0, 1.6)
    records, labels = [], []
    for number, (row, moment) in enumerate(zip(rows_of(rides), rides.event_times, strict=True)):
        at = NOW - timedelta(seconds=len(answers) - number)
        inputs = inputs_of(SCHEMA, row)
        inputs[DISTANCE] *= factor[number]
        record = PredictionRecord(
            f"r{number:05d}", at, moment.item(), MODEL_NAME, version, "champion", inputs,
            float(answers[number]),
        )  # fmt: skip
        records.append(record.to_document())
        labels.append(Label(record.row_id, float(rides.target[number]), at))
    insert_records(database, records, NOW)
    insert_labels(database, labels, NOW, Unreadable())


@pytest.fixture(scope="module")
def monitor(
    server: Mongod, version: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Monitor]:
    one = Monitor(
        tmp_path_factory.mktemp("monitor"), server.uri, TAXI_MONITOR_SETTLE_SECONDS="0",
        TAXI_MONITOR_FALSE_ALARM_ROWS="10000", TAXI_MONITOR_KNOWN_EVENTS=json.dumps([EVENT]),
    ).start()  # fmt: skip
    wait_for("both sides", lambda: version and {"rows", "labels"} <= (evidence(one) or {}).keys())
    yield one
    one.stop()


def evidence(monitor: Monitor) -> Any:
    versions = monitor.get("/v1/drift")["versions"]
    return versions[0]["evidence"] if versions else None


def get(monitor: Monitor, path: str) -> httpx.Response:
    return httpx.get(f"{monitor.url}{path}", timeout=30)


def test_drift_has_the_newest_block_of_each_side(monitor: Monitor, version: str) -> None:
    found = evidence(monitor)

    assert found["state"] == "alarm"
    assert (found["rows"]["block"], found["rows"]["version"]) == (BLOCKS - 1, version)
    assert found["labels"]["side"] == "labels"
    assert f"column:{DISTANCE}" in found["rows"]["evidence"]


@pytest.mark.parametrize(
    "path", ["/", "/versions/champion", "/versions/champion/columns/PULocationID"]
)
def test_pages_have_the_history_and_the_strictest_policy(monitor: Monitor, path: str) -> None:
    page = get(monitor, path)

    assert page.status_code == 200
    assert page.headers["Content-Security-Policy"] == CONTENT_SECURITY_POLICY
    assert page.headers["Cache-Control"] == "no-store"
    assert "Refresh" not in page.headers
    assert page.text.count("<path") >= 2
    sheet = page.text.split('rel="stylesheet" href="')[1].split('"')[0]
    style = httpx.get(httpx.URL(f"{monitor.url}{path}").join(sheet), timeout=30)
    assert style.headers["Content-Type"].startswith("text/css")
    assert "immutable" in style.headers["Cache-Control"]


def test_a_page_tells_what_happened(monitor: Monitor, version: str) -> None:
    page = get(monitor, "/versions/champion").text

    assert f"champion moved to {version}, by policy taxi/p" in page
    assert f"train run-1: Better, candidate {version} (&lt;RMSE 5&gt;)" in page
    assert "known event: Snow &lt;b&gt;storm&lt;/b&gt;" in page
    assert f"<code>{BEFORE}</code>" in page, "the version before is in the same history"


def test_a_page_is_loaded_again_only_when_asked_for(monitor: Monitor) -> None:
    assert get(monitor, "/?last=6h&refresh=60").headers["Refresh"] == "60"
    for query, field in (("refresh=1", "refresh"), ("last=2y", "last")):
        answer = get(monitor, f"/?{query}")
        assert answer.status_code == 422
        assert answer.json()["field"] == field


@pytest.mark.parametrize(
    "path", ["/versions/fallback", "/versions/x", "/versions/champion/columns/x"]
)
def test_what_is_not_watched_is_not_found(monitor: Monitor, path: str) -> None:
    answer = get(monitor, path)

    assert answer.status_code == 404
    assert "its page lists them" in answer.text or "/ lists what is" in answer.text


def test_blocks_are_listed_by_role_side_and_time(monitor: Monitor, version: str) -> None:
    whole = monitor.get("/v1/verdicts")

    assert (whole["model"], whole["role"], whole["side"]) == (MODEL_NAME, "champion", "rows")
    assert [one["block"] for one in whole["blocks"]] == list(range(BLOCKS))
    assert {one["version"] for one in whole["blocks"]} == {version}
    assert "scores" not in whole["blocks"][0]
    begin = (NOW - timedelta(seconds=950)).strftime("%Y-%m-%dT%H:%M:%SZ")
    part = monitor.get(f"/v1/verdicts?side=labels&from={begin}&stream=harm&stream=$bias")
    assert {tuple(one["scores"]) for one in part["blocks"]} == {("harm",)}
    assert all(one["last_ts"] >= begin for one in part["blocks"])
    few = monitor.get("/v1/verdicts?points=5")["blocks"]
    assert len(few) == 5
    assert max(one["total"] for one in few) == max(one["total"] for one in whole["blocks"])
    old = monitor.get(f"/v1/verdicts?version={BEFORE}")["blocks"]
    assert len(old) == 20
    assert monitor.get("/v1/verdicts?role=fallback")["blocks"] == []


@pytest.mark.parametrize(
    "query", ["role=x", "side=both", "from=yesterday", "to=2021-13-01", "points=0", "points=501"]
)
def test_a_question_that_cannot_be_answered_names_its_field(monitor: Monitor, query: str) -> None:
    answer = get(monitor, f"/v1/verdicts?{query}")

    assert answer.status_code == 422
    assert answer.json()["field"] == query.partition("=")[0]
    assert "; give " in answer.json()["detail"]


def test_without_mongodb_the_page_shows_what_is_known(server: Mongod, monitor: Monitor) -> None:
    server.stop()
    try:
        page = get(monitor, "/versions/champion")  # within the seconds that it is waited for

        assert page.status_code == 200
        assert "the history cannot be read" in page.text
        assert 'class="badge alarm"' in page.text, "the newest block is in mind"
        assert httpx.get(f"{monitor.metrics_url}/healthz", timeout=30).status_code == 200
    finally:
        server.start()
