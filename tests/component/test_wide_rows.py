"""The widest rows that a schema can have: each way that takes rows takes them, too."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from support.artifacts import Linear
from support.monitor import HEADERS, TOKEN
from support.monitor import Monitor as MonitorServer
from support.predictor import Predictor, register, served_artifact, wait_until_logged
from support.waiting import wait_for

from taxi_domain.models import MODEL_NAME, Alias
from taxi_domain.records import PredictionRecord
from taxi_local.mongod import Mongod
from taxi_predict.delivery.sinks import Monitor
from taxi_schema.column import MAX_TEXT
from taxi_schema.names import MAX_NAME
from taxi_schema.reading import schema_of
from taxi_schema.schema import MAX_COLUMNS
from taxi_store.log.encoding import encoded

pytestmark = pytest.mark.component

NAMES = [f"{'column':_<{MAX_NAME - 3}}{place:03d}" for place in range(MAX_COLUMNS)]
WIDE = schema_of(
    {"target": {"name": "y"}, "columns": [{"name": name, "kind": "category"} for name in NAMES]}
)
#: More than one body of the monitor's limit.
TOLD = 1200


@pytest.fixture
def version(mongod: Mongod) -> str:
    return register(mongod.uri, Alias.CHAMPION, served_artifact(WIDE, Linear(7.0).graph(WIDE)))


@pytest.fixture
def monitor(mongod: Mongod, tmp_path: Path) -> Iterator[MonitorServer]:
    server = MonitorServer(tmp_path, mongod.uri).start()
    yield server
    server.stop()


def record(number: int, version: str) -> bytes:
    inputs = dict.fromkeys(NAMES, "x" * MAX_TEXT)
    return encoded(
        PredictionRecord(
            f"wide-{number}", datetime.now(UTC), None, MODEL_NAME, version, "champion", inputs,
            7.0, 0.001, {"note": "n" * 1000},
        )
    )  # fmt: skip


def test_the_monitor_takes_all_that_is_told_at_once(monitor: MonitorServer, version: str) -> None:
    records = [record(number, version) for number in range(TOLD)]
    sink = Monitor(monitor.url, lambda: TOKEN)

    def are_taken() -> bool:
        sink.write(records)  # raises when one is refused, or not taken within seconds
        return True

    wait_for("all are taken", are_taken)

    whole = httpx.post(
        f"{monitor.url}/v1/predictions", content=b"".join(records), timeout=30,
        headers={**HEADERS, "Content-Type": "application/bson"},
    )  # fmt: skip
    assert whole.status_code == 413, "these need more than one body"


@pytest.mark.usefixtures("version")
def test_the_widest_row_is_answered_where_batches_have_one_row(
    mongod: Mongod, tmp_path: Path
) -> None:
    headers = {"Content-Type": "application/json"}
    predictor = Predictor(tmp_path, mongod.uri, TAXI_PREDICT_BATCH_MAX_ROWS="1").start()
    try:
        for character in ["x", "東", "\U0001f5fd"]:
            row = {**dict.fromkeys(NAMES, character * MAX_TEXT), "note": "\n" * 1000}
            # What is not ASCII is escaped.
            for path, body in (
                ("/predict", json.dumps(row)),
                ("/predict/batch", json.dumps([row])),
            ):
                answer = httpx.post(
                    f"{predictor.url}{path}", content=body, headers=headers, timeout=30
                )
                assert answer.status_code == 200, (character, path, answer.text)
        wait_until_logged(mongod.uri, 6)
    finally:
        predictor.stop()
