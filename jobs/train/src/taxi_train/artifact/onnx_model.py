"""Graphs as the predictor runs them."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import onnxruntime
import pandas as pd
from numpy.typing import NDArray

from taxi_domain.features import (
    CATEGORICAL_FEATURES,
    ERROR_OUTPUT,
    MODEL_INPUTS,
    MODEL_OUTPUT,
    Features,
    signature_problem,
)
from taxi_domain.models import ERROR_FILE, ONNX_FILE
from taxi_domain.probes import AT_THE_LIMITS, ORDINARY, not_finite
from taxi_store.registry.artifacts import ArtifactError

Floats = NDArray[np.float64]

_OUTPUTS = {ONNX_FILE: MODEL_OUTPUT, ERROR_FILE: ERROR_OUTPUT}


class GraphError(ArtifactError):
    """A graph cannot be used: damaged, or made for other inputs."""


class OnnxModel:
    """A graph that answers rides.

    Raises:
        GraphError: it cannot be loaded, or its inputs or outputs are not the domain's.
    """

    def __init__(self, graph: bytes, output: str = MODEL_OUTPUT) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        try:
            self._session = onnxruntime.InferenceSession(
                graph, options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # onnxruntime raises its own kinds, all of Exception
            raise GraphError(f"graph: cannot be loaded ({error})") from error
        inputs = {one.name: one.type for one in self._session.get_inputs()}
        outputs = {one.name: one.type for one in self._session.get_outputs()}
        if problem := signature_problem(inputs, outputs, output):
            raise GraphError(f"graph: {problem}")
        self.inputs = tuple(inputs)
        self._outputs = [output]

    def predict(self, features: pd.DataFrame) -> Floats:
        """Return minutes, shape (n,), never below 0, as the predictor answers.

        What is not finite is returned as it is.

        Raises:
            GraphError: the graph fails, or gives something of another shape.
        """
        feed = _feed(features)
        try:
            (found,) = self._session.run(self._outputs, {name: feed[name] for name in self.inputs})
        except Exception as error:  # as above
            raise GraphError(f"graph: cannot answer ({error})") from error
        if found.shape != (len(features), 1):
            raise GraphError(f"graph: gives {found.shape} for {len(features)} rides")
        minutes = np.asarray(found, np.float64).ravel()
        return np.where(np.isfinite(minutes), np.maximum(minutes, 0.0), minutes)


def check_graphs(files: Mapping[str, bytes]) -> None:
    """Open the graphs of an artifact as a predictor would, and ask each for an ordinary ride.

    Raises:
        GraphError: names the file and what is wrong.
    """
    _probe(files, [ORDINARY])


def check_limits(files: Mapping[str, bytes]) -> None:
    """Ask each graph of an artifact for the rides at the limits of its inputs too.

    A model that serves already is not held to this: it answers the other rides.

    Raises:
        GraphError: names the file, and the ride that has no finite answer.
    """
    check_graphs(files)
    _probe(files, AT_THE_LIMITS)


def _probe(files: Mapping[str, bytes], rides: Sequence[Features]) -> None:
    for name in sorted(_OUTPUTS.keys() & files.keys()):
        try:
            model = OnnxModel(files[name], _OUTPUTS[name])
            # Clients ask for one ride and for many, and a graph may be able to do one of them only.
            ways = partial(_together, model), partial(_one_by_one, model)
            problem = next(filter(None, (not_finite(rides, one) for one in ways)), "")
        except GraphError as error:
            raise GraphError(f"{name}: {error}") from error
        if problem:
            raise GraphError(f"{name}: {problem}")


def _together(model: OnnxModel, rows: Sequence[Features]) -> list[float]:
    frame = pd.DataFrame([row.inputs() for row in rows], columns=list(MODEL_INPUTS))
    answers: list[float] = model.predict(frame).tolist()
    return answers


def _one_by_one(model: OnnxModel, rows: Sequence[Features]) -> list[float]:
    return [minutes for row in rows for minutes in _together(model, [row])]


def _feed(features: pd.DataFrame) -> Mapping[str, NDArray[Any]]:
    def column(name: str) -> NDArray[Any]:
        kind = np.int64 if name in CATEGORICAL_FEATURES else np.float32
        values: NDArray[Any] = features[name].to_numpy().astype(kind).reshape(-1, 1)
        return values

    return {name: column(name) for name in MODEL_INPUTS}
