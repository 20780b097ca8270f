"""An ordinary row: what any model must answer, and the example of a request."""

from datetime import datetime
from typing import Final

from taxi_schema.column import Column, FeatureType, Kind, Value
from taxi_schema.rows import Row
from taxi_schema.schema import Schema

_ORDINARY_TIME: Final = datetime(2021, 6, 16, 12)  # noqa: DTZ001 - local; a Wednesday


def example(schema: Schema) -> dict[str, Value]:
    """Return the body of a request for an ordinary row."""
    row = ordinary_row(schema)
    values = {column.name: value for column, value in zip(schema.columns, row.values, strict=True)}
    if schema.event_time is not None and row.event_time is not None:
        values[schema.event_time.name] = row.event_time.isoformat()
    return values


def ordinary_row(schema: Schema) -> Row:
    """Return a row that any model must answer to be of use."""
    time = None if schema.event_time is None else _ORDINARY_TIME
    return Row(tuple(map(_ordinary_value, schema.columns)), event_time=time)


def _ordinary_value(column: Column) -> Value:
    if column.kind is Kind.BOOLEAN:
        return False
    if column.values:
        return column.values[0]
    if column.type is FeatureType.STRING:
        return "ordinary"
    return min(max(type(column.low)(1), column.low), column.high)
