"""Graphs of any signature that a schema allows: inputs by name or packed, outputs of any shape."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper
from support.artifacts import Linear, model_bytes

from taxi_predict.serving.onnx_model import ModelError, OnnxModel
from taxi_schema.column import MISSING_INTEGER
from taxi_schema.columns.rows import LabelledRows
from taxi_schema.reading import schema_of
from taxi_schema.schema import Schema
from taxi_train.artifact.onnx_model import OnnxModel as TrainedModel
from taxi_train.data.rows import features_of

LARGE = 2**53 + 1


def schema_with(*columns: dict[str, Any]) -> Schema:
    return schema_of({"target": {"name": "y"}, "columns": list(columns)})


NUMBERS = schema_with(
    {"name": "a", "kind": "number", "nullable": True},
    {"name": "b", "kind": "category", "minimum": 0, "maximum": 9, "nullable": True},
    {"name": "c", "kind": "boolean"},
)
INTEGER = schema_with(
    {"name": "big", "kind": "category", "type": "integer"}, {"name": "rest", "kind": "number"}
)
FLOAT, DOUBLE, INT64, STRING = (
    TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.INT64, TensorProto.STRING,
)  # fmt: skip


def graph(inputs: dict[str, Any], output: Any, *nodes: Any, constants: Any = ()) -> bytes:
    return model_bytes(
        helper.make_graph(
            nodes, "g",
            [helper.make_tensor_value_info(name, *kind) for name, kind in inputs.items()],
            [helper.make_tensor_value_info("y", *output)], constants,
        )
    )  # fmt: skip


def require(model: OnnxModel, rows: list[Any], answers: list[float]) -> None:
    """Require the same of rows together and one by one."""
    assert model.predict(rows) == pytest.approx(answers, nan_ok=True)
    alone = [model.predict([row])[0] for row in rows]
    assert alone == pytest.approx(answers, nan_ok=True)


def packed(*nodes: Any, output: Any = (FLOAT, [None, 1])) -> OnnxModel:
    axes = helper.make_tensor("axes", INT64, [1], [1])
    one = graph({"x": (FLOAT, [None, 3])}, output, *nodes, constants=[axes])
    return OnnxModel(one, NUMBERS)


def test_a_packed_tensor_has_all_features_in_order_and_nan_for_what_is_missing() -> None:
    weights = helper.make_node(
        "Constant", [], ["w"], value=helper.make_tensor("w", FLOAT, [3, 1], [1, 10, 100])
    )
    model = packed(weights, helper.make_node("MatMul", ["x", "w"], ["y"]))

    require(
        model,
        [(0.5, 3, 1), (2.0, MISSING_INTEGER, 0), (math.nan, 1, 1), (1.0, 0, 0)],
        [130.5, math.nan, math.nan, 1.0],
    )


@pytest.mark.parametrize("keep", [0, 1])
@pytest.mark.parametrize("kind", [FLOAT, DOUBLE])
def test_answers_may_be_a_vector_or_a_column_of_floats_or_doubles(keep: int, kind: int) -> None:
    model = packed(
        helper.make_node("ReduceSum", ["x", "axes"], ["s"], keepdims=keep),
        helper.make_node("Cast", ["s"], ["y"], to=kind),
        output=(kind, [None, 1] if keep else [None]),
    )

    require(model, [(0.5, 3, 1), (1.0, 2, 0)], [4.5, 3.0])


@pytest.mark.parametrize("shape", [[None], [None, 1]])
def test_integers_of_64_bits_stay_exact_and_unused_features_are_left_out(
    shape: list[int | None],
) -> None:
    base = helper.make_tensor("base", INT64, [1], [LARGE - 1])
    one = graph(
        {"big": (INT64, shape)}, (FLOAT, shape),
        helper.make_node("Sub", ["big", "base"], ["d"]),
        helper.make_node("Cast", ["d"], ["y"], to=FLOAT), constants=[base],
    )  # fmt: skip
    model = OnnxModel(one, INTEGER)

    require(model, [(LARGE, 0.5), (LARGE - 1, 1.5), (LARGE + 1, math.nan)], [1.0, 0.0, 2.0])


def test_strings_and_numbers_beyond_32_bits_are_answered() -> None:
    schema = schema_with(
        {"name": "s", "kind": "category", "nullable": True}, {"name": "n", "kind": "number"}
    )
    linear = Linear(1.0, {"n": 1.0}, {"s": {"é": 5.0, "": 7.0}})
    model = OnnxModel(linear.graph(schema), schema)

    require(
        model, [("é", 2.0), ("", 2.0), ("unseen", -1.0), ("é", 1e300)], [8.0, 10.0, 0.0, 1e6 + 6]
    )
    numbers = OnnxModel(linear.graph(INTEGER), INTEGER)
    require(numbers, [(1, 1e300), (2**62, -1e300)], [1.0, 1.0])


@pytest.mark.parametrize(
    ("one", "text"),
    [
        (b"no graph", "cannot be loaded"),
        (graph({"nope": (FLOAT, [None, 1])}, (FLOAT, [None, 1]),
               helper.make_node("Identity", ["nope"], ["y"])), "with the features"),
        (graph({"rest": (FLOAT, [1, 1])}, (FLOAT, [1, 1]),
               helper.make_node("Identity", ["rest"], ["y"])), "cannot answer a row"),
        (graph({"rest": (FLOAT, [None, 1])}, (FLOAT, None),
               helper.make_node("Concat", ["rest", "rest"], ["y"], axis=1)),
         "answers of shape"),
    ],
)  # fmt: skip
def test_a_graph_that_cannot_be_used_says_why(one: bytes, text: str) -> None:
    with pytest.raises(ModelError, match=text):
        OnnxModel(one, INTEGER)


def test_answers_are_floats_of_python() -> None:
    model = OnnxModel(Linear(2.5).graph(INTEGER), INTEGER)

    for answers in (model.predict([(1, 1.0)]), model.predict([(1, 1.0), (2, 2.0)])):
        assert {type(answer) for answer in answers} == {float}
        assert not isinstance(answers[0], np.generic)


FIRST = helper.make_tensor("first", INT64, [1], [0])
#: Both give the first number of a row as it comes: packed, and by its name.
FIRST_NUMBERS = (
    graph({"x": (FLOAT, [None, 3])}, (FLOAT, [None, 1]),
          helper.make_node("Gather", ["x", "first"], ["y"], axis=1), constants=[FIRST]),
    graph({"a": (FLOAT, [None, 1])}, (FLOAT, [None, 1]),
          helper.make_node("Identity", ["a"], ["y"])),
)  # fmt: skip
LARGEST = float(np.finfo(np.float32).max)
WILD = st.floats(allow_infinity=False) | st.sampled_from(
    [-(2.0**63), 2.0**63, LARGEST, -LARGEST, LARGEST * 1.0000001, 1e39, -1e300, -0.0]
)


@pytest.mark.parametrize("one", FIRST_NUMBERS, ids=["packed", "named"])
@given(
    numbers=st.lists(WILD, min_size=2, max_size=5), integer=st.sampled_from([MISSING_INTEGER, 3])
)
def test_a_number_is_the_same_alone_among_others_and_in_training(
    one: bytes, numbers: list[float], integer: int
) -> None:
    rows = [(number, integer, 1) for number in numbers]
    integers = np.full(len(rows), integer)
    columns = {"a": np.array(numbers), "b": integers, "c": np.ones_like(integers)}
    none = np.full(len(rows), np.nan)
    times = np.full(len(rows), "NaT", "datetime64[us]")
    labelled = LabelledRows(columns, times, none, none, none)
    trained = TrainedModel(NUMBERS, one).predict(features_of(NUMBERS, labelled))

    model = OnnxModel(one, NUMBERS)
    assert np.isfinite(trained[~np.isnan(columns["a"])]).all()
    np.testing.assert_array_equal(model.predict(rows), trained)
    np.testing.assert_array_equal([model.predict([row])[0] for row in rows], trained)
