"""The command `taxi-report check`.

Exit codes: 0 all conditions are met, 3 some are not, 1 failed, 2 usage or settings.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from taxi_domain.errors import FieldError
from taxi_files.writing import write_whole
from taxi_report.check.document import json_of
from taxi_report.check.run import CheckRequest, Checked, ConditionsNotMetError
from taxi_report.check.run import check as made
from taxi_report.collect.log_rows import LogQuery, where_of
from taxi_report.options import opened, settings_of, span_of
from taxi_report.render.check_page import check_page_of
from taxi_report.render.numbers import number
from taxi_runtime.process import command

#: Not all conditions are met: the data was read, and a pipeline is to stop.
EXIT_NOT_MET: Final = 3
#: Characters of a line where the output is no terminal: none is broken.
_WIDE: Final = 200


def check(  # noqa: PLR0913, PLR0917 - one for each option
    reference: Annotated[
        str, typer.Option(help="Rows, an artifact (.tar), MODEL@champion, or a version.")
    ],
    data: Annotated[list[Path] | None, typer.Option(help="Rows: files or folders.")] = None,
    schema: Annotated[Path | None, typer.Option(help="The schema's TOML.")] = None,
    checks: Annotated[Path | None, typer.Option(help="Conditions, TOML.")] = None,
    json: Annotated[Path | None, typer.Option("--json", help="File of the document.")] = None,
    html: Annotated[Path | None, typer.Option("--html", help="File of the page.")] = None,
    prediction: Annotated[
        str, typer.Option("--prediction-column", help="Column of the model's answers.")
    ] = "prediction",
    model: Annotated[str, typer.Option(help="Model of the log; TAXI_MODEL by default.")] = "",
    start: Annotated[str, typer.Option("--from", help="Of the log: 2021-03-01T08:30.")] = "",
    end: Annotated[str, typer.Option("--to", help="Of the log; now by default.")] = "",
    last: Annotated[str, typer.Option("--last", help="Of the log: 24h, 7d, 2w or 90m.")] = "",
    where: Annotated[str, typer.Option(help="Of the log: a filter of MongoDB, JSON.")] = "",
    zone: Annotated[str, typer.Option(help="Time zone; TAXI_REPORT_TIME_ZONE by default.")] = "",
) -> None:
    """Check rows of files or of the log against a reference; exit 3 when conditions are not met."""
    with command({ConditionsNotMetError: EXIT_NOT_MET}):
        log = {"--from": start, "--to": end, "--last": last, "--where": where}
        _check_given(data or [], log)
        request = CheckRequest(
            reference=reference,
            data=tuple(data) if data else query_of((start, end, last), where, model, zone),
            schema=schema,
            checks=checks,
            prediction=prediction,
            opened=lambda: opened(settings_of(model)),
        )
        checked = made(request)
        write(checked, json, html)
        tell(checked.document)
        checked.raise_for_conditions()


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


def _check_given(data: list[Path], log: Mapping[str, str]) -> None:
    given = [name for name, value in log.items() if value]
    if data and given:
        raise FieldError(given[0], "is given beside --data", "check files, or rows of the log")
    if not data and not given:
        raise FieldError("--data", "is missing", "give files, or --last 24h for rows of the log")
