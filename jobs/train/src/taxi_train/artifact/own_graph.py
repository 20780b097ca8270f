"""A version of a graph that was made elsewhere."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from taxi_domain.errors import TaxiError
from taxi_files.reading import read_file, read_numbers
from taxi_schema.columns.rows import LabelledRows
from taxi_schema.reading import read_schema
from taxi_schema.schema import Schema
from taxi_store.registry.artifacts import Artifact
from taxi_train.artifact.builder import artifact
from taxi_train.artifact.onnx_model import OnnxModel, check_limits, clipped
from taxi_train.data.rows import features_of

UNSEEN_REFERENCE: Final = (
    "the errors and thresholds are right only if the graph was not trained on these rows; "
    "give rows that it never saw, or out-of-fold predictions with --prediction-column"
)
#: Fewer rows give no thresholds that could be trusted.
MIN_ROWS: Final = 100


class OwnGraphError(TaxiError):
    """A graph cannot become a version; the text names the file and the remedy."""


@dataclass(frozen=True, slots=True)
class OwnGraph:
    """What a version is made of.

    Attributes:
        schema: TOML file.
        onnx: The graph.
        reference: Labelled rows, parquet or CSV.
        prediction_column: Of the reference, with predictions that were made out of fold; empty:
            the graph is asked.
        kind: What the model is, for the card.
    """

    schema: Path
    onnx: Path
    reference: Path
    prediction_column: str = ""
    kind: str = "onnx"


def pack_graph(own: OwnGraph) -> Artifact:
    """Check the graph against the schema and put the artifact together.

    Raises:
        TaxiError: a file cannot be read, the graph does not suit the schema or fails at the
            limits of its inputs, or too few rows of the reference are within the limits.
    """
    schema = read_schema(own.schema)
    try:
        graph = own.onnx.read_bytes()
    except OSError as error:
        raise OwnGraphError(f"{own.onnx}: cannot be read ({error.strerror})") from error
    model = OnnxModel(schema, graph)
    rows = _rows(schema, own)
    if not own.prediction_column:
        rows = rows.predicted(model.predict(features_of(schema, rows)))
    bad = int(np.count_nonzero(~np.isfinite(rows.prediction)))
    if bad:
        source = own.prediction_column or "the graph's answer"
        raise OwnGraphError(
            f"{own.reference}: {source} is no finite number for {bad} of {len(rows)} rows; "
            "mend the graph, or leave such rows out"
        )
    made = artifact(schema, own.kind, graph, rows)
    check_limits(made.files)
    return made


def _rows(schema: Schema, own: OwnGraph) -> LabelledRows:
    """Return the reference's rows within the limits, with the predictions of the file."""
    file = read_file(schema, own.reference)
    predictions: NDArray[np.float64] = np.full(len(file.target), np.nan)
    if own.prediction_column:
        predictions = clipped(schema, read_numbers(own.reference, own.prediction_column))
    mask = file.trainable(schema)[file.order]
    rows = file.rows(schema).predicted(predictions[file.order])[mask]
    if len(rows) < MIN_ROWS:
        raise OwnGraphError(
            f"{own.reference}: {len(rows)} of {len(mask)} rows are within the schema's limits, "
            f"{MIN_ROWS} are needed; `taxi-train check` tells why they are not"
        )
    return rows
