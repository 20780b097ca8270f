"""Whether a value fits its column: the rule that requests, records and training share."""

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Final

from taxi_domain.numbers import MAX_NUMBER
from taxi_schema.column import (
    MAX_INTEGER,
    MIN_INTEGER,
    Column,
    FeatureType,
    Kind,
    Value,
)
from taxi_schema.names import is_category


class Reason(StrEnum):
    """Why a value does not fit."""

    MISSING = "missing"
    TYPE = "type"
    #: Not finite, beyond 64 bits, or outside of the column's limits.
    LIMITS = "limits"
    #: Too long, empty, or with control characters.
    TEXT = "text"
    #: Not one of a closed category.
    UNKNOWN = "unknown"


Fitted = tuple[Value, Reason | None]


def readable(column: Column, value: object) -> Fitted:
    """Return a value as rows have it, and why its type is not the column's.

    Limits and closed values are not looked at. What does not fit comes back as None.
    """
    if value is None:
        return None, None
    return _READERS[column.kind, column.type](value)


def fit(column: Column, value: object) -> Fitted:
    """Return a value as rows have it, and why a request with it is refused."""
    if value is None:
        return None, None if column.nullable else Reason.MISSING
    read, reason = readable(column, value)
    if reason is not None:
        return None, reason
    if column.values and read not in column.values:
        return None, Reason.UNKNOWN
    if isinstance(read, bool | str) or read is None:
        return read, None
    return (read, None) if column.low <= read <= column.high else (None, Reason.LIMITS)


def _number(value: object) -> Fitted:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None, Reason.TYPE
    # The comparison comes first: an integer too large for a float would overflow.
    if not -MAX_NUMBER <= value <= MAX_NUMBER:
        return None, Reason.LIMITS
    return float(value), None


def _integer(value: object) -> Fitted:
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # 130.0 is an integer in JSON
    if isinstance(value, bool) or not isinstance(value, int):
        return None, Reason.TYPE
    if not MIN_INTEGER <= value <= MAX_INTEGER:
        return None, Reason.LIMITS
    return value, None


def _string(value: object) -> Fitted:
    if not isinstance(value, str):
        return None, Reason.TYPE
    return (value, None) if is_category(value) else (None, Reason.TEXT)


def _boolean(value: object) -> Fitted:
    return (value, None) if isinstance(value, bool) else (None, Reason.TYPE)


_READERS: Final[Mapping[tuple[Kind, FeatureType], Callable[[object], Fitted]]] = {
    (Kind.NUMBER, FeatureType.FLOAT): _number,
    (Kind.CATEGORY, FeatureType.INTEGER): _integer,
    (Kind.CATEGORY, FeatureType.STRING): _string,
    (Kind.BOOLEAN, FeatureType.INTEGER): _boolean,
}
