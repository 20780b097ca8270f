"""Running the ONNX model on rides."""

from collections.abc import Sequence
from typing import Any, Final

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

_OUTPUTS: Final = [MODEL_OUTPUT]


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
        names = [one.name for one in self._session.get_inputs()]
        strange = set(names) - set(MODEL_INPUTS)
        outputs = {one.name for one in self._session.get_outputs()}
        if strange or MODEL_OUTPUT not in outputs:
            raise ModelError(
                f"model.onnx: wants {sorted(strange) or 'known inputs'}, gives {sorted(outputs)}; "
                f"it must take {', '.join(MODEL_INPUTS)} and give {MODEL_OUTPUT}"
            )

        self._inputs = [
            (name, object if name in CATEGORICAL_FEATURES else np.float32) for name in names
        ]

    def predict(self, rows: Sequence[Features]) -> list[float]:
        """Return minutes for each row, never below 0."""
        columns = columns_of(rows)
        shape = (len(rows), 1)
        feed = {name: _tensor(kind, columns[name], shape) for name, kind in self._inputs}
        (found,) = self._session.run(_OUTPUTS, feed)
        return [max(minutes, 0.0) for minutes in found[:, 0].tolist()]


def _tensor(kind: type, column: list[Any], shape: tuple[int, int]) -> NDArray[np.generic]:
    tensor: NDArray[np.generic] = np.empty(shape, dtype=kind)
    tensor[:, 0] = column
    return tensor
