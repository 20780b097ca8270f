"""From scikit-learn to ONNX, and the proof that both answer the same."""

from typing import Final

import numpy as np
import pandas as pd
from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto, helper
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import FloatTensorType
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import TargetEncoder

from taxi_domain.errors import TaxiError
from taxi_domain.features import CATEGORICAL_FEATURES, MODEL_OUTPUT
from taxi_train.artifact.onnx_model import OnnxModel

#: Largest difference between both forms, minutes.
TOLERANCE_MINUTES: Final = 1e-3
_CHECKED_ROWS: Final = 2000
_COLUMNS: Final = "columns"
_ML: Final = "ai.onnx.ml"


class ConversionError(TaxiError):
    """The ONNX form does not answer as the fitted model does."""


def to_onnx(model: Pipeline, sample: pd.DataFrame, output: str = MODEL_OUTPUT) -> bytes:
    """Convert a fitted pipeline and compare both forms on a sample.

    Args:
        model: Of `taxi_train.fitting.estimators`.
        sample: Inputs that both are asked with.
        output: Name of the graph's output.

    Raises:
        ConversionError: the answers differ by more than 1e-3 minutes.
    """
    data: bytes = _graph(model, output).SerializeToString(deterministic=True)
    rows = sample.iloc[:: max(len(sample) // _CHECKED_ROWS, 1)]
    expected = np.maximum(model.predict(rows), 0.0)
    difference = float(np.max(np.abs(OnnxModel(data, output).predict(rows) - expected)))
    if not difference <= TOLERANCE_MINUTES:
        raise ConversionError(
            f"ONNX: answers differ by {difference:.6f} minutes from scikit-learn's, more than "
            f"{TOLERANCE_MINUTES}; the model is not accepted"
        )
    return data


def _graph(model: Pipeline, output: str) -> ModelProto:
    """Return the whole pipeline as one small graph.

    The converter's own form of the columns has fifteen nodes more. Each costs a single ride
    more than its arithmetic, so the columns are put together here: one look-up for each
    category, one concatenation. The trees are the converter's.
    """
    nodes: list[NodeProto] = []
    inputs, columns = [], []
    for _, transformer, names in model.named_steps["columns"].transformers_:
        if transformer == "drop":
            continue
        if isinstance(transformer, TargetEncoder):
            for number, name in enumerate(names):
                nodes.append(_look_up(transformer, number, name))
                columns.append(nodes[-1].output[0])
        else:
            columns += names
        inputs += names
    trees: ModelProto = convert_sklearn(
        model.named_steps["trees"], "duration", target_opset=17,
        initial_types=[(_COLUMNS, FloatTensorType([None, len(columns)]))],
    )  # fmt: skip
    (forest,) = trees.graph.node
    forest.output[:] = [output]
    nodes.append(helper.make_node("Concat", columns, [_COLUMNS], name="columns", axis=1))
    graph = helper.make_graph(
        [*nodes, forest], "duration", [_input(name) for name in inputs],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, [None, 1])],
    )  # fmt: skip
    return helper.make_model(
        graph, producer_name="taxi-train", ir_version=trees.ir_version,
        opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid(_ML, 3)],
    )  # fmt: skip


def _look_up(encoder: TargetEncoder, number: int, name: str) -> NodeProto:
    """Return the node that encodes one category; one that was not seen gets the mean."""
    return helper.make_node(
        "LabelEncoder", [name], [f"{name}_encoded"], name=name, domain=_ML,
        keys_int64s=[int(one) for one in encoder.categories_[number]],
        values_floats=encoder.encodings_[number].astype(np.float32).tolist(),
        default_float=float(np.float32(encoder.target_mean_)),
    )  # fmt: skip


def _input(name: str) -> ValueInfoProto:
    kind = TensorProto.INT64 if name in CATEGORICAL_FEATURES else TensorProto.FLOAT
    return helper.make_tensor_value_info(name, kind, [None, 1])
