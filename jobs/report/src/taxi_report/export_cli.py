"""The command `taxi-report export`."""

import logging
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Final
from zoneinfo import ZoneInfo

import typer

from taxi_domain.errors import FieldError, TaxiError
from taxi_report.settings import Settings
from taxi_report.spans import length_of
from taxi_runtime.process import command
from taxi_runtime.settings import read
from taxi_store.connection import connect, database_of

if TYPE_CHECKING:
    from taxi_report.destination import Destination
    from taxi_report.export.manifest import Manifest

#: Before any record of any log; two days from the first year, so that no zone leads beyond it.
_EVER: Final = datetime(1, 1, 3, tzinfo=UTC)


class ExportError(TaxiError):
    """An export is not as its manifests say."""


def add_commands(app: typer.Typer) -> None:
    """Add the command to the tool."""
    app.command("export")(export)


def export(  # noqa: PLR0913, PLR0917 - one for each option
    destination: Annotated[
        str, typer.Argument(metavar="DEST", help="Folder, or a URL: s3://bucket/prefix.")
    ],
    model: Annotated[str, typer.Option(help="Name of the model; TAXI_MODEL by default.")] = "",
    start: Annotated[str, typer.Option("--from", help="First day; the log's by default.")] = "",
    end: Annotated[str, typer.Option("--to", help="Day after the last one.")] = "",
    closed_after: Annotated[
        str, typer.Option(help="How long after its end a day is closed: 24h, 7d.")
    ] = "24h",
    zone: Annotated[str, typer.Option(help="Time zone; TAXI_REPORT_TIME_ZONE by default.")] = "",
    again: Annotated[
        bool, typer.Option("--again", help="Write the days from --from on again, with new labels.")
    ] = False,
    verify: Annotated[
        bool, typer.Option("--verify", help="Only compare all files with their manifests.")
    ] = False,
) -> None:
    """Write closed days of the prediction log, with labels, as Parquet.

    Days that are complete are left as they are.
    """
    with command():
        # Arrow takes a second to import.
        from taxi_report.destination import Destination

        if verify:
            _verify(Destination(destination), model)
            return
        if again and not start:
            raise FieldError("--again", "is given without --from", "give the first day")
        given = {"TAXI_MODEL": model, "TAXI_REPORT_TIME_ZONE": zone}
        settings = read(Settings, {name: value for name, value in given.items() if value})
        _export(settings, destination, (start, end, closed_after), again=again)


def _export(
    settings: Settings, destination: str, days: tuple[str, str, str], *, again: bool
) -> None:
    from taxi_report.destination import Destination
    from taxi_report.export.days import Days, begin_of, last_closed
    from taxi_report.export.layout import read_day
    from taxi_report.export.run import Exporter

    start, end, closed_after = days
    zone = ZoneInfo(settings.time_zone)
    first = begin_of(read_day("--from", start), zone) if start else _EVER
    last = last_closed(datetime.now(UTC), length_of("--closed-after", closed_after), zone)
    if end:
        last = min(last, begin_of(read_day("--to", end), zone))
    # Their number and reasons are told at the end, not each document.
    logging.getLogger("taxi_store.log.malformed").setLevel(logging.ERROR)
    with connect(
        settings.mongodb_uri, app_name="taxi-report", timeout_seconds=settings.timeout_seconds
    ) as client:
        exporter = Exporter(
            database_of(client), settings.model, Destination(destination),
            patience_seconds=settings.patience_seconds,
        )  # fmt: skip
        _tell(exporter.export(Days(first, last, zone, again)))


def _tell(manifests: "Iterable[Manifest | None]") -> None:
    """Follow the export; say at its end what it wrote, and once for each thing what it left out."""
    days = there = rows = labelled = 0
    left_out: Counter[tuple[str, str]] = Counter()
    unread: Counter[tuple[str, str]] = Counter()
    unreadable: Counter[str] = Counter()
    for manifest in manifests:
        if manifest is None:
            there += 1
            continue
        days += 1
        rows += manifest.rows
        labelled += manifest.labelled
        unreadable.update(manifest.unreadable)
        for version, left in manifest.left_out.items():
            left_out[version, left.reason] += left.rows
        for version, own in manifest.versions.items():
            unread.update({(version, name): count for name, count in own.unread.items()})
    for (version, reason), count in left_out.items():
        typer.echo(f"version {version}: {count} rows left out: {reason}")
    for (version, name), count in unread.items():
        typer.echo(
            f"version {version}: {name}: {count} values are of another type, written as null"
        )
    for field, count in unreadable.items():
        typer.echo(f"{field}: {count} documents cannot be read and were left out")
    typer.echo(f"{days} days written ({rows} rows, {labelled} with a label); {there} were there")


def _verify(destination: "Destination", model: str) -> None:
    """Compare files with manifests.

    Raises:
        ExportError: something differs.
    """
    from taxi_report.export.layout import model_folder
    from taxi_report.export.verify import differences, models_of

    days = files = 0
    wrong: list[str] = []
    for folder in [model_folder(model)] if model else models_of(destination):
        for count, problems in differences(destination, folder):
            days += 1
            files += count
            wrong += problems
    for problem in wrong:
        typer.echo(problem)
    if wrong:
        raise ExportError(
            f"export: {len(wrong)} differences; write them with --from, --to and --again"
        )
    typer.echo(f"{files} files of {days} days are as their manifests say")
