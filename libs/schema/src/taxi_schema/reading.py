"""Reading a schema: TOML as a person writes it, canonical JSON as an artifact has it."""

import json
import tomllib
from pathlib import Path
from typing import Final

from taxi_schema.checks import check, check_columns
from taxi_schema.errors import SchemaError, shown
from taxi_schema.read_column import column_of
from taxi_schema.read_derived import derived_of
from taxi_schema.read_slices import slice_of
from taxi_schema.schema import DEFAULT_ID, REGRESSION, Fallback, Schema
from taxi_schema.table import MAX_UNIT, Table
from taxi_schema.target import DEFAULT_TIMEZONE, EventTime, Target

MAX_FILE_BYTES: Final = 1 << 20
_KEYS: Final = (
    "id", "event_time", "target", "title", "task", "columns", "derived", "slices", "fallback",
)  # fmt: skip
_TARGET: Final = (
    "name", "unit", "description", "minimum", "maximum", "label_minimum", "label_maximum",
)  # fmt: skip


def read_schema(path: Path) -> Schema:
    """Read a schema from a TOML file; files that it names stand beside it.

    Raises:
        SchemaError: it cannot be read or is not usable; the text names file or key.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise SchemaError(
            str(path), f"cannot be read ({error.strerror})", "give the path of a schema.toml"
        ) from error
    try:
        return schema_of_toml(data, path.parent)
    except SchemaError as error:
        raise SchemaError(f"{path}: {error.key}", error.problem, error.remedy) from error


def schema_of_toml(data: bytes, folder: Path | None = None) -> Schema:
    """Make a schema of TOML.

    Args:
        data: UTF-8.
        folder: Of the files that it names; None when it may name none.

    Raises:
        SchemaError: names the key, the problem and the remedy.
    """
    _check_size(data)
    try:
        document = tomllib.loads(data.decode())
    except (ValueError, RecursionError) as error:
        raise SchemaError("schema", f"is not TOML ({error})", "correct the file") from error
    return schema_of(document, folder)


def schema_of_json(data: bytes) -> Schema:
    """Make a schema of JSON, such as `Schema.to_json` gives.

    Raises:
        SchemaError: names the key, the problem and the remedy.
    """
    _check_size(data)
    try:
        document = json.loads(data.decode())
    except (ValueError, RecursionError) as error:
        raise SchemaError("schema", f"is not JSON ({error})", "pack the artifact again") from error
    return schema_of(document)


def schema_of(document: object, folder: Path | None = None) -> Schema:
    """Make a schema of a decoded document.

    Args:
        document: Tables as mappings, arrays as lists.
        folder: Of the files that it names; None when it may name none.

    Raises:
        SchemaError: names the key, the problem and the remedy.
    """
    table = Table(document, "", _KEYS)
    columns = tuple(
        column_of(value, f"columns[{index}]")
        for index, value in enumerate(table.array("columns", "tables"))
    )
    check_columns(columns)
    event_time = _event_time(table)
    derived = derived_of(table.value("derived"), columns, event_time is not None)
    sliced = {part.name: part for part in (*columns, *derived)}
    schema = Schema(
        id=table.name("id", "name the id") if "id" in table else DEFAULT_ID,
        event_time=event_time,
        target=_target(table),
        columns=columns,
        derived=derived,
        slices=tuple(
            slice_of(value, f"slices[{index}]", sliced, folder)
            for index, value in enumerate(table.array("slices", "tables"))
        ),
        fallback=_fallback(table),
        title=table.text("title"),
        task=_task(table),
    )
    check(schema)
    return schema


def _task(table: Table) -> str:
    task = table.text("task") if "task" in table else REGRESSION
    if task != REGRESSION:
        raise SchemaError("task", f"is {shown(task)}", f"{REGRESSION} is the only one; remove it")
    return task


def _event_time(table: Table) -> EventTime | None:
    if "event_time" not in table:
        return None
    time = Table(table.value("event_time"), "event_time", ("name", "timezone", "description"))
    return EventTime(
        name=time.name("name", "name the field of a request that has the time"),
        timezone=time.text("timezone") if "timezone" in time else DEFAULT_TIMEZONE,
        description=time.text("description"),
    )


def _target(table: Table) -> Target:
    table.required("target", 'add target = { name = "..." }: the number to predict')
    target = Table(table.value("target"), "target", _TARGET)
    limits = {
        name: None if (value := target.number(name)) is None else float(value) + 0.0
        for name in ("minimum", "maximum", "label_minimum", "label_maximum")
    }
    for label, answer in (("label_minimum", "minimum"), ("label_maximum", "maximum")):
        if limits[label] is None:
            limits[label] = limits[answer]
    return Target(
        name=target.name("name", "name the number to predict"),
        unit=target.text("unit", MAX_UNIT),
        description=target.text("description"),
        **limits,
    )


def _fallback(table: Table) -> Fallback:
    if "fallback" not in table:
        return Fallback()
    fallback = Table(table.value("fallback"), "fallback", ("monotonic",))
    if "monotonic" not in fallback:
        return Fallback()
    return Fallback(fallback.name("monotonic", "name a number that the answer rises with"))


def _check_size(data: bytes) -> None:
    if len(data) > MAX_FILE_BYTES:
        raise SchemaError(
            "schema",
            f"has {len(data)} bytes",
            f"shorten it to {MAX_FILE_BYTES}: group fewer values",
        )
