"""What the parts of a schema must be to each other."""

from collections.abc import Iterable, Sequence
from zoneinfo import ZoneInfo, available_timezones

from taxi_schema.column import Column, Kind, Role
from taxi_schema.errors import SchemaError, number_text, shown
from taxi_schema.names import (
    RESERVED_IN_ANSWERS,
    check_distinct,
    check_not_reserved,
    nearest,
)
from taxi_schema.schema import MAX_COLUMNS, MAX_DERIVED, MAX_SLICES, Schema
from taxi_schema.target import MAX_LABEL, EventTime, Target


def check_columns(columns: Sequence[Column]) -> None:
    """Check the columns alone, before other parts of the schema name them.

    Raises:
        SchemaError: names the key, the problem and the remedy.
    """
    if len(columns) > MAX_COLUMNS:
        raise _too_many("columns", len(columns), MAX_COLUMNS)
    check_distinct((f"columns[{index}].name", part.name) for index, part in enumerate(columns))
    if not any(column.role is Role.INPUT for column in columns):
        raise SchemaError(
            "columns", "has no input of the model", 'add [[columns]] without role = "context"'
        )


def check(schema: Schema) -> None:
    """Check a whole schema, whose columns have been checked.

    Raises:
        SchemaError: names the key, the problem and the remedy.
    """
    _check_counts(schema)
    _check_names(schema)
    if schema.event_time is not None:
        _check_zone(schema.event_time)
    _check_target(schema.target)
    _check_fallback(schema)


def _check_counts(schema: Schema) -> None:
    parts = (
        ("derived", schema.derived, MAX_DERIVED),
        ("slices", schema.slices, MAX_SLICES),
    )
    for key, content, most in parts:
        if len(content) > most:
            raise _too_many(key, len(content), most)


def _too_many(key: str, count: int, most: int) -> SchemaError:
    return SchemaError(key, f"are {count}, more than {most}", "remove some")


def _named(schema: Schema) -> Iterable[tuple[str, str]]:
    """Yield key and name of all that a request, an answer or a graph names."""
    yield "id", schema.id
    if schema.event_time is not None:
        yield "event_time.name", schema.event_time.name
    yield "target.name", schema.target.name
    for index, column in enumerate(schema.columns):
        yield f"columns[{index}].name", column.name
    for derived in schema.derived:
        yield f"derived.{derived.name}", derived.name


def _check_names(schema: Schema) -> None:
    named = list(_named(schema))
    check_distinct(named)
    check_distinct((f"slices[{index}].name", part.name) for index, part in enumerate(schema.slices))
    for key, name in named:
        if key == "event_time.name" and name == "event_time":
            continue
        answered = key in {"id", "target.name"}
        check_not_reserved(name, key, RESERVED_IN_ANSWERS if answered else ())


def _check_zone(time: EventTime) -> None:
    try:
        ZoneInfo(time.timezone)
    except (KeyError, ValueError, OSError):
        raise SchemaError(
            "event_time.timezone", f"{shown(time.timezone)} is no time zone",
            _zone_remedy(time.timezone),
        ) from None  # fmt: skip


def _zone_remedy(name: str) -> str:
    zones = available_timezones()
    if not zones:
        return "install tzdata: no time zone is known here"
    remedy = nearest(name, zones)
    return remedy if remedy.startswith("did") else "use a key of the IANA database such as UTC"


def _check_target(target: Target) -> None:
    for name in ("minimum", "maximum", "label_minimum", "label_maximum"):
        limit = getattr(target, name)
        if limit is not None and abs(limit) > MAX_LABEL:
            raise SchemaError(
                f"target.{name}", f"is {number_text(limit)}, beyond {number_text(MAX_LABEL)}",
                "give one that is closer to zero, or another unit",
            )  # fmt: skip
    _check_order("minimum", target.minimum, "maximum", target.maximum)
    _check_order("label_minimum", target.label_minimum, "label_maximum", target.label_maximum)
    low, label_low = target.minimum, target.label_minimum
    high, label_high = target.maximum, target.label_maximum
    if label_low is not None and (low is None or label_low > low):
        raise _narrow("label_minimum", "minimum", label_low)
    if label_high is not None and (high is None or label_high < high):
        raise _narrow("label_maximum", "maximum", label_high)


def _check_order(low_name: str, low: float | None, high_name: str, high: float | None) -> None:
    if low is not None and high is not None and low > high:
        raise SchemaError(
            f"target.{low_name}",
            f"is {number_text(low)}, more than {high_name} {number_text(high)}",
            "exchange them, or remove one",
        )


def _narrow(label: str, answer: str, limit: float) -> SchemaError:
    return SchemaError(
        f"target.{label}", f"is {number_text(limit)}, narrower than {answer} of the answers",
        f"give {answer} = {number_text(limit)}, or widen {label}",
    )  # fmt: skip


def _check_fallback(schema: Schema) -> None:
    name = schema.fallback.monotonic
    if name is None:
        return
    numbers = [column.name for column in schema.inputs if column.kind is Kind.NUMBER]
    if name not in numbers:
        raise SchemaError(
            "fallback.monotonic", f"{shown(name)} is not a number that is an input",
            nearest(name, numbers) if numbers else "remove it: the median alone is used",
        )  # fmt: skip
