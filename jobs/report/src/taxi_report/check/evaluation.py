"""Evaluating conditions: each is met, not met, or cannot be evaluated for a reason."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Final

from taxi_profiles.numeric import MIN_STD
from taxi_profiles.reference import PREDICTION, TARGET
from taxi_report.check import conditions as names
from taxi_report.check.conditions import (
    NULL_MARGIN,
    OF_DRIFT,
    STANDARD_ERRORS,
    Conditions,
    Group,
)
from taxi_report.check.facts import Facts
from taxi_report.check.named import NAMED, is_for, named_score
from taxi_report.compare.drift import ColumnDrift
from taxi_report.compare.performance import limit_of, performance_of
from taxi_schema.column import Column, Kind

#: A value, or why there is none.
Value = float | str
_RATIOS: Final = {names.MAX_DRIFT, names.MAX_ERROR}
_LOG: Final = "the log has accepted rows only, each id once"


class State(StrEnum):
    """What came of a condition."""

    MET = "met"
    NOT_MET = "not met"
    NOT_EVALUATED = "not evaluated"


@dataclass(frozen=True, slots=True)
class Evaluated:
    """One condition and what came of it.

    Attributes:
        condition: Its name.
        column: Its column, None for the data as a whole and the error.
        value: What was found, None where it could not be evaluated.
        limit: What is allowed.
        state: What came of it.
        required: Whether it must be evaluated.
        reason: Why it is not met or could not be evaluated; empty when it is met.
    """

    condition: str
    column: str | None
    value: float | None
    limit: float
    state: State
    required: bool
    reason: str

    @property
    def is_bad(self) -> bool:
        """Whether the data does not pass for this condition."""
        return self.state is State.NOT_MET or (self.state is State.NOT_EVALUATED and self.required)


def evaluated(facts: Facts, conditions: Conditions) -> list[Evaluated]:
    """Return all conditions: of the rows, of each column in the schema's order, of the error."""
    return [
        *_group(conditions.rows, None, partial(_of_rows, facts)),
        *_columns(facts, conditions),
        *_group(conditions.error, None, partial(_of_error, facts)),
    ]


def _columns(facts: Facts, conditions: Conditions) -> Iterator[Evaluated]:
    schema = facts.known.layout.schema
    for column in schema.columns:
        group = _with_defaults(facts, column, conditions)
        yield from _group(group, column.name, partial(_of_column, facts, column))
    for name, profiled in ((PREDICTION, PREDICTION), (schema.target.name, TARGET)):
        if name in conditions.columns:
            yield from _group(conditions.columns[name], name, partial(_of_drift, facts, profiled))


def _with_defaults(facts: Facts, column: Column, conditions: Conditions) -> Group:
    """Return a column's own conditions, and the defaults that suit it."""
    own = conditions.columns.get(column.name, Group())
    decides = column.name in facts.known.reference.deciding
    number = column.kind is Kind.NUMBER
    limits: dict[str, float | None] = {
        name: limit
        for name, limit in conditions.defaults.limits.items()
        if (decides or name not in OF_DRIFT)
        and (number or name != names.MAX_MEAN_CHANGE)
        and not (number and name == names.MAX_UNSEEN_SHARE)
        and is_for(name, number)
    }
    if names.MAX_NULL_SHARE not in limits and column.name in facts.drifts:
        limits[names.MAX_NULL_SHARE] = _usual_null_share(facts, column.name)
    required = (conditions.defaults.required - own.limits.keys()) | own.required
    return Group({**limits, **own.limits}, required)


def _usual_null_share(facts: Facts, name: str) -> float:
    """Return the share of missing values from which on there are too many.

    That of the reference, a margin, and what chance adds to so many rows.
    """
    expected = facts.expected
    summary = expected.numeric[name] if name in expected.numeric else expected.categorical[name]
    share = summary.missing / max(expected.rows, 1)
    chance = STANDARD_ERRORS * math.sqrt(share * (1 - share) / max(facts.counted.rows, 1))
    return min(share + NULL_MARGIN + chance, 1.0)


def _group(
    group: Group, column: str | None, value_of: Callable[[str], Value]
) -> Iterator[Evaluated]:
    for name, limit in group.limits.items():
        if limit is None:
            continue
        value, required = value_of(name), name in group.required
        if isinstance(value, str):
            yield Evaluated(name, column, None, limit, State.NOT_EVALUATED, required, value)
            continue
        met = _is_met(name, value, limit)
        reason = "" if met else f"is {value:.6g}, {_beyond(name)} {limit:.6g}"
        state = State.MET if met else State.NOT_MET
        yield Evaluated(name, column, value, limit, state, required, reason)


