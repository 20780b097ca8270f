"""Labelled rows as a table: what a file of them has."""

from collections.abc import Sequence

import pyarrow as pa

from taxi_schema.column import Column, FeatureType, Kind
from taxi_schema.columns.arrays import Array, is_missing
from taxi_schema.columns.rows import LabelledRows
from taxi_schema.schema import Schema

_TYPES = {
    FeatureType.FLOAT: pa.float64(), FeatureType.INTEGER: pa.int64(),
    FeatureType.STRING: pa.string(),
}  # fmt: skip


def table_of(schema: Schema, rows: LabelledRows, ids: Sequence[str]) -> pa.Table:
    """Return rows with the schema's names; what is missing is null.

    Args:
        schema: Of the rows.
        rows: Without or with predictions, which are left out.
        ids: Of the rows, in their order.
    """
    time = {} if schema.event_time is None else {schema.event_time.name: pa.array(rows.event_times)}
    return pa.table(
        {
            schema.id: pa.array(ids, pa.string()),
            **time,
            **{
                column.name: array_of(column, rows.columns[column.name])
                for column in schema.columns
            },
            schema.target.name: pa.array(rows.target, pa.float64(), from_pandas=True),
        }
    )


def type_of(column: Column) -> pa.DataType:
    """Return the type that a column has in a table."""
    return pa.bool_() if column.kind is Kind.BOOLEAN else _TYPES[column.type]


def array_of(column: Column, values: Array) -> pa.Array:
    """Return values of `taxi_schema.columns.arrays` as a table has them; missing is null."""
    array = pa.array(values, _TYPES[column.type], mask=is_missing(column, values))
    return array.cast(type_of(column))
