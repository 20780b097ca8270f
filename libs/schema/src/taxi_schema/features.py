"""The features of one row; `taxi_schema.columns` has the same for columns."""

from collections.abc import Callable, Sequence
from datetime import datetime

from taxi_schema.column import (
    MISSING,
    MISSING_INTEGER,
    FeatureType,
    FeatureValue,
    Kind,
    Value,
)
from taxi_schema.derived import CROSS_SEPARATOR, Cross, Derived, HourOf
from taxi_schema.rows import Row
from taxi_schema.schema import Schema

FeatureRow = tuple[FeatureValue, ...]
_Step = Callable[[Sequence[Value], datetime | None], FeatureValue]

_NAN = MISSING[FeatureType.FLOAT]


def derive(schema: Schema) -> Callable[[Row], FeatureRow]:
    """Return a function of a row that returns its features, in the order of `schema.features`.

    What is missing is NaN, `MISSING_INTEGER` or an empty string; a boolean is 0 or 1.
    """
    places = {column.name: index for index, column in enumerate(schema.columns)}
    steps = [_derived(derived, places) for derived in schema.derived]
    chosen = [places[column.name] for column in schema.inputs]
    # Nearly always the model sees all columns, none of them a boolean, and none is missing.
    all_inputs = len(chosen) == len(schema.columns)
    as_they_are = not any(column.kind is Kind.BOOLEAN for column in schema.inputs)
    missing = [MISSING[column.type] for column in schema.inputs]

    def features(row: Row) -> FeatureRow:
        values, moment = row.values, row.event_time
        inputs: Sequence[Value] = values if all_inputs else [values[index] for index in chosen]
        if not as_they_are or None in inputs:
            inputs = list(map(_seen, inputs, missing))
        return (*inputs, *[step(values, moment) for step in steps])  # type: ignore[arg-type]

    return features


def _seen(value: Value, missing: FeatureValue) -> FeatureValue:
    if value is None:
        return missing
    return int(value) if type(value) is bool else value


def _derived(derived: Derived, places: dict[str, int]) -> _Step:
    if isinstance(derived, HourOf):
        return lambda _, moment: _NAN if moment is None else float(moment.hour)
    if not isinstance(derived, Cross):
        return lambda _, moment: _NAN if moment is None else float(moment.weekday())
    indexes = [places[name] for name in derived.columns]
    if not derived.digits:
        return _joined(indexes)
    return _concatenated([
        (index, 10**digits) for index, digits in zip(indexes, derived.digits, strict=True)
    ])  # fmt: skip


def _concatenated(parts: list[tuple[int, int]]) -> _Step:
    """Return the digits of all parts as one integer.

    A value that has more digits than its column's maximum, as a record of another schema may,
    leaves the cross missing: it would look like another combination.
    """

    def step(values: Sequence[Value], _: datetime | None) -> FeatureValue:
        code = 0
        for index, factor in parts:
            value = values[index]
            if value is None or not 0 <= value < factor:  # type: ignore[operator]  # an integer
                return MISSING_INTEGER
            code = code * factor + value  # type: ignore[operator,assignment]
        return code

    return step


def _joined(indexes: list[int]) -> _Step:
    def step(values: Sequence[Value], _: datetime | None) -> FeatureValue:
        parts = [values[index] for index in indexes]
        if None in parts:
            return ""
        return CROSS_SEPARATOR.join(
            [part if type(part) is str else str(int(part or 0)) for part in parts]
        )

    return step
