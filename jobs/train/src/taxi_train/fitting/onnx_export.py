"""From scikit-learn to ONNX, and the proof that both answer the same."""

from typing import Any, Final

import numpy as np
import pandas as pd
from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import FloatTensorType, Int64TensorType, StringTensorType
from sklearn.dummy import DummyRegressor
from sklearn.preprocessing import TargetEncoder

from taxi_domain.errors import TaxiError
from taxi_schema.column import FeatureType
from taxi_schema.schema import Schema
from taxi_train.artifact.onnx_model import OnnxModel
from taxi_train.fitting.estimators import COLUMNS, TREES, DefaultPipeline, feature_types

#: Largest difference between both forms, as a share of the spread of the answers.
TOLERANCE: Final = 1e-4
#: Share of the magnitude of an answer that 32-bit floats may lose.
_ROUNDING: Final = 1e-5
_CHECKED_ROWS: Final = 2000
_OPSET: Final = 17
#: No feature has a name that begins so.
_MATRIX: Final = "$matrix"
_ML: Final = "ai.onnx.ml"
_GRAPH: Final = "regression"
_TENSORS: Final = {
    FeatureType.FLOAT: TensorProto.FLOAT, FeatureType.INTEGER: TensorProto.INT64,
    FeatureType.STRING: TensorProto.STRING,
}  # fmt: skip
_CONVERTER_TYPES: Final = {
    FeatureType.FLOAT: FloatTensorType, FeatureType.INTEGER: Int64TensorType,
    FeatureType.STRING: StringTensorType,
}  # fmt: skip


class ConversionError(TaxiError):
    """The ONNX form does not answer as the fitted model does, or there is none."""


def to_onnx(schema: Schema, model: Any, sample: pd.DataFrame) -> bytes:
    """Convert a fitted estimator and compare both forms on a sample.

    Args:
        schema: Of the model.
        model: Of `taxi_train.fitting.estimators`, or any that skl2onnx or itself can convert.
        sample: Features that both are asked with.

    Raises:
        ConversionError: it cannot be converted, or the answers differ by more than rounding.
    """
    data = _converted(schema, model, sample)
    rows = sample.iloc[:: max(len(sample) // _CHECKED_ROWS, 1)]
    expected = np.asarray(model.predict(rows), np.float64).reshape(-1)
    low, high = schema.target.minimum, schema.target.maximum
    expected = np.clip(expected, -np.inf if low is None else low, np.inf if high is None else high)
    difference = np.abs(OnnxModel(schema, data).predict(rows) - expected)
    allowed = TOLERANCE * float(np.std(expected)) + _ROUNDING * np.abs(expected)
    if not (difference <= np.maximum(allowed, 1e-9)).all():
        unit = f" {schema.target.unit}" if schema.target.unit else ""
        raise ConversionError(
            f"ONNX: an answer differs by {float(np.max(difference)):.6g}{unit} from the "
            "estimator's, more than rounding explains; the model is not accepted"
        )
    return data


def _converted(schema: Schema, model: Any, sample: pd.DataFrame) -> bytes:
    if hasattr(model, "to_onnx"):
        data: bytes = model.to_onnx(sample)
        return data
    if isinstance(model, DummyRegressor):
        graph = _constant(schema, float(np.asarray(model.constant_).reshape(-1)[0]))
    elif isinstance(model, DefaultPipeline):
        graph = _default(schema, model)
    else:
        graph = _by_converter(schema, model)
    return bytes(graph.SerializeToString(deterministic=True))


def _by_converter(schema: Schema, model: Any) -> ModelProto:
    types = [
        (feature.name, _CONVERTER_TYPES[feature.type]([None, 1])) for feature in schema.features
    ]
    try:
        converted: ModelProto = convert_sklearn(model, _GRAPH, types, target_opset=_OPSET)
    except Exception as error:  # the converter raises its own kinds, all of Exception
        raise ConversionError(
            f"{type(model).__name__}: cannot be converted ({str(error).splitlines()[0]}); give it "
            "a method to_onnx(features)"
        ) from error
    return converted


def _constant(schema: Schema, value: float) -> ModelProto:
    """Return a graph that gives the same number for each row of its one input."""
    feature = schema.features[0]
    tensor = numpy_helper.from_array(np.array([value], np.float32))
    nodes = [
        helper.make_node("Shape", [feature.name], ["$shape"], name="shape"),
        helper.make_node(
            "ConstantOfShape", ["$shape"], [schema.target.name], name="constant", value=tensor
        ),
    ]
    return _model(schema, nodes, [feature.name])


def _default(schema: Schema, model: DefaultPipeline) -> ModelProto:
    """Return the whole pipeline as one small graph.

    The converter's own form of the columns has fifteen nodes more. Each costs a single row
    more than its arithmetic, so the columns are put together here: one look-up for each
    category, one concatenation. The trees are the converter's.
    """
    types = feature_types(schema)
    nodes: list[NodeProto] = []
    inputs: list[str] = []
    columns: list[str] = []
    for _, transformer, names in model.named_steps[COLUMNS].transformers_:
        if isinstance(transformer, str) and transformer == "drop":
            continue
        if isinstance(transformer, TargetEncoder):
            for place, name in enumerate(names):
                columns.append(f"$encoded/{place}")
                nodes.append(_look_up(transformer, place, (name, columns[-1]), types[name]))
        else:
            columns += names
        inputs += names
    trees: ModelProto = convert_sklearn(
        model.named_steps[TREES], _GRAPH, target_opset=_OPSET,
        initial_types=[("matrix", FloatTensorType([None, len(columns)]))],
    )  # fmt: skip
    (forest,) = trees.graph.node
    forest.input[:] = [_MATRIX]
    forest.output[:] = [schema.target.name]
    nodes.append(helper.make_node("Concat", columns, [_MATRIX], name="concat", axis=1))
    return _model(schema, [*nodes, forest], inputs, trees.ir_version)


def _model(
    schema: Schema, nodes: list[NodeProto], inputs: list[str], ir_version: int = 8
) -> ModelProto:
    types = feature_types(schema)
    output = helper.make_tensor_value_info(schema.target.name, TensorProto.FLOAT, [None, 1])
    graph = helper.make_graph(
        nodes, _GRAPH, [_input(name, types[name]) for name in inputs], [output]
    )
    return helper.make_model(
        graph, producer_name="taxi-train", ir_version=ir_version,
        opset_imports=[helper.make_opsetid("", _OPSET), helper.make_opsetid(_ML, 3)],
    )  # fmt: skip


def _look_up(
    encoder: TargetEncoder, place: int, ends: tuple[str, str], kind: FeatureType
) -> NodeProto:
    """Return the node that encodes one category; one that was not seen gets the mean.

    A missing category is a key like any other when it was seen.
    """
    keys = list(encoder.categories_[place])
    texts = kind is FeatureType.STRING
    return helper.make_node(
        "LabelEncoder", [ends[0]], [ends[1]], name=ends[1], domain=_ML,
        **({"keys_strings": [str(key) for key in keys]} if texts else (
            {"keys_int64s": [int(key) for key in keys]}
        )),
        values_floats=encoder.encodings_[place].astype(np.float32).tolist(),
        default_float=float(np.float32(encoder.target_mean_)),
    )  # fmt: skip


def _input(name: str, kind: FeatureType) -> ValueInfoProto:
    return helper.make_tensor_value_info(name, _TENSORS[kind], [None, 1])
