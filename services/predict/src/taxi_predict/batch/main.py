"""Command line of batch scoring.

Exit codes: 0 done, also when some rows have no answer; 1 failed, or too many rows have none;
2 usage or settings.
"""

import logging
import os
import signal
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from taxi_domain.errors import FieldError, TaxiError
from taxi_predict.batch.chosen_model import ChosenModel, chosen_model
from taxi_predict.batch.log import BatchLog
from taxi_predict.batch.parts import Fault
from taxi_predict.batch.run import Request, Summary, all_columns, score
from taxi_predict.batch.settings import Failpoint, Settings
from taxi_predict.batch.store import place_of, store
from taxi_runtime.process import command
from taxi_runtime.settings import read

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
logger = logging.getLogger("taxi_predict")


class AnsweredAt(StrEnum):
    """When the log says that a row was answered."""

    NOW = "now"
    EVENT_TIME = "event-time"


@app.callback()
def _main() -> None:
    """Answer rows of files with the served model."""


@app.command("score")
def _score(  # noqa: PLR0913, PLR0917 - one for each option
    inputs: Annotated[
        list[Path], typer.Argument(metavar="IN...", help="Parquet or CSV files, or folders.")
    ],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Parquet file of the answers.")],
    model: Annotated[
        str, typer.Option(help="NAME@champion, NAME@fallback, a version, or champion.tar.")
    ],
    log: Annotated[bool, typer.Option("--log", help="Write answers into the log.")] = False,
    answered_at: Annotated[
        AnsweredAt, typer.Option(help="Time of the answers in the log.")
    ] = AnsweredAt.NOW,
    keep: Annotated[
        list[str] | None, typer.Option(help="Column of IN that goes into OUT; may be repeated.")
    ] = None,
    keep_all: Annotated[
        bool, typer.Option("--keep-all", help="Keep all that the schema names: columns, label.")
    ] = False,
    max_refused_share: Annotated[
        float, typer.Option(min=0, max=1, help="Exit 1 when more rows have no answer.")
    ] = 1.0,
    patience: Annotated[
        float, typer.Option(min=0, help="How long MongoDB may be away, seconds.")
    ] = 60.0,
) -> None:
    """Answer the rows of files as /predict would, into one parquet file.

    A run that was ended goes on when the same command is run again.
    """
    with command():
        settings = read(Settings)
        chosen = chosen_model(model, settings, patience)
        at_event_time = _at_event_time(chosen, answered_at, log=log)
        kept = all_columns(chosen.model.schema, inputs) if keep_all else []
        kept += [name for name in keep or [] if name not in kept]
        request = Request(chosen, inputs, out, kept, at_event_time)
        if log:
            request = replace(
                request,
                log=BatchLog(store(settings), chosen, patience, at_event_time=at_event_time),
                logged_as=(place_of(settings), chosen.name, chosen.role),
            )
        summary = score(request, _fault(settings.fault))
        _tell(summary, chosen, out)
        _check(summary, out, max_refused_share)


def _at_event_time(chosen: ChosenModel, answered_at: AnsweredAt, *, log: bool) -> bool:
    if answered_at is AnsweredAt.NOW:
        return False
    if not log:
        raise FieldError("--answered-at", "is a time in the log", "add --log or leave it out")
    if chosen.model.schema.event_time is None:
        raise FieldError("--answered-at", "the model's schema has no event time", "leave it out")
    return True


def _tell(summary: Summary, chosen: ChosenModel, out: Path) -> None:
    for text, rows in summary.problems.items():
        typer.echo(f"{text}: {rows} rows have no answer", err=True)
    if summary.made_ids:
        key = chosen.model.schema.id
        typer.echo(f"{key}: {summary.made_ids} rows have an id that was made", err=True)
    if summary.repeated:
        typer.echo(f"log: {summary.repeated} rows were there; their first answers stay", err=True)
    if not summary.rows:
        typer.echo("no rows", err=True)
    typer.echo(
        f"{out}: {summary.answered} of {summary.rows} rows answered by {chosen.model.version}"
    )


def _check(summary: Summary, out: Path, max_refused_share: float) -> None:
    """Raise a TaxiError when too many rows have no answer."""
    refused = summary.rows - summary.answered
    if not summary.rows:
        return
    if not summary.answered:
        raise TaxiError(f"{out}: no row could be answered; see its column problem")
    if refused > max_refused_share * summary.rows:
        raise TaxiError(
            f"{out}: {refused} of {summary.rows} rows have no answer, more than "
            f"--max-refused-share {max_refused_share:g}; see its column problem"
        )


def _fault(chosen: Failpoint) -> Fault:
    def reached(point: Failpoint) -> None:
        if point is chosen:
            os.kill(os.getpid(), signal.SIGKILL)

    return reached


if __name__ == "__main__":
    app()
