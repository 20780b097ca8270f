"""Graphs as the predictor runs them."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final

import numpy as np
import onnxruntime
import pandas as pd
from numpy.typing import NDArray

from taxi_domain.models import ONNX_FILE, SCHEMA_FILE
from taxi_schema.column import MISSING_INTEGER, FeatureType
from taxi_schema.errors import SchemaError
from taxi_schema.features import FeatureRow
from taxi_schema.probes import not_finite, ordinary, probes
from taxi_schema.reading import schema_of_json
from taxi_schema.schema import Schema
from taxi_schema.signature import Tensor, output_of, packed_input, signature_problem
from taxi_store.registry.artifacts import Artifact, ArtifactError

Floats = NDArray[np.float64]

_TYPES: Final[Mapping[FeatureType, Any]] = {
    FeatureType.FLOAT: np.float32, FeatureType.INTEGER: np.int64, FeatureType.STRING: object,
}  # fmt: skip


class GraphError(ArtifactError):
    """A graph cannot be used: damaged, or made for other inputs."""


class OnnxModel:
    """A graph that answers rows of a schema.

    Raises:
        GraphError: it cannot be loaded, or its inputs or outputs are not the schema's.
    """

    def __init__(self, schema: Schema, graph: bytes) -> None:
        self.schema = schema
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 4  # what fails is raised
        try:
            self._session = onnxruntime.InferenceSession(
                graph, options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # onnxruntime raises its own kinds, all of Exception
            raise GraphError(f"graph: cannot be loaded ({error})") from error
        inputs, outputs = (
            _tensors(self._session.get_inputs()),
            _tensors(self._session.get_outputs()),
        )
        if problem := signature_problem(schema, inputs, outputs):
            raise GraphError(f"graph: {problem}")
        self._packed = packed_input(schema, inputs)
        self._flat = {name for name, tensor in inputs.items() if len(tensor.shape) == 1}
        self._features = [feature for feature in schema.features if feature.name in inputs]
        self._outputs = [output_of(schema, outputs)]

    def predict(self, features: pd.DataFrame) -> Floats:
        """Return answers within the target's limits, shape (n,), as the predictor does.

        What is not finite is returned as it is.

        Raises:
            GraphError: the graph fails, or gives something of another shape.
        """
        rows = len(features)
        try:
            (answers,) = self._session.run(self._outputs, self._feed(features))
        except Exception as error:  # as above
            raise GraphError(f"graph: cannot answer ({error})") from error
        if answers.shape not in {(rows, 1), (rows,)}:
            raise GraphError(f"graph: gives {answers.shape} for {rows} rows")
        return clipped(self.schema, np.asarray(answers, np.float64).ravel())

    def _feed(self, features: pd.DataFrame) -> dict[str, NDArray[Any]]:
        if self._packed:
            columns = [_packable(features[feature.name]) for feature in self.schema.features]
            return {self._packed: np.stack(columns, axis=1).astype(np.float32)}
        feed = {
            feature.name: features[feature.name].to_numpy().astype(_TYPES[feature.type])
            for feature in self._features
        }
        return {
            name: column if name in self._flat else column.reshape(-1, 1)
            for name, column in feed.items()
        }


def clipped(schema: Schema, answers: Floats) -> Floats:
    """Return answers within the target's limits; what is not finite stays as it is."""
    low, high = schema.target.minimum, schema.target.maximum
    if low is None and high is None:
        return answers
    return np.where(np.isfinite(answers), np.clip(answers, low, high), answers)


def schema_of(artifact: Artifact) -> Schema:
    """Return an artifact's schema.

    Raises:
        GraphError: it has none that can be read.
    """
    return _schema_of(artifact.files)


def model_of(artifact: Artifact) -> OnnxModel:
    """Return an artifact's graph.

    Raises:
        GraphError: it cannot be used.
    """
    return _model_of(artifact.files)


def check_graph(files: Mapping[str, bytes]) -> None:
    """Open the graph of an artifact as a predictor would, and ask it for an ordinary row.

    Raises:
        GraphError: names the file and what is wrong.
    """
    model = _model_of(files)
    _probe(model, [ordinary(model.schema)])


def check_limits(files: Mapping[str, bytes]) -> None:
    """Ask the graph of an artifact for the rows at the limits of its inputs too.

    A model that serves already is not held to this: it answers the other rows.

    Raises:
        GraphError: names the file, and the row that has no finite answer.
    """
    model = _model_of(files)
    _probe(model, [ordinary(model.schema), *probes(model.schema)])


def _schema_of(files: Mapping[str, bytes]) -> Schema:
    if SCHEMA_FILE not in files:
        raise GraphError(f"{SCHEMA_FILE}: is missing; make the artifact anew")
    try:
        return schema_of_json(files[SCHEMA_FILE])
    except SchemaError as error:
        raise GraphError(f"{SCHEMA_FILE}: {error}") from error


def _model_of(files: Mapping[str, bytes]) -> OnnxModel:
    schema = _schema_of(files)
    try:
        return OnnxModel(schema, files[ONNX_FILE])
    except GraphError as error:
        raise GraphError(f"{ONNX_FILE}: {error}") from error


def _probe(model: OnnxModel, rows: Sequence[FeatureRow]) -> None:
    try:
        # Clients ask for one row and for many, and a graph may be able to do one of them only.
        ways = partial(predict_rows, model), partial(_one_by_one, model)
        problem = next(filter(None, (not_finite(model.schema, rows, way) for way in ways)), "")
    except GraphError as error:
        raise GraphError(f"{ONNX_FILE}: {error}") from error
    if problem:
        raise GraphError(f"{ONNX_FILE}: {problem}")


def predict_rows(model: OnnxModel, rows: Sequence[FeatureRow]) -> list[float]:
    """Return the answers for feature rows."""
    columns = zip(model.schema.features, zip(*rows, strict=True), strict=True)
    frame = pd.DataFrame(
        {
            feature.name: pd.Series(
                list(values), dtype=float if feature.type is FeatureType.FLOAT else (
                    _TYPES[feature.type]
                ),
            )
            for feature, values in columns
        }
    )  # fmt: skip
    answers: list[float] = model.predict(frame).tolist()
    return answers


def _one_by_one(model: OnnxModel, rows: Sequence[FeatureRow]) -> list[float]:
    return [answer for row in rows for answer in predict_rows(model, [row])]


def _tensors(arguments: Sequence[Any]) -> dict[str, Tensor]:
    return {argument.name: Tensor(argument.type, argument.shape) for argument in arguments}


def _packable(column: pd.Series) -> Floats:
    values = column.to_numpy()
    if values.dtype != np.int64:
        floats: Floats = values.astype(np.float64)
        return floats
    return np.where(values == MISSING_INTEGER, np.nan, values)
