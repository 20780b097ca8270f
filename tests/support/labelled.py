"""Labelled rows of any schema, whose target follows from the columns."""

from datetime import datetime, timedelta
from typing import Any

import numpy as np

from taxi_schema.column import MISSING, Column, FeatureType, Kind
from taxi_schema.columns.rows import LabelledRows
from taxi_schema.reading import schema_of
from taxi_schema.schema import Schema

START = datetime(2021, 1, 1)  # noqa: DTZ001 - local
#: A schema with every kind of column, context and ignored ones among them.
DOCUMENT: dict[str, Any] = {
    "id": "order",
    "event_time": {"name": "placed", "timezone": "Europe/Berlin"},
    "target": {"name": "price", "unit": "euros", "minimum": -50, "maximum": 200},
    "columns": [
        {"name": "shop", "kind": "category"},
        {"name": "area", "kind": "category", "minimum": 1, "maximum": 40, "nullable": True},
        {"name": "weight", "kind": "number", "minimum": 0, "maximum": 1000},
        {"name": "age", "kind": "number", "nullable": True},
        {"name": "gift", "kind": "boolean"},
        {"name": "app", "kind": "category", "role": "context"},
        {"name": "notes", "kind": "number", "drift": "ignored"},
    ],
    "derived": {
        "shop_area": {"cross": ["shop", "area"]},
        "hour": {"hour_of": "event_time"},
    },
    "slices": [{"name": "weight", "column": "weight", "bands": [10, 100]}],
    "fallback": {"monotonic": "weight"},
}


def orders(**changes: Any) -> Schema:
    """Return the schema, some keys of it replaced."""
    return schema_of(DOCUMENT | changes)


def labelled(schema: Schema, rows: int, seed: int = 1) -> LabelledRows:
    """Return rows within the schema's limits, one every five minutes."""
    rng = np.random.default_rng(seed)
    columns = {column.name: _values(column, rows, rng) for column in schema.columns}
    signal = sum(map(_signal, columns.values()), np.zeros(rows))
    target = signal + rng.normal(0, 1, rows)
    low, high = schema.target.minimum, schema.target.maximum
    if low is not None or high is not None:
        target = np.clip(target, low, high)
    times = np.array([START + timedelta(minutes=5 * place) for place in range(rows)], "M8[us]")
    if schema.event_time is None:
        times = np.full(rows, np.datetime64("NaT", "us"))
    never = np.full(rows, np.nan)
    return LabelledRows(columns, times, target, never, 300.0 * np.arange(rows, dtype=np.float64))


def _values(column: Column, rows: int, rng: np.random.Generator) -> np.ndarray:
    values: np.ndarray
    if column.kind is Kind.BOOLEAN:
        values = rng.integers(0, 2, rows)
    elif column.values:
        values = _chosen(column, list(column.values), rows, rng)
    elif column.type is FeatureType.STRING:
        values = _chosen(column, [f"é{place}" for place in range(12)], rows, rng)
    elif column.type is FeatureType.INTEGER:
        first, last = int(column.low), int(column.high)
        pool = [first + min(place, last - first) for place in range(30)]
        values = _chosen(column, pool, rows, rng)
    else:
        low = column.low if column.minimum is not None else min(0.0, column.high)
        high = column.high if column.maximum is not None else max(100.0, low)
        values = low + (high - low) * rng.beta(1, 8, rows)
        values = np.clip(values, column.low, column.high)
    if column.nullable:
        values = values.copy()
        values[rng.random(rows) < 0.1] = MISSING[column.type]
    return values


def _chosen(column: Column, pool: list[Any], rows: int, rng: np.random.Generator) -> np.ndarray:
    kind = object if column.type is FeatureType.STRING else np.int64
    return np.array(pool, kind)[rng.integers(0, len(pool), rows)]


def _signal(column: np.ndarray) -> np.ndarray:
    if column.dtype.kind == "f":
        spread = np.nanstd(column) or 1.0
        return np.where(np.isnan(column), 9.0, 5 * column / max(spread, 1e-9))
    _, codes = np.unique(column.astype(str), return_inverse=True)
    return 3.0 * (codes % 7)
