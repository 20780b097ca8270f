"""Reading the derived features of a schema's file."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from taxi_schema.column import Column, FeatureType, Kind, Role
from taxi_schema.derived import EVENT_TIME, MAX_CROSS_DIGITS, Cross, Derived, HourOf, WeekdayOf
from taxi_schema.errors import SchemaError, shown
from taxi_schema.names import check_name, nearest
from taxi_schema.table import Table, wrong_type

_FUNCTIONS: Final = ("cross", "hour_of", "weekday_of")


def derived_of(value: object, columns: Sequence[Column], timed: bool) -> tuple[Derived, ...]:
    """Make the derived features of their table, or of the array that JSON has.

    Args:
        value: What the file has; None when absent.
        columns: Of the schema.
        timed: Whether the schema has an event time.

    Raises:
        SchemaError: names the key, the problem and the remedy.
    """
    if value is None:
        return ()
    return tuple(_derived(name, table, columns, timed) for name, table in _named(value))


def _named(value: object) -> Iterable[tuple[str, Table]]:
    if isinstance(value, Mapping):
        for name, content in value.items():
            check_name(name if isinstance(name, str) else "", "derived")
            yield name, Table(content, f"derived.{name}", _FUNCTIONS)
    elif isinstance(value, list):
        for index, content in enumerate(value):
            table = Table(content, f"derived[{index}]", ("name", *_FUNCTIONS))
            name = table.name("name", "name the feature")
            table.key = f"derived.{name}"
            yield name, table
    else:
        raise wrong_type("derived", value, "a table")


def _derived(name: str, table: Table, columns: Sequence[Column], timed: bool) -> Derived:
    functions = [function for function in _FUNCTIONS if function in table]
    if len(functions) != 1:
        raise SchemaError(
            table.key, f"has {len(functions)} functions", f"give one of {', '.join(_FUNCTIONS)}"
        )
    (function,) = functions
    if function == "cross":
        return _cross(name, table, columns)
    if table.value(function) != EVENT_TIME:
        raise SchemaError(
            table.path(function), f"is {shown(table.value(function))}",
            f'write {function} = "{EVENT_TIME}", whatever its name is',
        )  # fmt: skip
    if not timed:
        raise SchemaError(
            table.path(function), "needs an event time", 'add event_time = { name = "..." }'
        )
    return HourOf(name) if function == "hour_of" else WeekdayOf(name)


def _cross(name: str, table: Table, columns: Sequence[Column]) -> Cross:
    key = table.path("cross")
    parts = table.array("cross", "names of columns")
    if len(parts) < 2:
        raise SchemaError(key, f"has {len(parts)} columns", "name at least two categories")
    by_name = {column.name: column for column in columns}
    chosen = []
    for index, part in enumerate(parts):
        column = known_column(part, by_name, f"{key}[{index}]")
        problem = ""
        if column.kind is Kind.NUMBER:
            problem = "is a number"
        elif column.role is Role.CONTEXT:
            problem = "is context, which the model never sees"
        elif column in chosen:
            problem = "is there twice"
        if problem:
            raise SchemaError(
                f"{key}[{index}]", f"{column.name} {problem}",
                "cross different categories or booleans that are inputs",
            )  # fmt: skip
        chosen.append(column)
    return Cross(name, tuple(parts), _digits(chosen))


def known_column(name: object, by_name: Mapping[str, Any], key: str) -> Any:
    """Return what has this name.

    Raises:
        SchemaError: nothing has.
    """
    if not isinstance(name, str):
        raise wrong_type(key, name, "the name of a column")
    if name not in by_name:
        remedy = nearest(name, by_name) if by_name else "add the column"
        raise SchemaError(key, f"{shown(name)} is no column", remedy)
    return by_name[name]


def _digits(columns: Sequence[Column]) -> tuple[int, ...]:
    """Return the digits of each part of an integer cross; empty when it has to be a string."""
    largest = [_largest(column) for column in columns]
    digits = tuple(len(str(value)) for value in largest if value is not None)
    fits = len(digits) == len(columns) and sum(digits) <= MAX_CROSS_DIGITS
    return digits if fits else ()


def _largest(column: Column) -> int | None:
    """Return the largest value of a part that is never negative; None when it has no bound."""
    if column.kind is Kind.BOOLEAN:
        return 1
    if column.type is not FeatureType.INTEGER:
        return None
    first, last = (column.values[0], column.values[-1]) if column.values else (
        column.minimum, column.maximum,
    )  # fmt: skip
    if first is None or last is None or int(first) < 0:
        return None
    return int(last)
