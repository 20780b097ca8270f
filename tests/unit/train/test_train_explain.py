"""What a model saw of a row: each line is there, whatever the schema calls things."""

import json
from datetime import UTC, datetime

from support.artifacts import Linear

from taxi_domain.records import PredictionRecord
from taxi_schema.reading import schema_of
from taxi_train.artifact.onnx_model import OnnxModel
from taxi_train.printing import json_text
from taxi_train.runs.explain import explained

SCHEMA = schema_of({
    "id": "unit",
    "event_time": {"name": "answered", "timezone": "Europe/Berlin"},
    "target": {"name": "again", "unit": "euros"},
    "columns": [
        {"name": "logged", "kind": "number", "nullable": True},
        {"name": "label", "kind": "number"},
    ],
})  # fmt: skip
LOCAL = datetime(2021, 1, 2, 3)  # noqa: DTZ001 - local
NOW = datetime(2021, 1, 2, 4, tzinfo=UTC)


def test_no_line_is_overwritten_and_missing_numbers_are_null() -> None:
    model = OnnxModel(SCHEMA, Linear(2.0, {"label": 3.0}).graph(SCHEMA))
    inputs = {"logged": None, "label": 5.0}
    record = PredictionRecord("r1", NOW, LOCAL, "m", "v1", "champion", inputs, 17.0)

    found = json.loads(json_text(explained(model, record, None) | {"odd": [float("nan")]}))

    assert found == {
        "id": "r1", "answered": NOW.isoformat(), "model_version": "v1", "model_role": "champion",
        "event_time": str(LOCAL), "input logged": None, "input label": 5.0, "unit": "euros",
        "logged again": 17.0, "again again": 17.0, "label again": None, "odd": [None],
    }  # fmt: skip
