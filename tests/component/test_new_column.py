"""One more input column is one edit of the schema: every part follows, and no code does."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from prometheus_client.parser import text_string_to_metric_families
from support import own_model_doc
from support.monitor import TOKEN, Monitor
from support.predictor import Predictor
from support.waiting import wait_for

from taxi_domain.models import Alias
from taxi_domain.runs import RUN_ID_VARIABLE, RunResult
from taxi_local.mongod import Mongod
from taxi_schema.reading import read_schema
from taxi_store.connection import connect, database_of
from taxi_store.registry.registry import Registry
from taxi_store.registry.runs import RunStore
from taxi_stories.rows import LabelledBody, bodies_of
from taxi_stories.sender import Addresses, Rate, Sender

pytestmark = pytest.mark.component
EXAMPLE = Path(__file__).parents[2] / "models" / "taxi_duration"
COLUMN = "passenger_count"
#: The whole change. Context columns and others stay as they are.
EDIT = f"""
[[columns]]
name        = "{COLUMN}"
kind        = "category"
minimum     = 0
maximum     = 9
nullable    = true
description = "Passengers, as the driver has entered them."

[derived]
"""
TRAINED, SENT = 8000, 4000


def with_passengers(table: pa.Table, shares: list[float], seed: int) -> pa.Table:
    """Add the column, drawn by shares of 1, 2 ... passengers, with holes in a fifth."""
    rng = np.random.default_rng(seed)
    counts = rng.choice(np.arange(1, len(shares) + 1), len(table), p=shares)
    holes = rng.random(len(table)) < 0.2
    return table.append_column(COLUMN, pa.array(counts, pa.int8(), mask=holes))


@dataclass
class Chain:
    """A copy of the example with the edit, and the parts that serve and watch its model."""

    folder: Path
    uri: str
    predictor: Predictor
    monitor: Monitor

    def record(self, row_id: str) -> dict[str, Any]:
        """Return a row's record once the log has it."""
        with connect(self.uri, app_name="test") as client:
            log = database_of(client)["predictions"]
            found: dict[str, Any] = wait_for(row_id, lambda: log.find_one(row_id))
        return found


@pytest.fixture(scope="module")
def chain(shared_mongod: Mongod, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chain]:
    folder = tmp_path_factory.mktemp("new-column")
    for name in ("schema.toml", "zones.csv"):
        shutil.copy(EXAMPLE / name, folder)
    text = (folder / "schema.toml").read_text()
    assert text.count("\n[derived]\n") == 1
    (folder / "schema.toml").write_text(text.replace("\n[derived]\n", EDIT))
    before = pq.read_table(EXAMPLE / "samples" / "green-2020-03-before.parquet")
    rides = with_passengers(before.slice(len(before) - TRAINED), [0.7, 0.1, 0.1, 0.1], 1)
    pq.write_table(rides, folder / "rides.parquet")

    uri = shared_mongod.uri.replace("/taxi", "/new-column")
    (folder / "monitor").mkdir()
    (folder / "predictor").mkdir()
    monitor = Monitor(folder / "monitor", uri)
    predictor = Predictor(
        folder / "predictor", uri, TAXI_MONITOR_URL=monitor.url, TAXI_MONITOR_TOKEN=TOKEN
    )
    own_model_doc.call(
        "taxi-train fit --schema schema.toml --data rides.parquet --out models", folder
    )
    for alias in Alias:
        own_model_doc.promote_archive(
            f"models/{alias}.tar", alias, folder, TAXI_MONGODB_URI=uri
        )  # fmt: skip
    try:
        monitor.start()
        predictor.start()
        yield Chain(folder, uri, predictor, monitor)
    finally:
        predictor.stop()
        monitor.stop()


