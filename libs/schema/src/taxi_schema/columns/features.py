"""The features of columns; `taxi_schema.features` has the same for one row."""

import numpy as np
from numpy.typing import NDArray

from taxi_schema.column import MISSING_INTEGER, FeatureType
from taxi_schema.columns.arrays import Array, Columns, array_of, length_of, times_of
from taxi_schema.derived import CROSS_SEPARATOR, Cross, Derived, HourOf
from taxi_schema.schema import Schema

#: 1970-01-01, where counting begins, was a Thursday.
_FIRST_WEEKDAY = 3


def derive_columns(
    schema: Schema, columns: Columns, event_times: Array | None = None
) -> dict[str, Array]:
    """Return the features in the order of `schema.features`.

    Args:
        schema: Of the model.
        columns: By name; one that is absent is missing.
        event_times: Local times, datetime64; None when none is known.
    """
    rows = length_of(columns, event_times)
    arrays = {column.name: array_of(column, columns, rows) for column in schema.inputs}
    times = times_of(event_times, rows)
    return arrays | {
        derived.name: _derived(schema, derived, arrays, times) for derived in schema.derived
    }


def hours_of(times: NDArray[np.datetime64]) -> NDArray[np.float64]:
    """Return the hour of local times, 0..23; NaN where missing."""
    hours = times.astype("datetime64[h]") - times.astype("datetime64[D]")
    return np.where(np.isnat(times), np.nan, hours.astype(np.float64))


def weekdays_of(times: NDArray[np.datetime64]) -> NDArray[np.float64]:
    """Return the day of the week of local times, Monday = 0; NaN where missing."""
    days = times.astype("datetime64[D]").astype(np.int64)
    return np.where(np.isnat(times), np.nan, (days + _FIRST_WEEKDAY) % 7)


def _derived(
    schema: Schema, derived: Derived, arrays: Columns, times: NDArray[np.datetime64]
) -> Array:
    if isinstance(derived, HourOf):
        return hours_of(times)
    if not isinstance(derived, Cross):
        return weekdays_of(times)
    parts = [arrays[name] for name in derived.columns]
    if derived.digits:
        return _concatenated(parts, derived.digits)
    types = {column.name: column.type for column in schema.inputs}
    return _joined([
        _texts(arrays[name]) if types[name] is FeatureType.INTEGER else list(arrays[name])
        for name in derived.columns
    ])  # fmt: skip


def _concatenated(parts: list[Array], digits: tuple[int, ...]) -> Array:
    codes = np.zeros(len(parts[0]), np.int64)
    valid = np.ones(len(codes), np.bool_)
    for part, width in zip(parts, digits, strict=True):
        fits = (part >= 0) & (part < 10**width)
        codes = codes * 10**width + np.where(fits, part, 0)
        valid &= fits
    return np.where(valid, codes, MISSING_INTEGER)


def _texts(array: Array) -> list[str]:
    return ["" if value == MISSING_INTEGER else str(value) for value in array.tolist()]


def _joined(parts: list[list[str]]) -> Array:
    joined = np.empty(len(parts[0]), object)
    joined[:] = [CROSS_SEPARATOR.join(row) if all(row) else "" for row in zip(*parts, strict=True)]
    return joined
