"""Tables for an attempt: rows of the first model, and rows that are sent after it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from taxi_domain.errors import FieldError, TaxiError
from taxi_domain.ids import check_id
from taxi_files.reading import read_columns, read_file, read_names
from taxi_files.table import table_of
from taxi_schema.reading import read_schema
from taxi_schema.schema import Schema
from taxi_train.training_rows import training_rows

ROOT: Final = Path(__file__).resolve().parents[4]
EXAMPLE: Final = ROOT / "models" / "taxi_duration"
#: One of so many rides trains the example's first model: 41,692 of 13 days, fitted in seconds. The
#: last 20,000, which are of two days, made a reference whose thresholds the change did not exceed.
FIRST_RIDES_STEP: Final = 4
#: Of one's own table: rows that train the first model.
FIRST_SHARE: Final = 0.5


class TableError(TaxiError):
    """A table cannot be tried; the text names the file and the remedy."""


@dataclass(frozen=True, slots=True)
class Tables:
    """Rows of a schema.

    Attributes:
        schema_file: TOML.
        first: File of the rows that train the first model.
        traffic: Rows that are sent, with an id each: labels are joined by it.
    """

    schema_file: Path
    first: Path
    traffic: pa.Table


def rides(folder: Path) -> Tables:
    """Return the rides of early March 2020 and those after the streets had emptied.

    Args:
        folder: Where the first rows are written.
    """
    schema, samples = EXAMPLE / "schema.toml", EXAMPLE / "samples"
    before = pq.read_table(samples / "green-2020-03-before.parquet")
    first = folder / "first.parquet"
    pq.write_table(before.take(np.arange(0, len(before), FIRST_RIDES_STEP)), first)
    return Tables(schema, first, _whole(schema, samples / "green-2020-03-after.parquet"))


def own(folder: Path, schema: Path, data: Path) -> Tables:
    """Cut a table in two, in the order of time.

    Args:
        folder: Where the first rows are written.
        schema: TOML.
        data: Labelled rows, parquet or CSV.

    Raises:
        TaxiError: one of them cannot be read, or no model can be trained on the first rows; the
            text names the file.
    """
    table = _whole(schema, data)
    cut = int(len(table) * FIRST_SHARE)
    first = folder / "first.parquet"
    pq.write_table(table.slice(0, cut), first)
    try:
        training_rows(read_schema(schema), first)
    except TaxiError as error:
        reason = str(error).removeprefix(f"{first}: ")
        raise TableError(
            f"{data}: the first {cut} rows train no model: {reason} "
            "(`taxi-train check` names columns and reasons)"
        ) from error
    return Tables(schema, first, table.slice(cut))


def _whole(schema: Path, data: Path) -> pa.Table:
    """Return all rows of a file by the schema, in the order of time."""
    described = read_schema(schema)
    file = read_file(described, data)
    order = np.argsort(file.event_times, kind="stable")
    ids = _ids(described, data, len(order))
    return table_of(described, file.rows(described), [ids[place] for place in order.tolist()])


def _ids(schema: Schema, data: Path, rows: int) -> Sequence[str]:
    """Return the file's ids, or numbered ones when a predictor would not take all of these."""
    if schema.id in read_names(data).names:
        ids = read_columns(data, [schema.id])[schema.id].to_pylist()
        try:
            found = [check_id(key, schema.id) for key in ids]
        except FieldError:
            found = []
        if len(set(found)) == rows:
            return found
    return [f"row-{place:08d}" for place in range(rows)]
