"""How results of `taxi-models` are printed."""

import json
import math
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import typer


class Output(StrEnum):
    """How results are printed."""

    TABLE = "table"
    JSON = "json"


def print_found(found: Any, output: Output) -> None:
    """Print what was found: rows as a table, or anything as JSON."""
    if output is Output.JSON:
        typer.echo(json_text(found))
        return
    rows = [{name: str(value) for name, value in row.items()} for row in found]
    if not rows:
        typer.echo("nothing")
        return
    names = list(rows[0])
    widths = {name: max(len(name), *(len(row[name]) for row in rows)) for name in names}
    for row in ({name: name.upper() for name in names}, *rows):
        typer.echo("  ".join(row[name].ljust(widths[name]) for name in names).rstrip())


def json_text(found: Any) -> str:
    """Return what was found as JSON; a number that is not finite, which JSON has not, is null."""
    return json.dumps(_plain(found), indent=1, default=str, allow_nan=False)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _plain(member) for name, member in value.items()}
    if isinstance(value, list):
        return [_plain(member) for member in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
