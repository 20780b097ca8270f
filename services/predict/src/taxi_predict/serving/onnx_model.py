"""Running the ONNX model on feature rows."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from taxi_domain.errors import TaxiError
from taxi_predict.serving.tensors import Feed, inputs_of
from taxi_schema.features import FeatureRow
from taxi_schema.probes import not_finite, ordinary, probes
from taxi_schema.schema import Schema
from taxi_schema.signature import Tensor, output_of, signature_problem

Array = NDArray[Any]


class ModelError(TaxiError):
    """A model cannot be used: damaged, made for another schema, or it fails."""


class OnnxModel:
    """A loaded graph, for one thread at a time.

    Args:
        graph: ONNX.
        schema: What it takes and gives.

    Raises:
        ModelError: it cannot be used.
    """

    def __init__(self, graph: bytes, schema: Schema) -> None:
        options = onnxruntime.SessionOptions()
        # One row is microseconds of work: more threads only cost hand-overs.
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        try:
            self._session = onnxruntime.InferenceSession(
                graph, options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # onnxruntime raises its own kinds, all of Exception
            raise ModelError(f"model.onnx: cannot be loaded ({error})") from error
        inputs = {node.name: _tensor(node) for node in self._session.get_inputs()}
        outputs = {node.name: _tensor(node) for node in self._session.get_outputs()}
        if problem := signature_problem(schema, inputs, outputs):
            raise ModelError(f"model.onnx: {problem}")
        self._schema = schema
        self._output = output_of(schema, outputs)
        self._inputs = inputs_of(schema, inputs)
        target = schema.target
        self._low = -np.inf if target.minimum is None else target.minimum
        self._high = np.inf if target.maximum is None else target.maximum
        self._clip = target.clip
        usual = ordinary(schema)
        try:
            self._ask = self._for_one(usual)
            problem = not_finite(schema, [usual], self._asked)
        except Exception as error:  # as above
            raise ModelError(f"model.onnx: cannot answer a row ({error})") from error
        if problem:
            raise ModelError(f"model.onnx: {problem}, an ordinary row")

    def predict(self, rows: Sequence[FeatureRow]) -> list[float]:
        """Return an answer for each row, within the target's limits.

        What is not finite is returned as it is.

        Raises:
            ModelError: the graph fails.
        """
        try:
            return self._asked(rows)
        except Exception as error:  # as above
            raise ModelError(f"model.onnx: cannot answer ({error})") from error

    def predict_columns(self, columns: Mapping[str, Array]) -> NDArray[np.float64]:
        """Return what `predict` returns of the same rows, shape (n,).

        Args:
            columns: Features by name, of n > 0 rows (`taxi_schema.columns.features`).

        Raises:
            ModelError: the graph fails.
        """
        (rows,) = {len(column) for column in columns.values()}
        try:
            return self._clipped(self._run(self._inputs.feed_columns(columns), rows))
        except Exception as error:  # as above
            raise ModelError(f"model.onnx: cannot answer ({error})") from error

    def weakness(self) -> str:
        """Say for which row at the limits it has no finite answer; empty when there is none.

        It is no reason not to serve: all other rows are answered.
        """
        try:
            return not_finite(self._schema, probes(self._schema), self.predict)
        except ModelError as error:
            return str(error)

    def _asked(self, rows: Sequence[FeatureRow]) -> list[float]:
        if len(rows) == 1:
            answer = self._ask(rows[0])
            return [answer if self._low <= answer <= self._high else self._clip(answer)]
        answers: list[float] = self._clipped(self._run(self._inputs.feed(rows), len(rows))).tolist()
        return answers

    def _clipped(self, answers: Array) -> Array:
        # What is not finite must be seen: it is no answer.
        return np.where(np.isfinite(answers), np.clip(answers, self._low, self._high), answers)

    def _run(self, feed: Feed, rows: int) -> Array:
        """Return the graph's own answers, shape (n,)."""
        (answers,) = self._session.run([self._output], feed)
        if answers.size != rows:
            raise ValueError(f"answers of shape {answers.shape} to {rows} rows")
        return answers.reshape(-1).astype(np.float64)  # type: ignore[no-any-return]

    def _for_one(self, row: FeatureRow) -> Callable[[FeatureRow], float]:
        """Return the fastest way to ask for one row.

        Making tensors for each row costs twice as much as the trees, so the same ones are bound
        for all of them; strings cannot be put into bound ones.
        """
        self._run(self._inputs.feed([row, row]), 2)
        feed, write, bindable = self._inputs.cells()
        run, names = self._session.run, [self._output]
        if not bindable:

            def ask_unbound(row: FeatureRow) -> float:
                write(row)
                return run(names, feed)[0].item()  # type: ignore[no-any-return]

            return ask_unbound
        write(row)
        (answer,) = run(names, feed)
        return self._bound(feed, write, answer)

    def _bound(
        self, feed: Feed, write: Callable[[FeatureRow], None], answer: Array
    ) -> Callable[[FeatureRow], float]:
        binding = self._session.io_binding()
        # On the CPU these share the arrays' memory.
        tensor = onnxruntime.OrtValue.ortvalue_from_numpy
        for name, array in feed.items():
            binding.bind_ortvalue_input(name, tensor(array))
        binding.bind_ortvalue_output(self._output, tensor(answer))
        run, item = self._session.run_with_iobinding, answer.item

        def ask(row: FeatureRow) -> float:
            write(row)
            run(binding)
            return item()  # type: ignore[no-any-return]

        return ask


def _tensor(node: Any) -> Tensor:
    return Tensor(node.type, tuple(node.shape))
