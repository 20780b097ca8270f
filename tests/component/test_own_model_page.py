"""`docs/your-own-model.md` as it stands: a table, training code, a predictor of one's own."""

import json
import string
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pyarrow.parquet as pq
import pytest
from prometheus_client.parser import text_string_to_metric_families
from support import own_model_doc
from support.monitor import TOKEN, Monitor

from taxi_domain.models import Alias
from taxi_domain.records import Label, PredictionRecord
from taxi_domain.runs import RUN_ID_VARIABLE, RunResult
from taxi_local.mongod import Mongod
from taxi_schema.reading import read_schema
from taxi_store.admin.indexes import ensure_indexes
from taxi_store.connection import connect, database_of
from taxi_store.log.malformed import Unreadable
from taxi_store.log.partitions import plan, read
from taxi_store.log.prediction_log import insert_labels, insert_records
from taxi_store.registry.registry import Registry
from taxi_store.registry.runs import RunStore

pytestmark = pytest.mark.component
SAMPLE = Path(__file__).parents[2] / "models/flight_delay/samples/flights-2013-02.parquet"
MODEL = "flight-delay"
FITTED, LOGGED = 4000, 3000
COLUMNS = ("carrier", "origin", "dest", "distance", "dep_delay")


@dataclass(frozen=True)
class Folder:
    """Where the page's commands ran.

    Attributes:
        path: Has `rows.parquet`, `schema.toml` and `models`.
        printed: What they printed.
        uri: Of a database whose registry has both models.
        champion: Version.
    """

    path: Path
    printed: str
    uri: str
    champion: str

    def run(self, commands: str, **variables: str) -> str:
        """Run more commands there."""
        known = {"TAXI_MONGODB_URI": self.uri, "TAXI_MODEL": MODEL}
        return own_model_doc.run(commands, self.path, **known, **variables).stdout


def flights(first: int, count: int) -> list[dict[str, Any]]:
    """Return flights that arrived."""
    rows = pq.read_table(SAMPLE).slice(first, count).to_pylist()
    return [row for row in rows if row["arr_delay"] is not None]


@pytest.fixture(scope="module")
def folder(shared_mongod: Mongod, tmp_path_factory: pytest.TempPathFactory) -> Folder:
    path = tmp_path_factory.mktemp("own")
    pq.write_table(pq.read_table(SAMPLE).slice(0, FITTED), path / "rows.parquet")
    commands = "\n".join(own_model_doc.blocks(1))
    printed = own_model_doc.run(commands, path).stdout
    uri = shared_mongod.uri.replace("/taxi", "/own-model-page")
    versions = {
        alias: own_model_doc.promote_archive(
            f"models/{alias}.tar", alias, path, TAXI_MONGODB_URI=uri, TAXI_MODEL=MODEL
        )
        for alias in Alias
    }
    for alias, version in versions.items():
        assert f"models/{alias}.tar: {version}" in printed
    return Folder(path, printed, uri, versions[Alias.CHAMPION])


def test_the_commands_of_a_table_make_models_that_are_imported(folder: Folder) -> None:
    schema = read_schema(folder.path / "schema.toml")

    assert [column.name for column in schema.columns] == list(COLUMNS)
    assert f"of {FITTED} rows can be trained on" in folder.printed
    with connect(folder.uri, app_name="test") as client:
        aliases = {alias: Registry(database_of(client)).alias(MODEL, alias) for alias in Alias}
    assert {str(alias) for alias, entry in aliases.items() if entry} == {"champion", "fallback"}


def test_training_code_of_ones_own_competes_in_a_run(folder: Folder) -> None:
    (code,) = own_model_doc.blocks(3, "python")
    (folder.path / "my_models.py").write_text(code)
    now, rows = datetime.now(UTC), flights(FITTED, LOGGED)
    records = [
        PredictionRecord(
            row["flight_id"], now + timedelta(seconds=place), row["scheduled_departure"], MODEL,
            folder.champion, "champion", {name: row[name] for name in COLUMNS}, 0.0,
        ).to_document()
        for place, row in enumerate(rows)
    ]  # fmt: skip
    labels = [Label(row["flight_id"], float(row["arr_delay"]), now) for row in rows]
    with connect(folder.uri, app_name="test") as client:
        database = database_of(client)
        insert_records(database, records, now)
        insert_labels(database, labels, now, Unreadable())

        folder.run("taxi-train run", TAXI_TRAIN_CANDIDATES="my_models", **{RUN_ID_VARIABLE: "own"})

        run = RunStore(database).get("own")
        assert run is not None
        assert run.candidate is not None
        card = Registry(database).get(run.candidate).card
    assert run.result in {RunResult.BETTER, RunResult.NOT_BETTER, RunResult.WORSE_IN_SLICE}
    tried = {
        f"{kind}_{way}": run.numbers[f"choose_{kind}_{way}_rmse"]
        for kind in ("gradient-boosting", "ridge")
        for way in ("new", "old_and_new")
    }
    assert card["kind"] == min(tried, key=lambda name: tried[name]).replace("_", "-")
    assert np.isfinite(run.numbers["candidate_rmse"])


