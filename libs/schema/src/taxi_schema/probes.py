"""Rows at the limits of what a model is asked: a graph that fails there fails for clients."""

import math
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from itertools import product
from typing import Final

from taxi_schema.column import MAX_TEXT, MISSING_INTEGER, Column, FeatureType, Kind, Value
from taxi_schema.derived import Cross
from taxi_schema.features import FeatureRow, derive
from taxi_schema.ordinary import ordinary_row
from taxi_schema.rows import Row
from taxi_schema.schema import Schema

#: More rows than each end alone needs are made up to this number.
MAX_PROBES: Final = 64
#: Mondays and Sundays, first and last hour; None is missing.
_TIMES: Final = (
    None, *(datetime(2021, 6, day, hour) for day, hour in product((14, 20), (0, 23)))  # noqa: DTZ001
)  # fmt: skip


def ordinary(schema: Schema) -> FeatureRow:
    """Return the features of a row that any model must answer to be of use."""
    return derive(schema)(ordinary_row(schema))


def probes(schema: Schema) -> list[FeatureRow]:
    """Return feature rows at the limits.

    Each end of each column's limits is there with all others ordinary, and what may be missing
    as missing; combinations of ends follow as far as there are at most `MAX_PROBES` rows.
    """
    derived = derive(schema)
    base = ordinary_row(schema)
    axes = [_ends(column) for column in schema.columns]
    times = _TIMES if base.event_time is not None else (None,)
    rows: dict[Row, None] = {}
    for index, ends in enumerate(axes):
        for end in ends:
            values = (*base.values[:index], end, *base.values[index + 1 :])
            rows[base._replace(values=values)] = None
    for moment in times:
        rows[base._replace(event_time=moment)] = None
    for row in _combinations(axes, times):
        if len(rows) >= MAX_PROBES:
            break
        rows[row] = None
    return list(dict.fromkeys(derived(row) for row in rows))


def not_finite(
    schema: Schema,
    rows: Sequence[FeatureRow],
    predict: Callable[[Sequence[FeatureRow]], Sequence[float]],
) -> str:
    """Say which row has an answer that is no finite number; empty when none has.

    Args:
        schema: Of the model.
        rows: What the model is asked.
        predict: Returns the answer for each row, and what is not finite as it is.
    """
    answers = predict(rows)
    bad = [place for place, answer in enumerate(answers) if not math.isfinite(answer)]
    if not bad:
        return ""
    crosses = {derived.name for derived in schema.derived if isinstance(derived, Cross)}
    row = (
        f"{feature.name} {_text(value)}"
        for feature, value in zip(schema.features, rows[bad[0]], strict=True)
        if feature.name not in crosses
    )
    others = f" (and {len(bad) - 1} more of {len(rows)} probed)" if len(bad) > 1 else ""
    return f"gives {answers[bad[0]]:g} for {', '.join(row)}{others}"


def _text(value: float | int | str) -> str:
    if value in ("", MISSING_INTEGER):
        return "missing"
    if isinstance(value, float):
        return "missing" if math.isnan(value) else f"{value:g}"
    return str(value)


def _ends(column: Column) -> tuple[Value, ...]:
    """Return the values at the limits; an open limit has no end, but zero is one of its own."""
    missing = (None,) if column.nullable else ()
    if column.kind is Kind.BOOLEAN:
        return (False, True, *missing)
    if column.values:
        return (column.values[0], column.values[-1], *missing)
    if column.type is FeatureType.STRING:
        return ("ordinary", "x" * MAX_TEXT, *missing)
    limits = [limit for limit in (column.minimum, column.maximum) if limit is not None]
    zero = type(column.low)(0)
    if column.low <= zero <= column.high and len(limits) < 2:
        limits.append(zero)
    return (*limits, *missing)


def _combinations(
    axes: Sequence[Sequence[Value]], times: Sequence[datetime | None]
) -> Iterable[Row]:
    """Yield all columns at their first ends, at their last ends, then every combination."""
    for end in (0, -1):
        for moment in times:
            yield Row(tuple(ends[end] for ends in axes), event_time=moment)
    for moment, values in product(times, product(*axes)):
        yield Row(values, event_time=moment)
