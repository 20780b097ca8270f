"""Columns as arrays of one type, whatever a file or a log gave."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from taxi_schema.column import MISSING, MISSING_INTEGER, Column, FeatureType, Kind
from taxi_schema.fitting import Fitted, Reason, readable
from taxi_schema.rows import Row
from taxi_schema.schema import Schema

Array = NDArray[Any]
Mask = NDArray[np.bool_]
Columns = Mapping[str, Array]
Problems = dict[Reason, Mask]

_TYPES: Final[Mapping[FeatureType, Any]] = {
    FeatureType.FLOAT: np.float64, FeatureType.INTEGER: np.int64, FeatureType.STRING: object,
}  # fmt: skip
#: The first float beyond 64-bit integers.
_TOO_LARGE: Final = 2.0**63
#: Letters of numpy's types that are read at once.
_NUMPY_KINDS: Final = {Kind.NUMBER: "iuf", Kind.CATEGORY: "iuf", Kind.BOOLEAN: "biuf"}
_TIMES: Final = np.dtype("datetime64[us]")


def length_of(columns: Columns, event_times: Array | None = None) -> int:
    """Return how many rows there are.

    Raises:
        ValueError: the arrays differ in length.
    """
    arrays = [*columns.values(), *([] if event_times is None else [event_times])]
    lengths = {len(array) for array in arrays}
    if len(lengths) > 1:
        raise ValueError(f"columns have different lengths: {sorted(lengths)}")
    return lengths.pop() if lengths else 0


def times_of(event_times: Array | None, rows: int) -> NDArray[np.datetime64]:
    """Return local event times, NaT where missing, shape (rows,)."""
    if event_times is None:
        return np.full(rows, "NaT", _TIMES)
    return np.asarray(event_times).astype(_TIMES)


def columns_of(schema: Schema, rows: Sequence[Row]) -> tuple[dict[str, Array], Array]:
    """Return the columns of rows, and their event times."""
    columns = {}
    for index, column in enumerate(schema.columns):
        missing = MISSING[column.type]
        values = [missing if row.values[index] is None else row.values[index] for row in rows]
        columns[column.name] = np.array(values, _TYPES[column.type])
    return columns, np.array([row.event_time for row in rows], _TIMES)


def array_of(column: Column, columns: Columns, rows: int) -> Array:
    """Return a column as float64, int64 or objects; what is absent or unreadable is missing."""
    return scan(column, columns.get(column.name), rows)[0]


def is_missing(column: Column, array: Array) -> Mask:
    """Tell which values of an array that `array_of` returned are missing."""
    missing: Mask = np.isnan(array) if column.type is FeatureType.FLOAT else (
        array == MISSING[column.type]
    )  # fmt: skip
    return missing


def scan(column: Column, values: Array | None, rows: int) -> tuple[Array, Problems]:
    """Return a column as one type, and where it cannot be read, by reason."""
    if values is None:
        return np.full(rows, MISSING[column.type], _TYPES[column.type]), {}
    values = np.asarray(values)
    if values.dtype.kind not in _NUMPY_KINDS.get(column.kind, "") or (
        column.type is FeatureType.STRING
    ):
        return _elements(column, values)
    if column.type is FeatureType.FLOAT:
        return _floats(values)
    return _booleans(values) if column.kind is Kind.BOOLEAN else _integers(values)


def _floats(values: Array) -> tuple[Array, Problems]:
    floats = values.astype(np.float64)
    infinite = np.isinf(floats)
    return np.where(infinite, np.nan, floats), {Reason.LIMITS: infinite}


def _integers(values: Array) -> tuple[Array, Problems]:
    if values.dtype.kind == "f":
        missing = np.isnan(values)
        fraction = ~missing & (np.isinf(values) | (np.floor(values) != values))
        large = ~missing & ~fraction & (np.abs(values) >= _TOO_LARGE)
    else:
        missing = np.zeros(len(values), np.bool_) if values.dtype.kind == "u" else (
            values == MISSING_INTEGER
        )  # fmt: skip
        fraction = np.zeros(len(values), np.bool_)
        large = values > np.iinfo(np.int64).max
    unreadable = missing | fraction | large
    integers = np.where(unreadable, 0, values).astype(np.int64)
    integers[unreadable] = MISSING_INTEGER
    return integers, {Reason.TYPE: fraction, Reason.LIMITS: large}


def _booleans(values: Array) -> tuple[Array, Problems]:
    integers, _ = _integers(values.astype(np.int64) if values.dtype.kind == "b" else values)
    other = ~np.isin(integers, (0, 1, MISSING_INTEGER))
    if values.dtype.kind == "f":
        other |= (integers == MISSING_INTEGER) & ~np.isnan(values)
    integers[other] = MISSING_INTEGER
    return integers, {Reason.TYPE: other}


def _elements(column: Column, values: Array) -> tuple[Array, Problems]:
    """Read values one by one; each text once."""
    texts: dict[str, Fitted] = {}
    fitted = []
    for value in _plain(values):
        if type(value) is str:
            got = texts.get(value)
            if got is None:
                got = texts[value] = readable(column, value or None)
            fitted.append(got)
        else:
            fitted.append(readable(column, value))
    missing = MISSING[column.type]
    array = np.array(
        [missing if value is None else value for value, _ in fitted], _TYPES[column.type]
    )
    reasons = np.array([reason for _, reason in fitted], object)
    return array, {reason: reasons == reason for reason in set(reasons) - {None}}


def _plain(values: Array) -> Iterable[object]:
    """Yield values as Python has them, None where missing."""
    for value in values.tolist():
        plain = value.item() if isinstance(value, np.generic) else value
        yield None if isinstance(plain, float) and math.isnan(plain) else plain


def within(column: Column, array: Array) -> Mask:
    """Tell which values of a number or an integer category are within its limits."""
    inside: Mask = (array >= column.low) & (array <= column.high)
    return inside
