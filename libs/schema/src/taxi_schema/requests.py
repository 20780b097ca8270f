"""Parsing of request bodies, compiled once per schema."""

from collections.abc import Callable
from typing import Any, Final

from taxi_domain.errors import FieldError
from taxi_domain.ids import check_id
from taxi_schema.column import MAX_TEXT, Column, FeatureType, Kind, Value
from taxi_schema.extra import keep
from taxi_schema.fitting import fit
from taxi_schema.refusals import refusal
from taxi_schema.request_schema import body_schema
from taxi_schema.rows import Row
from taxi_schema.schema import Schema
from taxi_schema.times import LocalTimes

Check = Callable[[object], Value]
#: Name, and the usual type and limits, which the loop looks at itself: a call costs more than
#: both. What is not as usual goes to the check.
_Step = tuple[str, type, Any, Any, Check]

_new_row: Final = tuple.__new__


class _Never:
    """The usual type of what has to be checked by a call."""


class RequestParser:
    """Checks bodies against a schema and makes rows of them.

    Args:
        schema: What is asked.
    """

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._steps = tuple(map(_step_of, schema.columns))
        self._id = schema.id
        time = schema.event_time
        self._time = None if time is None else (time.name, LocalTimes(time).parse)
        declared = {schema.id, *(column.name for column in schema.columns)}
        self._declared = frozenset(declared if time is None else {*declared, time.name})
        self._is_declared = self._declared.issuperset

    def parse(self, body: object) -> Row:
        """Check a decoded JSON object and make a row of it.

        Raises:
            FieldError: names the first field that is missing or not accepted.
        """
        if not isinstance(body, dict):
            raise FieldError(
                "body", "is not a JSON object", "send one object with the row's fields"
            )
        get = body.get
        values: list[Any] = []
        for name, usual, low, high, check in self._steps:
            value = get(name)
            if type(value) is usual and low <= value <= high:
                values.append(value)
            else:
                values.append(check(value))
        moment = None
        if self._time is not None:
            time_name, parse_time = self._time
            moment = parse_time(get(time_name))
        key = get(self._id)
        if key is not None:
            key = check_id(key, self._id)
        if self._is_declared(body):  # nearly always
            return _new_row(Row, (tuple(values), key, moment, None, ()))
        declared = self._declared
        extra, dropped = keep(item for item in body.items() if item[0] not in declared)
        return Row(tuple(values), key, moment, extra, dropped)

    def json_schema(self) -> dict[str, Any]:
        """Return the JSON Schema of a body, for OpenAPI 3.1."""
        return body_schema(self._schema)


def _step_of(column: Column) -> _Step:
    def check(value: object) -> Value:
        fitted, reason = fit(column, value)
        if reason is not None:
            raise refusal(column, value, reason)
        return fitted

    if column.kind is Kind.BOOLEAN:
        return column.name, bool, False, True, check
    if column.kind is Kind.NUMBER:
        # NaN is within no limits, and open ones are finite.
        return column.name, float, column.low, column.high, check
    if column.values:
        return column.name, _Never, 0, 0, _closed(column, check)
    if column.type is FeatureType.INTEGER:
        return column.name, int, column.low, column.high, check
    return column.name, _Never, 0, 0, _string(check)


def _closed(column: Column, check: Check) -> Check:
    values = frozenset(column.values)
    usual = int if column.type is FeatureType.INTEGER else str

    def closed(value: object) -> Value:
        return value if type(value) is usual and value in values else check(value)

    return closed


def _string(check: Check) -> Check:
    def string(value: object) -> Value:
        if type(value) is str and 0 < len(value) <= MAX_TEXT and value.isprintable():
            return value
        return check(value)

    return string
