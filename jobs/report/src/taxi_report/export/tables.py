"""Documents of the log as a table, typed by the schema of their version."""

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa
from bson.datetime_ms import DatetimeMS

from taxi_domain.numbers import MAX_NUMBER
from taxi_domain.records import EVENT_TIME, INPUTS
from taxi_files.table import array_of, type_of
from taxi_schema.columns.arrays import scan
from taxi_schema.schema import Schema
from taxi_store.log.partitions import LabelValue

Document = dict[str, Any]

#: Milliseconds between which Python, and every reader, has a date.
_FIRST: Final = int(np.datetime64("0001-01-01", "ms").astype(np.int64))
_LAST: Final = int(np.datetime64("9999-12-31T23:59:59.999", "ms").astype(np.int64))
_UTC_TIME: Final = pa.timestamp("ms", tz="UTC")


def table_schema(schema: Schema) -> pa.Schema:
    """Return the columns of a version's files; inputs are a struct: no name collides."""
    inputs = pa.struct([(column.name, type_of(column)) for column in schema.columns])
    return pa.schema([
        ("id", pa.string()), ("answered_at", _UTC_TIME), ("event_time", pa.timestamp("us")),
        ("prediction", pa.float64()), ("label", pa.float64()), ("labelled_at", _UTC_TIME),
        ("model_role", pa.string()), ("latency_seconds", pa.float64()), (INPUTS, inputs),
        ("extra", pa.string()),
    ])  # fmt: skip


def table_of(
    documents: Sequence[Document], schema: Schema, labels: Mapping[str, LabelValue]
) -> tuple[pa.Table, Counter[str]]:
    """Return documents (`taxi_store.log.partitions.read`) of one version as rows, in their order.

    Returns:
        The rows, and of how many an input cannot be read as its column's type, by column: it is
        null.
    """
    inputs, unread = _inputs(documents, schema)
    known = [labels.get(document["_id"]) for document in documents]
    labelled = [None if label is None else DatetimeMS(label.ts) for label in known]
    event_times = [_milliseconds(document.get(EVENT_TIME)) for document in documents]
    columns = [
        pa.array([document["_id"] for document in documents], pa.string()),
        _times([document["ts"] for document in documents]),
        pa.array(event_times, pa.timestamp("ms")).cast(pa.timestamp("us")),
        pa.array([float(document["prediction"]) for document in documents], pa.float64()),
        pa.array([None if label is None else label.value for label in known], pa.float64()),
        _times(labelled),
        pa.array([_text(document.get("model_role")) for document in documents], pa.string()),
        pa.array(
            [_number(document.get("latency_seconds")) for document in documents], pa.float64()
        ),
        inputs,
        pa.array([_json(document.get("extra")) for document in documents], pa.string()),
    ]
    return pa.Table.from_arrays(columns, schema=table_schema(schema)), unread


def _inputs(documents: Sequence[Document], schema: Schema) -> tuple[pa.Array, Counter[str]]:
    unread: Counter[str] = Counter()
    arrays = []
    for column in schema.columns:
        values = np.empty(len(documents), object)
        values[:] = [document[INPUTS].get(column.name) for document in documents]
        array, problems = scan(column, values, len(documents))
        unread[column.name] += sum(int(mask.sum()) for mask in problems.values())
        arrays.append(array_of(column, array))
    fields = list(table_schema(schema).field(INPUTS).type)
    return pa.StructArray.from_arrays(arrays, fields=fields), +unread


def _times(values: Sequence[object]) -> pa.Array:
    return pa.array([_milliseconds(value) for value in values], _UTC_TIME)


def _milliseconds(value: object) -> int | None:
    """Return a time as a file can have it; years that no date has are none."""
    milliseconds = int(value) if type(value) is DatetimeMS else None
    return milliseconds if milliseconds is not None and _FIRST <= milliseconds <= _LAST else None


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if abs(value) <= MAX_NUMBER else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _json(extra: object) -> str | None:
    """Return undeclared fields as JSON, sorted; None without any."""
    if not isinstance(extra, dict) or not extra:
        return None
    return json.dumps(
        {name: _scalar(value) for name, value in extra.items()}, sort_keys=True, ensure_ascii=False
    )


def _scalar(value: object) -> object:
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return str(int(value)) if isinstance(value, DatetimeMS) else str(value)