@pytest.fixture(scope="module")
def sent(chain: Chain) -> list[LabelledBody]:
    """Send rides in which there are more passengers than before, and return them."""
    schema = read_schema(chain.folder / "schema.toml")
    after = pq.read_table(EXAMPLE / "samples" / "green-2020-03-after.parquet").slice(0, SENT)
    after = with_passengers(after, [0.1, 0.1, 0.4, 0.4], 2)
    rows = bodies_of(schema, after)
    rows = [
        LabelledBody(row.body | {"ride_id": f"ride-{place:05d}"}, row.label)
        for place, row in enumerate(rows)
        if schema.target.is_evaluated(row.label)
    ]
    done = Sender(
        rows,
        Addresses(lambda: chain.predictor.url, lambda: chain.monitor.url, TOKEN),
        Rate(5000, batch_size=500, label_delay_seconds=0),
        schema=schema,
    ).run()
    assert (done.sent, done.labelled) == (len(rows), len(rows))
    assert done.refused < len(rows) / 50, "rides of impossible distances"
    return rows


def test_requests_with_and_without_the_column_are_answered_and_logged(chain: Chain) -> None:
    plain: dict[str, Any] = {"PULocationID": 130, "DOLocationID": 205, "trip_distance": 3.66}
    bodies = {
        "with": plain | {COLUMN: 3},
        "without": plain,
        "null": plain | {COLUMN: None},
        "outside": plain | {COLUMN: 10},
        "text": plain | {COLUMN: "3"},
    }
    answers = {
        name: httpx.post(
            f"{chain.predictor.url}/predict", json=body | {"ride_id": name}, timeout=30
        )
        for name, body in bodies.items()
    }

    assert {name: answer.status_code for name, answer in answers.items()} == {
        "with": 200, "without": 200, "null": 200, "outside": 422, "text": 422,
    }  # fmt: skip
    assert {answers[name].json()["field"] for name in ("outside", "text")} == {COLUMN}
    for name, value in (("with", 3), ("without", None), ("null", None)):
        record = chain.record(name)
        assert record["inputs"] == plain | {COLUMN: value}
        assert "extra" not in record
    described = httpx.get(f"{chain.predictor.url}/openapi.json", timeout=30).text
    assert COLUMN in described
    assert "as the driver has entered them" in described


@pytest.mark.usefixtures("sent")
def test_the_monitor_scores_the_column(chain: Chain) -> None:
    wait_for("the window is full", lambda: chain.monitor.champion("/v1/drift")["features"])

    def series(name: str) -> float:
        for family in text_string_to_metric_families(
            httpx.get(f"{chain.monitor.metrics_url}/metrics", timeout=30).text
        ):
            for sample in family.samples:
                labels = sample.labels
                wanted = (labels.get("feature"), labels.get("model_role")) == (COLUMN, "champion")
                if sample.name == name and wanted:
                    return sample.value
        return 0.0

    assert wait_for("drift", lambda: series("taxi_monitor_feature_drift_score_ratio") > 1)
    assert series("taxi_monitor_feature_drift_score") > 0.1
    assert series("taxi_monitor_feature_missing_ratio") == pytest.approx(0.2, abs=0.05)
    drift = chain.monitor.champion("/v1/drift")
    assert COLUMN in drift["columns"]
    assert COLUMN in httpx.get(f"{chain.monitor.url}/", timeout=30).text


def test_retraining_takes_the_column_from_the_champions_schema(
    chain: Chain, sent: list[LabelledBody]
) -> None:
    chain.record(str(sent[-1].body["ride_id"]))

    own_model_doc.call(
        "taxi-train run", chain.folder,
        **{"TAXI_MONGODB_URI": chain.uri, RUN_ID_VARIABLE: "new-column"},
    )  # fmt: skip

    with connect(chain.uri, app_name="test") as client:
        run = RunStore(database_of(client)).get("new-column")
        assert run is not None
        assert run.candidate is not None
        candidate = Registry(database_of(client)).load(run.candidate)
    assert run.result in {RunResult.BETTER, RunResult.NOT_BETTER, RunResult.WORSE_IN_SLICE}
    assert run.numbers["evaluated_rows"] >= 1000
    assert candidate.card["schema_sha256"] == read_schema(chain.folder / "schema.toml").digest
