"""The commands `taxi-data delete`, `correct-label` and `audit`."""

import json
import logging
from dataclasses import asdict
from datetime import UTC, datetime
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import typer
from pymongo.database import Database

from taxi_domain.errors import TaxiError
from taxi_domain.records import Label
from taxi_report.champion import champions_schema
from taxi_report.data.noting import By, Reason
from taxi_report.data.selection import Given, Selection, selection_of
from taxi_report.options import opened, settings_of
from taxi_report.settings import Settings
from taxi_runtime.patience import patiently
from taxi_runtime.process import command
from taxi_schema.labels import LabelParser
from taxi_store.admin.audit import MAX_LISTED, Action, AuditEntry, digest_of_ids, entries
from taxi_store.admin.noting import Asked, noted
from taxi_store.connection import Document
from taxi_store.log.corrections import correct_labels
from taxi_store.log.deletion import (
    Removal,
    removal_of,
    remove_reports,
    remove_rows,
    reports_over,
)

Model = Annotated[str, typer.Option(help="Name of the model; TAXI_MODEL by default.")]

_KEPT = (
    "What still knows of them: the monitor's windows, until as many newer rows came or its pod is "
    "started anew; backups, exports and files made before; records that a predictor has yet to send"
)

logger = logging.getLogger("taxi_data")


class NoLabelError(TaxiError):
    """There is no label to correct."""


class Output(StrEnum):
    """How a list is printed."""

    TEXT = "text"
    JSON = "json"


def add_commands(app: typer.Typer) -> None:
    """Add the commands to the tool."""
    app.command()(delete)
    # A negative value is a value.
    app.command("correct-label", context_settings={"ignore_unknown_options": True})(correct)
    app.command()(audit)


def delete(  # noqa: PLR0913, PLR0917 - one for each option
    ids: Annotated[list[str] | None, typer.Option("--id", help="Id of a row; repeatable.")] = None,
    ids_file: Annotated[Path | None, typer.Option(help="Text file, an id in each line.")] = None,
    before: Annotated[str, typer.Option(help="Rows answered before this local time.")] = "",
    start: Annotated[str, typer.Option("--from", help="Rows answered from this time on ...")] = "",
    end: Annotated[str, typer.Option("--to", help="... and before this one.")] = "",
    reports: Annotated[
        bool, typer.Option("--reports", help="Also the reports of a time with such rows.")
    ] = False,
    model: Model = "",
    zone: Annotated[str, typer.Option(help="Time zone; TAXI_REPORT_TIME_ZONE by default.")] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Do it; else it is only told.")] = False,
    by: By = "",
    reason: Reason = "",
) -> None:
    """Delete rows of the log with their labels, by id or by answer time."""
    with command():
        asked = Asked(by, reason) if yes else None
        settings = settings_of(model, zone)
        given = Given(tuple(ids or ()), ids_file, before, start, end)
        selection = selection_of(given, settings.model, ZoneInfo(settings.time_zone))
        with opened(settings) as database:
            planned = Removal()
            for piece in selection.pieces(database):
                planned.add(removal_of(database, piece))
            over = _reports(database, settings.model, planned)
            _tell_reports(over, removed=reports)
            if asked is None:
                typer.echo(
                    f"{_told(planned)} would be deleted; do it with --yes, --by and --reason"
                )
                return
            _delete(database, settings, selection, over if reports else [], asked)


def correct(
    row_id: Annotated[str, typer.Argument(metavar="ID", help="Id of the row.")],
    value: Annotated[float, typer.Argument(help="The right label, in the target's unit.")],
    model: Model = "",
    by: By = "",
    reason: Reason = "",
) -> None:
    """Give a row's label another value; it keeps the ones before."""
    with command():
        asked = Asked(by, reason)
        settings = settings_of(model)
        with opened(settings) as database:
            schema = champions_schema(database, settings.model)
            parsed = LabelParser(schema).parse({schema.id: row_id, schema.target.name: value})
            now = datetime.now(UTC)
            what = {"model": settings.model, "ids": 1, "ids_sha256": digest_of_ids([parsed.id])}
            with noted(database, Action.CORRECT_LABEL, asked, what) as outcome:
                label = Label(parsed.id, parsed.value, now)
                done = correct_labels(database, [label], now, asked.by)
                outcome.counts["labels"] = len(done.changed)
        if done.unknown:
            raise NoLabelError(f"{row_id}: has no label; post it to the monitor, or load a file")
        if done.same:
            typer.echo(f"{row_id}: its label is {parsed.value} already")
            return
        typer.echo(
            f"{row_id}: its label is {parsed.value}; training, gate and reports read it, and the "
            "monitor's windows when its pod is started anew"
        )


def audit(
    limit: Annotated[int, typer.Option(min=1, max=MAX_LISTED, help="Newest entries.")] = 20,
    output: Annotated[Output, typer.Option(help="How they are printed.")] = Output.TEXT,
) -> None:
    """List what was done to the data, newest first."""
    with command():
        settings = settings_of()
        with opened(settings) as database:
            found = entries(database, limit)
        if output is Output.JSON:
            typer.echo(json.dumps([asdict(one) for one in found], indent=1, default=str))
            return
        for one in found:
            typer.echo(_line(one))


def _delete(
    database: Database[Document],
    settings: Settings,
    selection: Selection,
    report_ids: list[str],
    asked: Asked,
) -> None:
    done = Removal()
    what = {**selection.told(), "reports": len(report_ids)}
    with noted(database, Action.DELETE, asked, what) as outcome:
        for piece in selection.pieces(database):
            removed = patiently(settings.patience_seconds, partial(remove_rows, database, piece))
            done.add(removed)
            logger.info("%s so far", _told(done))
            outcome.counts |= {"predictions": done.rows, "labels": done.labels}
        if report_ids:
            outcome.counts["reports"] = remove_reports(database, report_ids)
    typer.echo(f"{_told(done)} deleted")
    typer.echo(_KEPT)


def _reports(database: Database[Document], model: str, removal: Removal) -> list[str]:
    if removal.first is None or removal.last is None:
        return []
    return reports_over(database, model, removal.first, removal.last)


def _tell_reports(report_ids: list[str], *, removed: bool) -> None:
    if not report_ids:
        return
    named = ", ".join(report_ids[:5]) + (", ..." if len(report_ids) > 5 else "")
    remedy = "" if removed else "; --reports deletes them, too"
    typer.echo(
        f"reports of this time, which may show such rows as examples: {len(report_ids)} ({named})"
        f"{remedy}"
    )


def _told(removal: Removal) -> str:
    span = ""
    if removal.first is not None and removal.last is not None:
        first, last = (f"{one:%Y-%m-%dT%H:%M:%SZ}" for one in (removal.first, removal.last))
        span = f" (answered {first} to {last})"
    return f"{removal.rows} rows{span} and {removal.labels} labels"


def _line(entry: AuditEntry) -> str:
    what = ", ".join(f"{name} {value}" for name, value in entry.what.items())
    counts = ", ".join(f"{count} {name}" for name, count in entry.counts.items())
    parts = [
        f"{entry.at:%Y-%m-%dT%H:%M:%SZ}  {entry.action} {entry.stage}  by {entry.by} "
        f"({entry.user or 'no user'}): {entry.reason}",
        f"{what}{': ' if counts else ''}{counts}",
    ]
    for name, values in (("before", entry.before), ("after", entry.after)):
        if values:
            parts.append(f"{name} {json.dumps(values, default=str)}")
    if entry.problem:
        parts.append(entry.problem)
    return "; ".join(filter(None, parts))
