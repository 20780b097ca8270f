"""Graphs are asked at the limits of their inputs before they may serve."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from onnx import TensorProto, helper
from support.labelled import labelled

from taxi_domain.models import CARD_FILE, SCHEMA_FILE
from taxi_domain.runs import RunResult
from taxi_schema.columns.rows import LabelledRows
from taxi_schema.reading import schema_of
from taxi_schema.schema import Schema
from taxi_store.registry.artifacts import Artifact
from taxi_train.artifact.builder import artifact
from taxi_train.artifact.onnx_model import GraphError, OnnxModel, check_graph, check_limits
from taxi_train.data.rows import features_of
from taxi_train.data.views import Views
from taxi_train.runs.gate import GateRules
from taxi_train.runs.retraining import compare

COLUMN = {"name": "weight", "kind": "number", "minimum": 0, "maximum": 100}
SCHEMA = schema_of({"target": {"name": "price", "unit": "euros"}, "columns": [COLUMN]})
WIDER = schema_of({
    "target": {"name": "price", "unit": "euros"},
    "columns": [COLUMN, {"name": "size", "kind": "number"}],
})  # fmt: skip
RULES = GateRules(min_labelled_rows=100)


def graph(operation: str) -> bytes:
    """Return a graph that gives the weight (Identity), or one divided by it (Reciprocal)."""
    node = helper.make_node(operation, ["weight"], ["price"])
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, 1])
        for name in ("weight", "price")
    ]
    made = helper.make_model(
        helper.make_graph([node], "g", ends[:1], ends[1:]), ir_version=8,
        opset_imports=[helper.make_opsetid("", 17)],
    )  # fmt: skip
    return bytes(made.SerializeToString())


def made(operation: str, schema: Schema = SCHEMA) -> Artifact:
    rows = some(schema)
    data = graph(operation)
    return artifact(
        schema, "test", data, rows.predicted(OnnxModel(schema, data).predict(_features(schema)))
    )


def some(schema: Schema) -> LabelledRows:
    rows = labelled(schema, 500)
    weight = np.maximum(rows.columns["weight"], 1.0)
    return replace(rows, columns=rows.columns | {"weight": weight}, target=weight)


def _features(schema: Schema) -> pd.DataFrame:
    return features_of(schema, some(schema))


def views(*schemas: Schema) -> Views:
    return Views({schema.digest: some(schema) for schema in schemas})


def test_a_graph_that_divides_by_a_number_names_the_row() -> None:
    files = made("Reciprocal").files

    check_graph(files)
    with pytest.raises(GraphError, match=r"model\.onnx: gives inf for weight 0"):
        check_limits(files)
    check_limits(made("Identity").files)


def test_the_gate_refuses_such_a_candidate_and_lets_such_a_champion_be_replaced() -> None:
    refused = compare(made("Identity"), made("Reciprocal"), views(SCHEMA), RULES)
    replaced = compare(made("Reciprocal"), made("Identity"), views(SCHEMA), RULES)

    assert refused.result is RunResult.NOT_BETTER
    assert "weight 0" in refused.message
    assert replaced.result is RunResult.BETTER


def test_the_gate_refuses_a_candidate_that_clients_would_notice() -> None:
    champion = made("Reciprocal")

    changed = compare(champion, made("Identity", WIDER), views(SCHEMA, WIDER), RULES)
    compatible = compare(made("Reciprocal", WIDER), made("Identity"), views(SCHEMA, WIDER), RULES)

    assert changed.result is RunResult.SCHEMA_CHANGED
    assert "size is required, was absent" in changed.message
    assert "--accept-schema-change" in changed.message
    assert changed.numbers["gain"] > 0.9
    assert compatible.result is RunResult.BETTER


def test_the_gate_names_the_fallback_that_rows_of_a_candidate_would_not_suit() -> None:
    champion, fallback = made("Reciprocal", WIDER), made("Identity", WIDER)
    narrow = made("Identity")

    stuck = compare(champion, narrow, views(SCHEMA, WIDER), RULES, (fallback,))
    free = compare(champion, narrow, views(SCHEMA, WIDER), RULES, (made("Identity"),))

    assert (stuck.result, free.result) == (RunResult.SCHEMA_CHANGED, RunResult.BETTER)
    assert f"the fallback {fallback.version} would refuse rows" in stuck.message
    assert "size is required, was absent" in stuck.message
    assert "taxi-train fit" in stuck.message


def test_a_candidate_that_is_not_better_is_not_offered_with_its_schema() -> None:
    found = compare(made("Identity"), made("Identity", WIDER), views(SCHEMA, WIDER), RULES)

    assert found.result is RunResult.NOT_BETTER
    assert "--accept-schema-change" not in found.message


@pytest.mark.parametrize("change", ["absent", "damaged"])
def test_an_artifact_without_a_schema_is_refused_by_name(change: str) -> None:
    files = dict(made("Identity").files)
    if change == "absent":
        del files[SCHEMA_FILE]
    else:
        files[SCHEMA_FILE] = json.dumps({"columns": []}).encode()

    with pytest.raises(GraphError, match=r"schema\.json: "):
        check_graph(files)
    assert CARD_FILE in files
