"""Graphs of other libraries' converters: packed, imported, served, explained, as they answer."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from lightgbm import LGBMRegressor
from onnxmltools import convert_lightgbm, convert_xgboost
from onnxmltools.convert.common.data_types import FloatTensorType
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import FloatTensorType as SklearnFloats
from sklearn.ensemble import HistGradientBoostingRegressor
from support import own_model_doc
from support.predictor import Predictor
from support.waiting import wait_for
from xgboost import XGBRegressor

from taxi_files.reading import read_file
from taxi_local.mongod import Mongod
from taxi_schema.columns.rows import LabelledRows
from taxi_schema.reading import read_schema
from taxi_store.connection import connect, database_of
from taxi_train.data.rows import features_of, within_limits

pytestmark = pytest.mark.component
SAMPLE = Path(__file__).parents[2] / "models/flight_delay/samples/flights-2013-01.parquet"
#: Numbers only, some of them missing: what one float tensor can hold.
SCHEMA = """
id = "flight_id"
event_time = { name = "scheduled_departure", timezone = "America/New_York" }
target = { name = "arr_delay", unit = "minutes", minimum = -120, maximum = 1440 }
[[columns]]
name = "distance"
kind = "number"
minimum = 0
maximum = 10000
[[columns]]
name = "dep_delay"
kind = "number"
minimum = -120
maximum = 1440
nullable = true
[derived]
hour = { hour_of = "event_time" }
weekday = { weekday_of = "event_time" }
"""
FEATURES = 4
TRAINED, HELD_OUT = slice(0, 5000), slice(5000, 8000)
_TREES: dict[str, Any] = {"n_estimators": 40, "max_depth": 4, "random_state": 1}


def scikit_learn(matrix: Any, target: Any) -> tuple[Any, Any]:
    model = HistGradientBoostingRegressor(max_iter=40, random_state=1).fit(matrix, target)
    return model, convert_sklearn(model, initial_types=[("X", SklearnFloats([None, FEATURES]))])


def xgboost(matrix: Any, target: Any) -> tuple[Any, Any]:
    model = XGBRegressor(**_TREES, n_jobs=1).fit(matrix, target)
    return model, convert_xgboost(model, initial_types=[("X", FloatTensorType([None, FEATURES]))])


def lightgbm(matrix: Any, target: Any) -> tuple[Any, Any]:
    model = LGBMRegressor(**_TREES, n_jobs=1, verbose=-1).fit(matrix, target)
    return model, convert_lightgbm(model, initial_types=[("X", FloatTensorType([None, FEATURES]))])


LIBRARIES: dict[str, Callable[[Any, Any], tuple[Any, Any]]] = {
    "scikit-learn": scikit_learn, "xgboost": xgboost, "lightgbm": lightgbm,
}  # fmt: skip


@dataclass(frozen=True)
class Flights:
    """A folder with the files that the page's command names, and rows for training."""

    folder: Path
    uri: str

    def rows(self) -> LabelledRows:
        """Return all flights, those without a label too."""
        return read_file(self.schema, SAMPLE).rows(self.schema)

    @property
    def schema(self) -> Any:
        """Return the schema."""
        return read_schema(self.folder / "schema.toml")

    def run(self, command: str) -> str:
        """Run a command beside the files."""
        return own_model_doc.call(command, self.folder, TAXI_MONGODB_URI=self.uri)


@pytest.fixture(scope="module")
def flights(shared_mongod: Mongod, tmp_path_factory: pytest.TempPathFactory) -> Flights:
    folder = tmp_path_factory.mktemp("graphs")
    (folder / "schema.toml").write_text(SCHEMA)
    table = pq.read_table(SAMPLE)
    pq.write_table(table.slice(HELD_OUT.start, len(table)), folder / "rows.parquet")
    return Flights(folder, shared_mongod.uri.replace("/taxi", "/own-graphs"))


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_packed_graph_is_served_as_its_library_answers(
    flights: Flights, tmp_path: Path, library: str
) -> None:
    schema, rows = flights.schema, flights.rows()
    known = rows[TRAINED]
    known = known[within_limits(schema, known)]
    model, graph = LIBRARIES[library](features_of(schema, known).to_numpy(float), known.target)
    (flights.folder / "model.onnx").write_bytes(graph.SerializeToString())

    (command,) = own_model_doc.blocks(2)
    printed = flights.run(command)
    version = printed.partition(":")[0]
    assert f"{version}: is Candidate" in printed
    flights.run(f"taxi-models promote {version} --force --accept-schema-change")
    predictor = Predictor(tmp_path, flights.uri).start()
    try:
        asked = rows[HELD_OUT][:300]
        assert np.isnan(asked.columns["dep_delay"]).any()
        bodies = [
            body | {"flight_id": f"{library}-{place}", "tail": "N14228"}
            for place, body in enumerate(bodies_of(asked))
        ]
        answers = httpx.post(
            f"{predictor.url}/predict/batch", json={"rows": bodies}, timeout=30
        ).json()

        wanted = np.clip(model.predict(features_of(schema, asked).to_numpy(float)), -120, 1440)
        assert [answer["arr_delay"] for answer in answers] == pytest.approx(wanted, abs=2e-3)
        assert {answer["model_version"] for answer in answers} == {version}
        last = bodies[-1]
        with connect(flights.uri, app_name="test") as client:
            log = database_of(client)["predictions"]
            wait_for("the row is logged", lambda: log.find_one(last["flight_id"]))
    finally:
        predictor.stop()

    explained = json.loads(flights.run(f"taxi-models explain {last['flight_id']} -o json"))
    moment = pd.Timestamp(last["scheduled_departure"])
    assert explained["input distance"] == last["distance"]
    assert (explained["feature hour"], explained["undeclared tail"]) == (moment.hour, "N14228")
    assert explained["feature weekday"] == moment.dayofweek
    assert explained["again arr_delay"] == explained["logged arr_delay"]
    assert explained["again arr_delay"] == pytest.approx(answers[-1]["arr_delay"])


def bodies_of(rows: LabelledRows) -> list[dict[str, Any]]:
    """Return rows as bodies, without what is missing."""
    columns = {name: array.tolist() for name, array in rows.columns.items()}
    times = rows.event_times.tolist()
    return [
        {"scheduled_departure": times[place].isoformat()}
        | {name: array[place] for name, array in columns.items() if not np.isnan(array[place])}
        for place in range(len(rows))
    ]