def _is_met(name: str, value: float, limit: float) -> bool:
    if name in names.MINIMA:
        return value >= limit
    # At its threshold a column has drifted, and at its limit the error is too large.
    return value < limit if name in _RATIOS else value <= limit


def _beyond(name: str) -> str:
    if name in names.MINIMA:
        return "fewer than" if name == names.MINIMUM else "less than"
    return "not below" if name in _RATIOS else "more than"


def _of_rows(facts: Facts, name: str) -> Value:
    counted = facts.counted
    if name == names.MINIMUM:
        return counted.rows
    if name == names.MAX_DOUBLED_IDS:
        if counted.doubled_ids is None:
            return _LOG
        if counted.rows and counted.without_id == counted.rows:
            return "no row has an id"
        return counted.doubled_ids
    if counted.refused_rows is None:
        return _LOG
    return counted.refused_rows / counted.rows if counted.rows else "there are no rows"


def _of_column(facts: Facts, column: Column, name: str) -> Value:
    counted = facts.counted
    if name == names.MAX_NULL_SHARE:
        if column.name not in counted.nulls:
            return "the schema ignores its drift, so it is not read from the log"
        return counted.nulls[column.name] / counted.rows if counted.rows else "there are no rows"
    if name == names.MAX_REFUSED_SHARE:
        return _refused_share(facts, column)
    return _of_drift(facts, column.name, name)


def _refused_share(facts: Facts, column: Column) -> Value:
    counted = facts.counted
    if counted.refused_rows is None:
        return _LOG
    if not counted.rows:
        return "there are no rows"
    # A value has one reason at most.
    found = sum(rows for why, rows in counted.refused.items() if why.column == column.name)
    return found / counted.rows


def _of_drift(facts: Facts, profiled: str, name: str) -> Value:
    drift = facts.drifts.get(profiled)
    if drift is None:
        return "no row of the reference has a value, or the schema ignores its drift"
    if drift.score is None:
        return drift.problem.replace("the span", "the data")
    if name in NAMED:
        return _named(facts, drift, name)
    return _OF_DRIFT[name](facts, drift)


def _drift(facts: Facts, drift: ColumnDrift) -> Value:
    current = facts.current
    if facts.known.layout.timed and current.untimed * 2 > current.rows:
        return "most rows have no event time, which the reference's thresholds need"
    return drift.problem if drift.score_ratio is None else drift.score_ratio


def _mean_change(facts: Facts, drift: ColumnDrift) -> Value:
    new, old = drift.current.mean, drift.reference.mean
    assert new is not None
    assert old is not None
    std = facts.known.reference.numeric[drift.name].std
    return abs(new - old) / max(std, MIN_STD)


def _named(facts: Facts, drift: ColumnDrift, name: str) -> Value:
    current, column = facts.current, drift.name
    own = current.numeric[column] if column in current.numeric else current.categorical[column]
    return named_score(name, facts.known.reference, column, own)


_OF_DRIFT: Final[Mapping[str, Callable[[Facts, ColumnDrift], Value]]] = {
    names.MAX_DRIFT: _drift,
    names.MAX_SCORE: lambda _, drift: drift.score if drift.score is not None else drift.problem,
    names.MAX_UNSEEN_SHARE: lambda _, drift: drift.quality.unseen_ratio,
    names.MAX_MEAN_CHANGE: _mean_change,
}


def _of_error(facts: Facts, name: str) -> Value:
    found = performance_of(facts.current)
    if found is None:
        return "no row has a prediction and a label within the target's limits"
    if name in {names.MAX_ERROR, names.MAX_RMSE_RATIO}:
        return _error_ratio(facts, name, found.rmse)
    return {
        names.MAX_RMSE: found.rmse, names.MAX_MAE: found.mae, names.MAX_BIAS: abs(found.bias),
    }[name]  # fmt: skip


def _error_ratio(facts: Facts, name: str, rmse: float) -> Value:
    error = facts.known.reference.error
    if error is None:
        return "the reference has no errors: it has no predictions, or no labels"
    if not error.rmse:
        return "the reference has no error at all, so none can be compared with it"
    if name == names.MAX_RMSE_RATIO:
        return rmse / error.rmse
    limit = limit_of(facts.known.reference, facts.current)
    if limit is None or limit.rmse is None:
        return "too few rows have a label to tell a large error from chance"
    return rmse / limit.rmse
