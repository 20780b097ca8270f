"""Command line of batch reports.

Exit codes: 0 the report was made (what is missing stands in it), 1 failed, 2 usage or settings.
"""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

from taxi_domain.errors import TaxiError
from taxi_domain.reports import RunState
from taxi_report import export_cli
from taxi_report.check_cli import check
from taxi_report.copies import CopyError, write_copy
from taxi_report.ending import endable
from taxi_report.options import opened, settings_of, span_of
from taxi_report.request import Progress, Request
from taxi_report.results import Rendered, Runner, Stored
from taxi_report.settings import Settings
from taxi_report.subject import Subject
from taxi_store.reports.report_runs import StartedRun, begin_run, end_run
from taxi_store.reports.reports import MAX_LISTED

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
export_cli.add_commands(app)
app.command("check")(check)
logger = logging.getLogger("taxi_report")


class Output(StrEnum):
    """What is made and printed."""

    HTML = "html"
    JSON = "json"
    BOTH = "both"

    @property
    def parts(self) -> frozenset[str]:
        """The endings of the files that are made."""
        return frozenset({"html", "json"}) if self is Output.BOTH else frozenset({str(self)})


@app.callback()
def _main() -> None:
    """Report what happened over a span of the prediction log."""


@app.command()
def run(  # noqa: PLR0913, PLR0917 - one for each option
    model: Annotated[str, typer.Option(help="Name of the model; TAXI_MODEL by default.")] = "",
    start: Annotated[str, typer.Option("--from", help="Local time: 2021-03-01T08:30.")] = "",
    end: Annotated[str, typer.Option("--to", help="Local time; now by default.")] = "",
    last_: Annotated[str, typer.Option("--last", help="Instead: 24h, 7d, 2w or 90m.")] = "",
    version: Annotated[str, typer.Option(help="Only what this version answered.")] = "",
    zone: Annotated[str, typer.Option(help="Time zone; TAXI_REPORT_TIME_ZONE by default.")] = "",
    output: Annotated[Output, typer.Option(help="What is made.")] = Output.BOTH,
    out: Annotated[Path | None, typer.Option(help="Folder for a copy of what is made.")] = None,
    scheduled: Annotated[
        bool, typer.Option("--scheduled", help="The schedule asks for it.")
    ] = False,
    data: Annotated[list[Path] | None, typer.Option(help="Instead: files or folders.")] = None,
    against: Annotated[
        str, typer.Option(help="Of files: rows, an artifact, MODEL@champion, or a version.")
    ] = "",
    schema: Annotated[Path | None, typer.Option(help="Of files: the schema's TOML.")] = None,
    prediction: Annotated[
        str, typer.Option("--prediction-column", help="Of files: the model's answers.")
    ] = "prediction",
) -> None:
    """Make the report of a span, and store it; or that of files, which is not stored."""
    if data:
        # Files take pyarrow, which reports of the log need not load.
        from taxi_report.files_report import FilesRequest, files_folder, report_of_files

        files = FilesRequest(tuple(data), against, schema, prediction, model)
        log = {"--from": start, "--to": end, "--last": last_, "--version": version, "--zone": zone}
        with endable("report"):
            folder = files_folder(files, out, {**log, "--scheduled": scheduled})
            made = report_of_files(files, with_html=output != Output.JSON)
            write_copy(made, folder, output.parts)
            _tell(made)
        return
    with endable("report"):
        settings = settings_of(model, zone)
        now = datetime.now(UTC)
        span = span_of(start, end, last_, ZoneInfo(settings.time_zone), now)
        # What was asked for by a machine whose clock is ahead has to be over.
        time.sleep(max(0.0, (span.end - now).total_seconds()))
        subject = Subject(settings.model, span, version or None)
        with opened(settings) as database:
            request = Request(subject, settings, database, with_html=output != Output.JSON, now=now)
            stored = _made(request, scheduled=scheduled)
        if out is not None:
            try:
                write_copy(stored, out, output.parts)
            except TaxiError as error:
                raise CopyError(f"{error}; the report is stored") from error
        _tell(stored)


@app.command()
def workspace(
    folder: Annotated[Path, typer.Argument(help="Folder of the workspace; made when it is none.")],
    model: Annotated[str, typer.Option(help="Name of the model; TAXI_MODEL by default.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=MAX_LISTED, help="Newest reports.")] = 100,
) -> None:
    """Write Evidently's snapshots of the stored reports into a workspace of Evidently's own UI.

    Open it with: evidently ui --workspace FOLDER
    """
    with endable("report"):
        settings = settings_of(model)
        with opened(settings) as database:
            # Evidently takes seconds to import.
            from taxi_report.presets.stored import stored_snapshots
            from taxi_report.presets.workspace import write_workspace

            try:
                written = write_workspace(folder, stored_snapshots(database, settings.model, limit))
            except OSError as error:
                raise CopyError(f"{folder}: {error.strerror}; name a folder that can be") from error
        for problem in written.problems:
            typer.echo(problem)
        typer.echo(f"{folder}: {written.added} runs added, {written.present} were there")


def _made(request: Request, *, scheduled: bool) -> Stored:
    """Make a report, and record the run."""
    span = request.subject.span
    logger.info("%s: from %s to %s", request.id, span.local(span.start), span.local(span.end))
    with _recorded(request, scheduled=scheduled), _progress() as progress:
        stored = _runner(request.settings)(request, progress)
    for one in stored.left_out:
        logger.warning("%s", one)
    return stored


def _tell(stored: Rendered) -> None:
    for sentence in (*stored.document["problems"], *stored.document["words"]):
        typer.echo(sentence)
    typer.echo(f"{stored.document['id']}: {stored.document['verdict']}")


def _runner(settings: Settings) -> "Runner":
    """Return what runs the steps: Prefect, which imports for seconds, where it is configured."""
    if not settings.prefect_api_url:
        from taxi_report.plain import make_report

        return make_report
    from taxi_report.flow import make_report_with_prefect

    return make_report_with_prefect


@contextmanager
def _recorded(request: Request, *, scheduled: bool) -> Iterator[None]:
    """Record begin and end of a run where the monitor finds them, also when it fails."""
    database = request.database
    run = StartedRun(request.subject.model, request.id, request.now, scheduled=scheduled)

    def ended(state: RunState, reason: str = "") -> None:
        try:
            end_run(database, run, state, now=datetime.now(UTC), reason=reason)
        except TaxiError as error:
            logger.error("how the run ended could not be recorded: %s", error)  # noqa: TRY400

    try:
        begin_run(database, run)
    except TaxiError as error:
        logger.warning("the begin of the run could not be recorded: %s", error)
    try:
        yield
    except BaseException as error:
        ended(RunState.FAILED, f"{error}" or type(error).__name__)
        raise
    ended(RunState.DONE)


class _Bar(Progress):
    def __init__(self, bars: Bars) -> None:
        self._bars = bars
        self._task = bars.add_task("partitions", total=None)

    def begin(self, partitions: int) -> None:
        self._bars.update(self._task, total=partitions)

    def advance(self) -> None:
        self._bars.advance(self._task)


@contextmanager
def _progress() -> Iterator[Progress]:
    """Show a bar where a person looks, nothing where the output goes into a log."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield Progress()
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Bars(*columns, console=console) as bars:
        yield _Bar(bars)


if __name__ == "__main__":
    app()
