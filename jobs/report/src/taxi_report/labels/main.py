"""Command line of labels: `taxi-labels load`.

Exit codes: 0 done (what was refused is told), 1 failed or no row could be taken, 2 usage or
settings.
"""

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from taxi_domain.errors import TaxiError
from taxi_report.champion import champions_schema
from taxi_report.settings import Settings
from taxi_runtime.patience import patiently
from taxi_runtime.process import command, user_of
from taxi_runtime.settings import read
from taxi_store.admin.audit import Action
from taxi_store.admin.noting import Asked, noted
from taxi_store.connection import connect, database_of

if TYPE_CHECKING:
    from taxi_report.labels.loading import Loaded

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


class NoLabelsError(TaxiError):
    """No row of the files has a label that can be taken."""


@app.callback()
def _main() -> None:
    """Labels of logged rows, from files."""


@app.command()
def load(  # noqa: PLR0913, PLR0917 - one for each option
    paths: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="Parquet, CSV, or folders of them.")
    ],
    model: Annotated[str, typer.Option(help="Name of the model; TAXI_MODEL by default.")] = "",
    id_column: Annotated[str, typer.Option(help="The schema's id by default.")] = "",
    label_column: Annotated[str, typer.Option(help="The schema's target by default.")] = "",
    at_column: Annotated[
        str, typer.Option(help="When each label came to be known; now by default.")
    ] = "",
    by: Annotated[str, typer.Option("--by", help="Who asks; the user's name by default.")] = "",
    reason: Annotated[str, typer.Option("--reason", help="Why; for the audit.")] = "labels",
) -> None:
    """Store the labels of files; the first label of a row stays, so repeating changes nothing."""
    with command():
        # Arrow takes a second to import.
        from taxi_files.pieces import files_of
        from taxi_report.labels import loading
        from taxi_report.labels.reading import LabelReader, Names

        settings = read(Settings, {"TAXI_MODEL": model} if model else None)
        files = files_of(paths)
        logging.getLogger("taxi_store.log.malformed").setLevel(logging.ERROR)
        with connect(
            settings.mongodb_uri, app_name="taxi-labels", timeout_seconds=settings.timeout_seconds
        ) as client:
            database = database_of(client)
            schema = patiently(
                settings.patience_seconds, lambda: champions_schema(database, settings.model)
            )
            names = Names(
                id_column or schema.id, label_column or schema.target.name, at_column or None
            )
            reader = LabelReader(names, schema)
            asked = Asked(user_of(by), reason)
            what = {"model": settings.model, "files": len(files)}
            # Where the user of labels has no rights of an audit they are stored all the same.
            with noted(database, Action.LOAD_LABELS, asked, what, is_required=False) as outcome:
                loaded = loading.load(database, files, reader, settings.patience_seconds, by)
                outcome.counts |= {"labels": loaded.new}
            _tell(loaded)


def _tell(loaded: "Loaded") -> None:
    """Say what became of all rows.

    Raises:
        NoLabelsError: none could be taken.
    """
    for problem, count in loaded.refused.items():
        typer.echo(f"{count} rows refused: {problem}")
    if doubled := loaded.doubled.count:
        examples = ", ".join(loaded.doubled.examples)
        typer.echo(f"{doubled} rows with an id that came before ({examples}): the first stays")
    typer.echo(
        f"{loaded.new} labels new, {loaded.repeated} repeated; "
        f"{loaded.unknown} of rows that are not in the log yet, which are kept"
    )
    if loaded.rows and not loaded.new + loaded.repeated:
        raise NoLabelsError("labels: no row could be taken; correct what is named above")


if __name__ == "__main__":
    app()
