"""Files of rows for checks, and the check of them."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from support.labelled import labelled
from taxi_domain.models import (
    ARTIFACT_FORMAT_VERSION,
    CARD_FILE,
    ONNX_FILE,
    PROFILE_FILE,
    REFERENCE_FILE,
    SCHEMA_FILE,
)
from taxi_files.table import table_of
from taxi_profiles.reference import reference_of
from taxi_report.check.run import Checked, CheckRequest, check
from taxi_report.collect.against import Opened, sample_of
from taxi_schema.columns.rows import LabelledRows, to_bytes
from taxi_schema.reading import schema_of_json
from taxi_schema.schema import Schema
from taxi_store.registry.artifacts import pack


def no_database() -> Opened:
    """Fail: a check of files needs none."""
    raise AssertionError("the database was asked for")


def write_schema(schema: Schema, folder: Path) -> Path:
    """Write a schema's JSON as TOML: its keys are bare, its values are TOML's too."""
    path = folder / "schema.toml"
    path.write_text(_toml(schema), encoding="utf-8")
    assert schema_of_json(schema.to_json()) == schema
    return path


def _toml(schema: Schema) -> str:
    document = json.loads(schema.to_json())
    return "".join(f"{key} = {_value(value)}\n" for key, value in document.items())


def _value(value: Any) -> str:
    if isinstance(value, dict):
        inside = ", ".join(f"{_text(key)} = {_value(one)}" for key, one in value.items())
        return f"{{ {inside} }}"
    if isinstance(value, list):
        return f"[{', '.join(map(_value, value))}]"
    return _text(value)


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def write_rows(
    path: Path, schema: Schema, rows: LabelledRows, prefix: str = "r", **columns: Any
) -> Path:
    """Write rows as parquet.

    Args:
        path: Where to.
        schema: Of the rows.
        rows: The rows; their predictions are written where there are some.
        prefix: Of the ids.
        columns: In place of the columns of these names, or beside them; None removes one.
    """
    table = table_of(schema, rows, [f"{prefix}{place}" for place in range(len(rows))])
    found = {name: table[name] for name in table.column_names}
    if np.isfinite(rows.prediction).any():
        found["prediction"] = pa.array(rows.prediction)
    found |= columns
    pq.write_table(
        pa.table({name: one for name, one in found.items() if one is not None}), path,
        row_group_size=500,
    )  # fmt: skip
    return path


def write_artifact(path: Path, schema: Schema, rows: LabelledRows) -> Path:
    """Write an exported artifact with these rows as its reference, and no graph."""
    files = {
        CARD_FILE: json.dumps({"format_version": ARTIFACT_FORMAT_VERSION, "model": "m"}).encode(),
        ONNX_FILE: b"none",
        SCHEMA_FILE: schema.to_json(),
        REFERENCE_FILE: to_bytes(rows),
        PROFILE_FILE: reference_of(sample_of(schema, rows)).to_bytes(),
    }
    path.write_bytes(pack(files))
    return path


def predicted(schema: Schema, rows: int, seed: int) -> LabelledRows:
    """Return rows with answers that are a little off."""
    found = labelled(schema, rows, seed)
    noise = np.random.default_rng(seed + 99).normal(0, 1, rows)
    return found.predicted(found.target + noise)


def checked(folder: Path, reference: Path | str, *data: Path, checks: str | None = None) -> Checked:
    """Check files by the schema of a folder.

    Args:
        folder: Has `schema.toml`.
        reference: What they are compared with.
        data: The files.
        checks: Text of the conditions.
    """
    path = None
    if checks is not None:
        path = folder / "checks.toml"
        path.write_text(checks)
    schema = folder / "schema.toml"
    return check(CheckRequest(str(reference), data, schema, path, "prediction", no_database))
