"""Reading one column of a schema's file."""

from typing import Any, Final

from taxi_schema.column import (
    DEFAULT_MAX_CATEGORIES,
    MAX_INTEGER,
    MAX_MEASURED_INTEGER,
    MAX_TEXT,
    MIN_INTEGER,
    Column,
    Drift,
    FeatureType,
    Kind,
    Role,
    default_drift,
    default_type,
)
from taxi_schema.errors import SchemaError, number_text, shown
from taxi_schema.names import is_category
from taxi_schema.table import MAX_UNIT, Table

MAX_CATEGORIES: Final = 100_000
_KEYS: Final = (
    "name", "kind", "type", "unit", "description", "minimum", "maximum", "values", "nullable",
    "role", "drift", "max_categories",
)  # fmt: skip
_LIMITS: Final = ("minimum", "maximum")


def column_of(value: object, key: str) -> Column:
    """Make a column of its table.

    Args:
        value: What the file has.
        key: Its path, until its name is known.

    Raises:
        SchemaError: names the key, the problem and the remedy.
    """
    table = Table(value, key, _KEYS)
    name = table.name("name", "name the field of a request that has the value")
    table.key = f"columns.{name}"
    kind = table.choice("kind", Kind, None)
    values = table.array("values", "integers or strings")
    type_ = _type(table, kind, values)
    role = table.choice("role", Role, Role.INPUT)
    minimum, maximum = _limits(table, type_)
    column = Column(
        name=name,
        kind=kind,
        type=type_,
        unit=table.text("unit", MAX_UNIT),
        description=table.text("description"),
        minimum=minimum,
        maximum=maximum,
        values=_closed(table, type_, values),
        nullable=table.flag("nullable"),
        role=role,
        drift=table.choice("drift", Drift, default_drift(role)),
        max_categories=_max_categories(table, kind),
    )
    _check_measured(table, column)
    if len(column.values) > column.max_categories:
        raise SchemaError(
            table.path("values"), f"has {len(column.values)}, more than max_categories",
            "raise max_categories, or leave the category open",
        )  # fmt: skip
    return column


def _check_measured(table: Table, column: Column) -> None:
    """Refuse integers whose drift could not be told apart."""
    if column.type is not FeatureType.INTEGER or column.drift is Drift.IGNORED:
        return
    given = [(name, table.value(name)) for name in _LIMITS if name in table]
    for name, value in [*given, *(("values", value) for value in column.values)]:
        if abs(value) > MAX_MEASURED_INTEGER:
            raise SchemaError(
                table.path(name), f"has {number_text(value)}, beyond 2^53: drift scores would take "
                "such integers for the same",
                'send strings (type = "string"), or give drift = "ignored"',
            )  # fmt: skip


def _type(table: Table, kind: Kind, values: list[Any]) -> FeatureType:
    """Return the column's type after checking which keys suit its kind."""
    if kind is not Kind.CATEGORY:
        _refuse(table, ("type", "values", "max_categories"), f"is not of a {kind}")
    if kind is Kind.BOOLEAN:
        _refuse(table, (*_LIMITS, "unit"), "is not of a boolean")
    if "values" in table:
        _refuse(table, _LIMITS, "and values exclude each other")
    type_ = default_type(kind, any(name in table for name in _LIMITS), values)
    if "type" in table:
        type_ = FeatureType(table.choice("type", FeatureType, None))
        if type_ is FeatureType.FLOAT:
            raise SchemaError(
                table.path("type"), "is 'float', which no category has",
                'use one of integer, string, or kind = "number"',
            )  # fmt: skip
    if type_ is FeatureType.STRING:
        _refuse(table, _LIMITS, "is not of a category of strings")
    return type_


def _refuse(table: Table, names: tuple[str, ...], problem: str) -> None:
    for name in names:
        if name in table:
            raise SchemaError(table.path(name), problem, f"remove {name}")


def _limits(table: Table, type_: FeatureType) -> tuple[float | None, float | None]:
    minimum, maximum = (_limit(table, name, type_) for name in _LIMITS)
    if minimum is not None and maximum is not None and minimum > maximum:
        raise SchemaError(
            table.path("minimum"),
            f"is {number_text(minimum)}, more than maximum {number_text(maximum)}",
            "exchange them, or remove one",
        )  # fmt: skip
    return minimum, maximum


def _limit(table: Table, name: str, type_: FeatureType) -> float | int | None:
    limit = table.number(name)
    if limit is None or type_ is FeatureType.FLOAT:
        # A negative zero would be another text for the same limit.
        return None if limit is None else float(limit) + 0.0
    if not float(limit).is_integer() or not MIN_INTEGER <= limit <= MAX_INTEGER:
        raise SchemaError(
            table.path(name), f"is {shown(limit)}, not an integer of 64 bits",
            'give an integer, or use kind = "number"',
        )  # fmt: skip
    return int(limit)


def _closed(table: Table, type_: FeatureType, values: list[Any]) -> tuple[int | str, ...]:
    """Return the values of a closed category, ascending."""
    if "values" not in table:
        return ()
    if not values:
        raise SchemaError(table.path("values"), "is empty", "list the values, or remove it")
    for index, value in enumerate(values):
        key = f"{table.path('values')}[{index}]"
        if type(value) is not (int if type_ is FeatureType.INTEGER else str):
            raise SchemaError(
                key, f"is {shown(value)}, not {article(type_)}",
                "give integers only, or strings only",
            )  # fmt: skip
        check_category(value, key)
        if value in values[:index]:
            raise SchemaError(key, f"is {shown(value)}, which is there twice", "remove one")
    return tuple(sorted(values))


def check_category(value: int | str, key: str) -> None:
    """Check a value that a schema gives a category.

    Raises:
        SchemaError: no request could have it.
    """
    if isinstance(value, str) and not is_category(value):
        raise SchemaError(
            key, f"is {shown(value)}", f"give 1 to {MAX_TEXT} characters, none a control character"
        )
    if isinstance(value, int) and not MIN_INTEGER <= value <= MAX_INTEGER:
        raise SchemaError(key, f"is {shown(value)}", "give an integer of 64 bits")


def article(type_: FeatureType) -> str:
    """Return the type with its article."""
    return f"an {type_}" if type_ is FeatureType.INTEGER else f"a {type_}"


def _max_categories(table: Table, kind: Kind) -> int:
    number = table.value("max_categories") if "max_categories" in table else DEFAULT_MAX_CATEGORIES
    if type(number) is not int or not 1 <= number <= MAX_CATEGORIES:
        raise SchemaError(
            table.path("max_categories"), f"is {shown(number)}",
            f"give an integer from 1 to {MAX_CATEGORIES}",
        )  # fmt: skip
    return number
