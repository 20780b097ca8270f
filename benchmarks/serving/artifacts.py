"""Models of the benchmark: the taxi example's, and those of schemas of other shapes."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from support.artifacts import labels_of, linear_of, random_rows
from support.schemas import body_of
from support.taxi_columns import SCHEMA, taxi_rides, usual

from taxi_cluster.cache import cache_folder, exclusive, key_of_files, repository
from taxi_schema.columns.arrays import columns_of
from taxi_schema.columns.rows import LabelledRows
from taxi_schema.reading import schema_of
from taxi_store.registry.artifacts import Artifact, pack, unpack
from taxi_train.fitting.candidates import Trainer

#: What the taxi example's artifact is made of.
_SOURCES = ("libs", "jobs/train/src", "models/taxi_duration")
_ROWS = 3000


@dataclass(frozen=True)
class Model:
    """An artifact and a body that it answers."""

    artifact: Artifact
    body: Any


def taxi_artifact() -> Artifact:
    """Return the taxi example's model, fitted once for each state of the code and the data."""
    root = repository()
    files = [path for folder in _SOURCES for path in (root / folder).rglob("*.*") if _counts(path)]
    path = cache_folder() / f"bench-taxi-{key_of_files(files, root)}.tar"
    with exclusive("bench-taxi"):
        if not path.exists():
            artifact = Trainer(SCHEMA).train(usual(taxi_rides("green-2021-01.parquet")))
            path.write_bytes(pack(artifact.files))
    return unpack(path.read_bytes())


def _counts(path: Path) -> bool:
    return path.is_file() and "__pycache__" not in path.parts


def wide() -> Model:
    """Return a model of 60 columns of all kinds of numbers."""
    return _random([
        *({"name": f"number{place}", "kind": "number", "minimum": -100, "maximum": 100}
          for place in range(40)),
        *({"name": f"zone{place}", "kind": "category", "minimum": 1, "maximum": 300}
          for place in range(12)),
        *({"name": f"flag{place}", "kind": "boolean"} for place in range(8)),
    ])  # fmt: skip


def strings() -> Model:
    """Return a model of categories that are strings, and two numbers."""
    return _random([
        *({"name": f"text{place}", "kind": "category"} for place in range(6)),
        *({"name": f"number{place}", "kind": "number", "minimum": 0, "maximum": 100}
          for place in range(2)),
    ])  # fmt: skip


def _random(columns: list[dict[str, Any]]) -> Model:
    """Fit a model to random rows of some columns."""
    schema = schema_of({"id": "key", "target": {"name": "value"}, "columns": columns})
    rows = random_rows(schema, _ROWS)
    labels = np.array(labels_of(schema, linear_of(schema, rows), rows))
    unknown = np.full(len(rows), np.nan)
    arrays, times = columns_of(schema, rows)
    artifact = Trainer(schema).train(LabelledRows(arrays, times, labels, unknown, unknown))
    body = body_of(schema, rows[0])
    return Model(artifact, {name: value for name, value in body.items() if name != schema.id})
