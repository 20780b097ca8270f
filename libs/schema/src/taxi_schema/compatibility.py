"""Whether clients of one schema can go on with another."""

from collections.abc import Iterable

from taxi_schema.column import Column, Drift, FeatureType
from taxi_schema.refusals import limits_text
from taxi_schema.schema import Schema
from taxi_schema.target import EventTime, Target


def changes(old: Schema, new: Schema) -> tuple[str, ...]:
    """Say what clients of the old schema would notice with the new one; empty when nothing.

    A body or label that the old schema accepts must be accepted by the new one and mean the
    same. So narrower limits are a change; wider ones, a column that went (its field is then
    kept as undeclared) and a new nullable column are none. This is about fields that the old
    schema declares: one that clients sent undeclared and that is a column now is refused where
    it does not suit the column's type and limits.
    """
    return (
        *_other("id", old.id, new.id),
        *_event_time_changes(old.event_time, new.event_time),
        *_target_changes(old.target, new.target),
        *_columns_changes(old, new),
    )


def newly_refused(before: Schema | None, after: Schema, staying: Schema) -> tuple[str, ...]:
    """Say why a schema that stays refuses rows of another one, or reads them in another way.

    Args:
        before: What rows suited until now; what the one that stays says of these is left out.
        after: What they suit from now on: without a column that is required there, for example.
        staying: Of the fallback, say.
    """
    known = set() if before is None else set(_columns_changes(before, staying))
    return tuple(text for text in _columns_changes(after, staying) if text not in known)


def meanings(old: Schema, new: Schema) -> tuple[str, ...]:
    """Say what rows and labels of the old schema mean that the new one takes for something else.

    They cannot train or judge a model of the new schema, whatever their values are.
    """
    before = {column.name: column for column in old.columns}
    return (
        *_other("target", old.target.name, new.target.name),
        *_other("target's unit", old.target.unit, new.target.unit),
        # A time that one of the schemas does not have is missing, and taken for nothing else.
        *(
            _event_time_changes(old.event_time, new.event_time)
            if old.event_time and new.event_time else ()
        ),
        *(
            change
            for column in new.columns
            if column.name in before
            for change in _other(f"{column.name}'s unit", before[column.name].unit, column.unit)
        ),
    )  # fmt: skip


def _other(what: str, old: object, new: object) -> Iterable[str]:
    if old != new:
        yield f"{what} is {new or 'none'}, was {old or 'none'}"


def _event_time_changes(old: EventTime | None, new: EventTime | None) -> Iterable[str]:
    yield from _other("event_time", old and old.name, new and new.name)
    if old is not None and new is not None:
        yield from _other("event_time's timezone", old.timezone, new.timezone)


def _target_changes(old: Target, new: Target) -> Iterable[str]:
    yield from _other("target", old.name, new.name)
    if old.name != new.name:
        return
    yield from _other("target's unit", old.unit, new.unit)
    before, after = _label_limits(old), _label_limits(new)
    if _is_narrower(before, after):
        yield f"labels are{_limits(after)}, were{_limits(before)}"


def _columns_changes(old: Schema, new: Schema) -> Iterable[str]:
    before = {column.name: column for column in old.columns}
    for column in new.columns:
        was = before.get(column.name)
        if not column.nullable and (was is None or was.nullable):
            yield f"{column.name} is required, was {'absent' if was is None else 'nullable'}"
        if was is not None:
            yield from _column_changes(was, column)


def _column_changes(old: Column, new: Column) -> Iterable[str]:
    if (old.kind, old.type) != (new.kind, new.type):
        yield f"{new.name} is {_what(new)}, was {_what(old)}"
        return
    yield from _other(f"{new.name}'s unit", old.unit, new.unit)
    # A closed category is as narrow as its values, whatever the other one has.
    if new.values:
        if not old.values:
            yield f"{new.name} is closed, was open"
        elif gone := set(old.values) - set(new.values):
            yield f"{new.name} no longer has {', '.join(sorted(map(str, gone)))}"
        return
    before, after = _column_limits(old), _column_limits(new)
    if _is_narrower(before, after):
        yield f"{new.name} is{_limits(after)}, was{_limits(before)}"


Limits = tuple[float | None, float | None]


def _label_limits(target: Target) -> Limits:
    return target.label_minimum, target.label_maximum


def _column_limits(column: Column) -> Limits:
    ends = column.values
    if ends and column.type is FeatureType.INTEGER:
        return int(ends[0]), int(ends[-1])
    if column.type is FeatureType.INTEGER and column.drift is not Drift.IGNORED:
        return column.low, column.high  # open ones have limits too
    return column.minimum, column.maximum


def _is_narrower(old: Limits, new: Limits) -> bool:
    (old_low, old_high), (low, high) = old, new
    return (low is not None and (old_low is None or low > old_low)) or (
        high is not None and (old_high is None or high < old_high)
    )


def _limits(limits: Limits) -> str:
    return limits_text(*limits) or " without limits"


def _what(column: Column) -> str:
    return f"a {column.kind} ({column.type})"
