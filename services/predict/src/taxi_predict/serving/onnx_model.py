"""Running the ONNX model on rides."""

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
import onnxruntime

from taxi_domain.errors import TaxiError
from taxi_domain.features import (
    CATEGORICAL_FEATURES,
    MODEL_INPUTS,
    MODEL_OUTPUT,
    Features,
    signature_problem,
)
from taxi_domain.probes import AT_THE_LIMITS, ORDINARY, not_finite

_OUTPUTS: Final = [MODEL_OUTPUT]
_KINDS: Final = {
    name: np.dtype(np.int64 if name in CATEGORICAL_FEATURES else np.float32)
    for name in MODEL_INPUTS
}


class ModelError(TaxiError):
    """A graph cannot be used: damaged, made for other inputs, or it fails."""


class OnnxModel:
    """A loaded graph, for one thread at a time."""

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
        inputs = {one.name: one.type for one in self._session.get_inputs()}
        outputs = {one.name: one.type for one in self._session.get_outputs()}
        if problem := signature_problem(inputs, outputs):
            raise ModelError(f"model.onnx: {problem}")
        self._inputs = [name for name in MODEL_INPUTS if name in inputs]
        try:
            self._one = _OneRide(self._session, self._inputs)
            problem = not_finite([ORDINARY], self._asked)
        except Exception as error:  # as above
            raise ModelError(f"model.onnx: cannot answer a ride ({error})") from error
        if problem:
            raise ModelError(f"model.onnx: {problem}, an ordinary ride")

    def predict(self, rows: Sequence[Features]) -> list[float]:
        """Return minutes for each row, never below 0; what is not finite is returned as it is.

        Raises:
            ModelError: the graph fails.
        """
        try:
            return self._asked(rows)
        except Exception as error:  # as above
            raise ModelError(f"model.onnx: cannot answer ({error})") from error

    def weakness(self) -> str:
        """Say for which ride at the limits it has no finite answer; empty when there is none.

        It is no reason not to serve: all other rides are answered.
        """
        try:
            return not_finite(AT_THE_LIMITS, self.predict)
        except ModelError as error:
            return str(error)

    def _asked(self, rows: Sequence[Features]) -> list[float]:
        if len(rows) == 1:
            return [_at_least_zero(self._one.predict(rows[0]))]
        # Categories are small integers, which a float64 holds exactly.
        table = np.array([row.inputs() for row in rows]).reshape(-1, len(MODEL_INPUTS), 1)
        columns = {name: table[:, index] for index, name in enumerate(MODEL_INPUTS)}
        feed = {name: columns[name].astype(_KINDS[name]) for name in self._inputs}
        (found,) = self._session.run(_OUTPUTS, feed)
        return [_at_least_zero(minutes) for minutes in found[:, 0].tolist()]


def _at_least_zero(minutes: float) -> float:
    """Return 0 for what is below; minus infinity is no duration, and must be seen."""
    return max(minutes, 0.0) if math.isfinite(minutes) else minutes


class _OneRide:
    """The graph with tensors for one ride that are made once.

    Making them for each ride costs twice as much as the trees.
    """

    def __init__(self, session: onnxruntime.InferenceSession, inputs: Sequence[str]) -> None:
        self._session = session
        self._row = [np.zeros((1, 1), _KINDS[name]) for name in MODEL_INPUTS]
        self._found = np.zeros((1, 1), np.float32)
        self._binding = session.io_binding()
        # On the CPU these share the arrays' memory.
        tensor = onnxruntime.OrtValue.ortvalue_from_numpy
        for name, column in zip(MODEL_INPUTS, self._row, strict=True):
            if name in inputs:
                self._binding.bind_ortvalue_input(name, tensor(column))
        self._binding.bind_ortvalue_output(MODEL_OUTPUT, tensor(self._found))

    def predict(self, row: Features) -> float:
        """Return minutes."""
        for column, value in zip(self._row, row.inputs(), strict=True):
            column[0, 0] = value
        self._session.run_with_iobinding(self._binding)
        return float(self._found[0, 0])
