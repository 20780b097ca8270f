"""From scikit-learn to ONNX, and the proof that both answer the same."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import onnxruntime
import pandas as pd
from numpy.typing import NDArray
from onnx import ModelProto
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import FloatTensorType, StringTensorType
from sklearn.pipeline import Pipeline

from taxi_domain.errors import TaxiError
from taxi_domain.features import CATEGORICAL_FEATURES, MODEL_INPUTS, MODEL_OUTPUT, NUMERIC_FEATURES

Floats = NDArray[np.float64]

#: Largest difference between both forms, minutes.
TOLERANCE_MINUTES: Final = 1e-3
_CHECKED_ROWS: Final = 2000


class ConversionError(TaxiError):
    """The ONNX form does not answer as the fitted model does."""


class OnnxModel:
    """A model as the predictor runs it."""

    def __init__(self, graph: bytes) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            graph, options, providers=["CPUExecutionProvider"]
        )
        self._inputs = [one.name for one in self._session.get_inputs()]

    def predict(self, features: pd.DataFrame) -> Floats:
        """Return minutes, shape (n,), never below 0 (as the predictor answers)."""
        feed = _feed(features)
        (found,) = self._session.run([MODEL_OUTPUT], {name: feed[name] for name in self._inputs})
        return np.maximum(np.asarray(found, np.float64).ravel(), 0.0)


def to_onnx(model: Pipeline, sample: pd.DataFrame) -> bytes:
    """Convert a fitted pipeline and compare both forms on a sample.

    Raises:
        ConversionError: the answers differ by more than 1e-3 minutes.
    """
    types: list[tuple[str, Any]] = [
        *((name, StringTensorType([None, 1])) for name in CATEGORICAL_FEATURES),
        *((name, FloatTensorType([None, 1])) for name in NUMERIC_FEATURES),
    ]
    graph: ModelProto = convert_sklearn(
        model, "duration", initial_types=types, target_opset=17,
        final_types=[(MODEL_OUTPUT, FloatTensorType([None, 1]))],
    )  # fmt: skip
    # The converter's version and time are not part of what the model is.
    graph.producer_name, graph.producer_version, graph.doc_string = "taxi-train", "", ""
    data: bytes = graph.SerializeToString(deterministic=True)
    rows = sample.iloc[:: max(len(sample) // _CHECKED_ROWS, 1)]
    expected = np.maximum(model.predict(rows), 0.0)
    difference = float(np.max(np.abs(OnnxModel(data).predict(rows) - expected)))
    if not difference <= TOLERANCE_MINUTES:
        raise ConversionError(
            f"ONNX: answers differ by {difference:.6f} minutes from scikit-learn's, more than "
            f"{TOLERANCE_MINUTES}; the model is not accepted"
        )
    return data


def _feed(features: pd.DataFrame) -> Mapping[str, NDArray[Any]]:
    def column(name: str) -> NDArray[Any]:
        kind = object if name in CATEGORICAL_FEATURES else np.float32
        values: NDArray[Any] = features[name].to_numpy().astype(kind).reshape(-1, 1)
        return values

    return {name: column(name) for name in MODEL_INPUTS}