@pytest.fixture
def monitor(folder: Folder, tmp_path: Path) -> Iterator[Monitor]:
    with connect(folder.uri, app_name="test") as client:
        for name in ("predictions", "labels", "rows", "pending_events"):
            database_of(client)[name].delete_many({})
    one = Monitor(tmp_path, folder.uri, TAXI_MODEL=MODEL).start()
    yield one
    one.stop()


def test_events_rows_and_corrections_are_taken(folder: Folder, monitor: Monitor) -> None:
    monitor.wait("/v1/drift", "window", 0)
    quiet = "curl --fail-with-body --silent --show-error --write-out '\\n' "
    for section, answers in ((5, ["", ""]), (4, None), (6, None), (7, None)):
        (commands,) = own_model_doc.blocks(section, "bash")
        printed = folder.run(
            commands.replace("curl ", quiet), MONITOR=monitor.url, TOKEN=TOKEN,
            VERSION=folder.champion,
        )  # fmt: skip
        assert printed.splitlines() == (answers or own_model_doc.answers(commands))
    monitor.wait("/v1/drift", "window", 2)
    with connect(folder.uri, app_name="test") as client:
        record = database_of(client)["predictions"].find_one({"_id": "UA1545-2013-01-03"})
    assert record is not None
    assert (record["prediction"], record["inputs"]["dest"]) == (3.5, "IAH")


def test_a_predictor_of_ones_own_is_watched(folder: Folder, monitor: Monitor) -> None:
    (commands,) = own_model_doc.blocks(4, "bash")
    printed = folder.run(
        commands.replace("curl ", "curl --silent --show-error --write-out '\\n' "),
        MONITOR=monitor.url, TOKEN=TOKEN, VERSION=folder.champion,
    )  # fmt: skip
    assert printed.splitlines() == own_model_doc.answers(commands)

    # More rows in the same form; this predictor answers the delay of the departure.
    form = string.Template(commands.partition("<<END\n")[2].partition("END\n")[0])
    (record,) = json.loads(form.substitute(VERSION=folder.champion))["records"]
    rows = flights(FITTED + LOGGED, 999)
    records = [
        record | {
            "_id": row["flight_id"], "ts": datetime.now(UTC).isoformat(),
            "event_time": row["scheduled_departure"].isoformat(),
            "inputs": {name: row[name] for name in record["inputs"]},
            "prediction": row["dep_delay"],
        }
        for row in rows
    ]  # fmt: skip
    labels = [{"flight_id": row["flight_id"], "arr_delay": row["arr_delay"]} for row in rows]
    assert monitor.post("/v1/records", {"records": records}).json()["accepted"] == len(rows)
    assert monitor.post("/v1/labels", {"labels": labels}).json()["accepted"] == len(rows)

    monitor.wait("/v1/performance", "labelled_rows", len(rows) + 1)
    drift, performance = (monitor.champion(f"/v1/{part}") for part in ("drift", "performance"))
    assert drift["window"]["rows"] == len(rows) + 1
    assert drift["verdict"] != "too few rows"
    assert {part["feature"] for part in drift["features"]} >= set(COLUMNS)
    errors = [row["dep_delay"] - row["arr_delay"] for row in rows] + [3.5 - 11]
    rmse = float(np.sqrt(np.mean(np.square(errors))))
    assert performance["actual"]["rmse"] == pytest.approx(rmse)
    exported = {
        (sample.name, sample.labels.get("feature", "")): sample.value
        for family in text_string_to_metric_families(
            httpx.get(f"{monitor.metrics_url}/metrics", timeout=30).text
        )
        for sample in family.samples
        if sample.labels.get("model") == MODEL and sample.labels["model_role"] == "champion"
    }
    assert exported["taxi_monitor_error_rmse", ""] == pytest.approx(rmse)
    assert exported["taxi_monitor_drift_score_ratio", ""] > 0
    assert exported["taxi_monitor_feature_drift_score", "dest"] > 0

    # What a restart forgets comes back from the log, and a report finds the same rows there.
    monitor.kill()
    monitor.start()
    monitor.wait("/v1/performance", "labelled_rows", len(rows) + 1)
    again = [monitor.champion(f"/v1/{part}") for part in ("drift", "performance")]
    for part in (drift, performance, *again):
        part.pop("evaluated_at")
        part.pop("verdict", None)  # two evaluations in a row need rows in between
        # How far the log is judged by evidence depends on when it is asked.
        part.pop("judging", None)
        part.pop("evidence", None)
    assert again == [drift, performance]
    with connect(folder.uri, app_name="test") as client:
        database = database_of(client)
        ensure_indexes(database)
        end = datetime.now(UTC) + timedelta(minutes=1)
        parts = plan(database, MODEL, end - timedelta(hours=1), end)
        chunks = [chunk for part in parts for chunk in read(database, part, Unreadable())]
    found = {document["_id"]: document for chunk in chunks for document in chunk}
    assert set(found) >= {row["flight_id"] for row in rows}
    first = found[rows[0]["flight_id"]]
    assert first["inputs"] == records[0]["inputs"]
    written = first["event_time"].as_datetime()
    assert written.replace(tzinfo=None) == rows[0]["scheduled_departure"]
