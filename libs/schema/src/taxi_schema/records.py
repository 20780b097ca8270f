"""The part of a prediction record that a schema describes: inputs and event time."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from taxi_schema.column import Value
from taxi_schema.fitting import Reason, readable
from taxi_schema.rows import Row
from taxi_schema.schema import Schema

_NOTHING: Final[Mapping[str, object]] = {}


def inputs_of(schema: Schema, row: Row) -> dict[str, Value]:
    """Return `inputs` of a row's record: every column by name, None where missing."""
    return dict(zip([column.name for column in schema.columns], row.values, strict=True))


def row_of(
    schema: Schema, inputs: object, event_time: object = None
) -> tuple[Row, dict[str, Reason]]:
    """Read a row back from a record, which may be of another schema.

    Limits and closed values do not matter: the row was served. What is absent is missing.

    Args:
        schema: Of the reader.
        inputs: `inputs` of the record.
        event_time: Its local time, a datetime or ISO text; None when it has none.

    Returns:
        The row, and why a column (or the event time, by its name) cannot be read and is missing.
    """
    problems: dict[str, Reason] = {}
    content: Mapping[str, object] = inputs if isinstance(inputs, Mapping) else _NOTHING
    values = []
    for column in schema.columns:
        value, reason = readable(column, content.get(column.name))
        if reason is not None:
            problems[column.name] = reason
        values.append(value)
    moment = None
    if schema.event_time is not None and event_time is not None:
        moment = _local(event_time)
        if moment is None:
            problems[schema.event_time.name] = Reason.TYPE
    return Row(tuple(values), event_time=moment), problems


def _local(value: object) -> datetime | None:
    """Return a local time; an offset only says how the log's library reads local times."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return None
    return value.replace(tzinfo=None, fold=0) if isinstance(value, datetime) else None
