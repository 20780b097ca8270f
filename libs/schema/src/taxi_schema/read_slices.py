"""Reading the slices of a schema's file, and the files of groups that it names."""

import csv
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from taxi_schema.column import Column, Drift, FeatureType, Kind
from taxi_schema.derived import Cross, Derived
from taxi_schema.errors import SchemaError, shown
from taxi_schema.fitting import fit
from taxi_schema.names import check_name
from taxi_schema.read_derived import known_column
from taxi_schema.slices import Bands, Groups, Slice
from taxi_schema.table import Table, finite, wrong_type

#: Values of one slice, and its bounds.
MAX_GROUPED: Final = 10_000
MAX_BOUNDS: Final = 64
_KEYS: Final = ("name", "column", "groups", "bands")
_INTEGER: Final = re.compile(r"-?[0-9]{1,19}")
_BOOLEANS: Final = {"true": True, "false": False}


def slice_of(
    value: object, key: str, sliced: Mapping[str, Column | Derived], folder: Path | None
) -> Slice:
    """Make a slice of its table.

    Args:
        value: What the file has.
        key: Its path, until its name is known.
        sliced: Columns and derived features by name.
        folder: Of the schema's file; None when groups have to stand inline.

    Raises:
        SchemaError: names the key, the problem and the remedy.
    """
    table = Table(value, key, _KEYS)
    name = table.name("name", "name the slice")
    table.key = f"slices.{name}"
    if "=" in name:
        raise SchemaError(f"{key}.name", f"{shown(name)} has =", "use letters, digits and _")
    table.required("column", "name the column whose values it groups")
    column = known_column(table.value("column"), sliced, table.path("column"))
    if isinstance(column, Column) and column.drift is Drift.IGNORED:
        raise SchemaError(
            table.path("column"), f"{column.name} is ignored", 'give it drift = "shown"'
        )
    if ("groups" in table) == ("bands" in table):
        count = "both groups and bands" if "groups" in table else "neither groups nor bands"
        raise SchemaError(table.key, f"has {count}", "give one of them")
    if "bands" in table:
        return Bands(name, column.name, _bounds(table, column))
    return Groups(name, column.name, _groups(table, column, folder))


def _bounds(table: Table, column: Column | Derived) -> tuple[float, ...]:
    key = table.path("bands")
    number = column.kind is Kind.NUMBER if isinstance(column, Column) else True
    if not number or isinstance(column, Cross):
        raise SchemaError(key, f"{column.name} is a category", "use groups, or a number's column")
    bounds = [
        float(finite(bound, f"{key}[{index}]")) + 0.0
        for index, bound in enumerate(table.array("bands", "numbers"))
    ]
    if not 1 <= len(bounds) <= MAX_BOUNDS:
        raise SchemaError(key, f"has {len(bounds)} bounds", f"give 1 to {MAX_BOUNDS}")
    for index in range(1, len(bounds)):
        if bounds[index] <= bounds[index - 1]:
            raise SchemaError(f"{key}[{index}]", "is not above the one before", "sort the bounds")
    return tuple(bounds)


def _groups(
    table: Table, column: Column | Derived, folder: Path | None
) -> tuple[tuple[str, tuple[int | str | bool, ...]], ...]:
    key = table.path("groups")
    if not isinstance(column, Column) or column.kind is Kind.NUMBER:
        raise SchemaError(key, f"{column.name} is not a category", "use bands")
    content = table.value("groups")
    if isinstance(content, str):
        pairs = _of_file(content, key, column, folder)
    elif isinstance(content, Mapping):
        pairs = _inline(content, key)
    else:
        raise wrong_type(key, content, "a table of groups, or the name of a CSV file")
    groups: dict[str, list[Any]] = {}
    where: dict[object, str] = {}
    for group, value, path in pairs:
        check_name(group, path)
        taken = check_grouped(value, column, path)
        if taken in where:
            raise SchemaError(
                path, f"{shown(taken)} is in {where[taken]} already",
                "put it in one group; groups that overlap are slices of their own",
            )  # fmt: skip
        if len(where) >= MAX_GROUPED:
            raise SchemaError(key, f"has more than {MAX_GROUPED} values", "group fewer values")
        where[taken] = group
        groups.setdefault(group, []).append(taken)
    if not groups:
        raise SchemaError(key, "has no group", 'give groups such as { night = ["a", "b"] }')
    return tuple((group, tuple(sorted(groups[group]))) for group in sorted(groups))


def check_grouped(value: object, column: Column, path: str) -> int | str | bool:
    """Return the value as rows have it.

    Raises:
        SchemaError: a request could not have it.
    """
    fitted, reason = fit(column, value)
    if reason is not None or fitted is None or isinstance(fitted, float):
        raise SchemaError(
            path, f"{shown(value)} is refused by {column.name} ({reason or 'missing'})",
            "group values that requests can have",
        )  # fmt: skip
    return fitted


def _inline(content: Mapping[Any, Any], key: str) -> Iterable[tuple[str, Any, str]]:
    for group, values in content.items():
        check_name(group if isinstance(group, str) else "", key)
        if not isinstance(values, list):
            raise wrong_type(f"{key}.{group}", values, "an array of values")
        if not values:
            raise SchemaError(f"{key}.{group}", "is empty", "list its values, or remove it")
        for index, value in enumerate(values):
            yield group, value, f"{key}.{group}[{index}]"


def _of_file(
    name: str, key: str, column: Column, folder: Path | None
) -> Iterable[tuple[str, Any, str]]:
    """Yield the rows of a CSV file with a header and two columns: value and group."""
    for line, row in enumerate(_rows(name, key, folder), start=1):
        if line == 1:
            continue
        path = f"{key} ({name} line {line})"
        if len(row) != 2:
            raise SchemaError(path, f"has {len(row)} columns", "give two: value, group")
        yield row[1], _value_of(row[0], column, path), path


def _rows(name: str, key: str, folder: Path | None) -> list[list[str]]:
    if folder is None:
        raise SchemaError(
            key, "names a file, which is not at hand here", "write the groups as a table"
        )
    if Path(name).is_absolute() or ".." in Path(name).parts or "\0" in name:
        raise SchemaError(
            key, f"{shown(name)} is outside of the schema's folder", "put the file beside it"
        )
    try:
        with (folder / name).open(encoding="utf-8-sig", newline="") as file:
            return [row for row in csv.reader(file, strict=True) if row]
    except OSError as error:
        raise SchemaError(
            key,
            f"{shown(name)} cannot be read ({error.strerror})",
            "put the file beside the schema",
        ) from error
    except (ValueError, csv.Error) as error:
        raise SchemaError(key, f"{shown(name)} is not CSV ({error})", "save it as UTF-8") from error


def _value_of(text: str, column: Column, path: str) -> int | str | bool:
    if column.kind is Kind.BOOLEAN and text in _BOOLEANS:
        return _BOOLEANS[text]
    if column.type is FeatureType.STRING:
        return text
    if not _INTEGER.fullmatch(text):
        raise SchemaError(
            path, f"{shown(text)} is no value of {column.name}", "write the value as requests do"
        )
    return int(text)
