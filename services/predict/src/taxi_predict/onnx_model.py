"""Running the ONNX model on rides."""

from collections.abc import Mapping, Sequence

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from taxi_domain.errors import TaxiError
from taxi_domain.features import (
    CATEGORICAL_FEATURES,
    MODEL_INPUTS,
    MODEL_OUTPUT,
    Features,
    columns_of,
)


class ModelError(TaxiError):
    """A graph cannot be used: damaged, or made for other inputs."""


class OnnxModel:
    """A loaded graph; safe to call from several threads."""

    def __init__(self, graph: bytes) -> None:
        options = onnxruntime.SessionOptions()
        # One ride is microseconds of work: more threads only cost hand-overs.
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        try:
            self._session = onnxruntime.InferenceSession(
                graph, options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # onnxruntime raises its own kinds, all of Exception
            raise ModelError(f"model.onnx: cannot be loaded ({error})") from error
        self._inputs = [one.name for one in self._session.get_inputs()]
        strange = set(self._inputs) - set(MODEL_INPUTS)
        outputs = {one.name for one in self._session.get_outputs()}
        if strange or MODEL_OUTPUT not in outputs:
            raise ModelError(
                f"model.onnx: wants {sorted(strange) or 'known inputs'}, gives {sorted(outputs)}; "
                f"it must take {', '.join(MODEL_INPUTS)} and give {MODEL_OUTPUT}"
            )

    def predict(self, rows: Sequence[Features]) -> list[float]:
        """Return minutes for each row, never below 0."""
        columns = columns_of(rows)
        feed = {name: _tensor(name, columns) for name in self._inputs}
        (found,) = self._session.run([MODEL_OUTPUT], feed)
        minutes: list[float] = np.maximum(found, 0.0).ravel().astype(float).tolist()
        return minutes


def _tensor(name: str, columns: Mapping[str, list[object]]) -> NDArray[np.generic]:
    kind = object if name in CATEGORICAL_FEATURES else np.float32
    return np.array(columns[name], dtype=kind).reshape(-1, 1)
