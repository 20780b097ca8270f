"""A step that scores a file of taxi rides: `score_step.py --model TAR IN OUT`."""

import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from support.taxi_artifacts import rows_of
from taxi_domain.models import ONNX_FILE
from taxi_files.reading import read_file
from taxi_predict.serving.onnx_model import OnnxModel
from taxi_schema.columns.rows import of_columns
from taxi_schema.features import derive
from taxi_schema.reading import schema_of_json
from taxi_store.registry.artifacts import unpack


def main(model: Path, source: Path, target: Path) -> None:
    """Write the rows of a file with the model's answers."""
    artifact = unpack(model.read_bytes())
    schema = schema_of_json(artifact.files["schema.json"])
    file = read_file(schema, source)
    rows = of_columns(schema, file.columns, file.event_times, file.target)
    answers = OnnxModel(artifact.files[ONNX_FILE], schema).predict(
        list(map(derive(schema), rows_of(rows)))
    )
    table = pq.read_table(source)
    pq.write_table(table.append_column("prediction", pa.array(np.array(answers))), target)


if __name__ == "__main__":
    _, model, source, target = sys.argv[1:]
    main(Path(model), Path(source), Path(target))
