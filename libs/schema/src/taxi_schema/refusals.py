"""Texts of refused values: the problem and what to send instead."""

from typing import Final

from taxi_domain.errors import FieldError
from taxi_schema.column import MAX_TEXT, Column, FeatureType, Kind
from taxi_schema.errors import number_text, shown
from taxi_schema.fitting import Reason

_MAX_LISTED: Final = 10


def refusal(column: Column, value: object, reason: Reason) -> FieldError:
    """Return the error of a value that a column refuses.

    >>> zone = Column("zone", Kind.CATEGORY, FeatureType.INTEGER, minimum=1, maximum=265)
    >>> str(refusal(zone, 0, Reason.LIMITS))
    'zone: 0 is out of its limits; send an integer from 1 to 265'
    """
    return FieldError(column.name, _problem(column, value, reason), f"send {_wanted(column)}")


def limits_text(low: float | None, high: float | None) -> str:
    """Return limits as the end of a remedy, with a space before; empty when both are open.

    >>> limits_text(0, 100), limits_text(None, 9.5), limits_text(None, None)
    (' from 0 to 100', ' up to 9.5', '')
    """
    parts = [] if low is None else [f" from {number_text(low)}"]
    if high is not None:
        parts.append(f" {'up ' if low is None else ''}to {number_text(high)}")
    return "".join(parts)


def _problem(column: Column, value: object, reason: Reason) -> str:
    if reason is Reason.MISSING:
        return "is missing"
    if isinstance(value, list | dict):
        return "is not a scalar"
    if reason is Reason.UNKNOWN:
        return f"{shown(value)} is not one of its values"
    if reason is Reason.TEXT:
        return f"is not a text of 1 to {MAX_TEXT} characters without control characters"
    if reason is Reason.LIMITS:
        integer = column.type is FeatureType.INTEGER
        return f"{shown(value)} is out of its limits" if integer else "is out of its limits"
    return f"is not {_TYPES[column.kind, column.type]}"


_TYPES: Final = {
    (Kind.NUMBER, FeatureType.FLOAT): "a number",
    (Kind.CATEGORY, FeatureType.INTEGER): "an integer",
    (Kind.CATEGORY, FeatureType.STRING): "a text",
    (Kind.BOOLEAN, FeatureType.INTEGER): "true or false",
}


def _wanted(column: Column) -> str:
    if column.kind is Kind.BOOLEAN:
        return "true or false"
    if column.values:
        listed = ", ".join(map(str, column.values[:_MAX_LISTED]))
        more = len(column.values) - _MAX_LISTED
        return f"one of {listed}" + (f" and {more} more" if more > 0 else "")
    if column.type is FeatureType.STRING:
        return f"a text of 1 to {MAX_TEXT} characters"
    if column.type is FeatureType.INTEGER:
        return f"an integer{limits_text(column.low, column.high)}"
    limits = limits_text(column.minimum, column.maximum)
    return f"{column.unit}{limits}" if column.unit and limits else number_of(column.unit) + limits


def number_of(unit: str) -> str:
    """Return what to send for a number.

    >>> number_of("miles"), number_of("")
    ('miles as a number', 'a number')
    """
    return f"{unit} as a number" if unit else "a number"
