"""What the command does with its options, and with what was found."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from taxi_domain.errors import FieldError
from taxi_files.writing import write_whole
from taxi_report.check.document import json_of
from taxi_report.check.run import Checked
from taxi_report.collect.log_rows import LogQuery, where_of
from taxi_report.options import settings_of, span_of
from taxi_report.render.check_page import check_page_of
from taxi_report.render.numbers import number

#: Characters of a line where the output is no terminal: none is broken.
_WIDE: Final = 200


def query_of(span: tuple[str, str, str], where: str, model: str, zone: str) -> LogQuery:
    """Return a query of the log as options give it.

    Args:
        span: `--from`, `--to` and `--last`.
        where: `--where`.
        model: `--model`.
        zone: `--zone`.

    Raises:
        FieldError: one cannot be used.
    """
    filter_ = where_of(where)
    settings = settings_of(model, zone)
    found = span_of(*span, ZoneInfo(settings.time_zone), datetime.now(UTC))
    return LogQuery(settings.model, found, filter_)


def write(checked: Checked, json: Path | None, html: Path | None) -> None:
    """Write the document and the page of a check.

    Raises:
        FileWriteError: one could not be written.
    """
    if json is not None:
        write_whole(json, json_of(checked.document))
    if html is not None:
        write_whole(html, check_page_of(checked.document, checked.facts.drifts))


def tell(document: Mapping[str, Any]) -> None:
    """Print what was found."""
    console = Console(highlight=False, soft_wrap=True)
    if not console.is_terminal:
        console.width = _WIDE
    rows = document["rows"]
    said = [
        *document["problems"],
        *(f"{one['column']}: {one['rows']:,} rows refused: {one['reason']}"
          for one in rows["refusals"]),
    ]  # fmt: skip
    if rows["doubled_ids"]:
        examples = ", ".join(rows["doubled_examples"])
        said.append(f"{rows['doubled_ids']:,} rows have an id that came before, such as {examples}")
    for line in said:
        console.print(line, markup=False)
    table = Table("condition", "column", "state", box=None)
    table.add_column("value", justify="right")
    table.add_column("limit", justify="right")
    table.add_column("reason")
    for one in document["conditions"]:
        table.add_row(
            one["condition"], escape(one["column"] or ""), one["state"], number(one["value"]),
            number(one["limit"]), escape(one["reason"]), style="bold red" if one["failed"] else "",
        )  # fmt: skip
    console.print(table)
    compared = f"{rows['compared']:,} of {rows['read']:,} rows compared"
    console.print(f"{document['verdict']}: {compared}", markup=False)


def check_given(data: list[Path], log: Mapping[str, str]) -> None:
    """Check that either files or rows of the log were asked for.

    Raises:
        FieldError: neither or both were.
    """
    given = [name for name, value in log.items() if value]
    if data and given:
        raise FieldError(given[0], "is given beside --data", "check files, or rows of the log")
    if not data and not given:
        raise FieldError("--data", "is missing", "give files, or --last 24h for rows of the log")
