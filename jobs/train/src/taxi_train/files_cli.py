"""Commands of `taxi-train` that need files only: `init`, `check` and `fit`."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final

import typer

from taxi_domain.errors import TaxiError
from taxi_domain.runs import EXIT_DATA_QUALITY
from taxi_runtime.process import command
from taxi_schema.reading import read_schema
from taxi_train.data.quality import DataQualityError

_EXIT_CODES: Final[Mapping[type[BaseException], int]] = {DataQualityError: EXIT_DATA_QUALITY}

SchemaFile = Annotated[Path, typer.Option("--schema", help="The schema's TOML.")]
DataFile = Annotated[Path, typer.Option("--data", help="Labelled rows, parquet or CSV.")]


def add_commands(app: typer.Typer) -> None:
    """Add the commands to the tool."""
    app.command("init")(init)
    app.command("check")(check)
    app.command("fit")(fit)


def init(
    rows: Annotated[Path, typer.Argument(help="Labelled rows, parquet or CSV.")],
    target: Annotated[str, typer.Option(help="Column of the number to predict.")],
    key: Annotated[str, typer.Option("--id", help="Column of the rows' ids.")] = "id",
    event_time: Annotated[str, typer.Option(help="Column of the time of the event.")] = "",
) -> None:
    """Write a schema that suits a file to the standard output, for a person to correct."""
    from taxi_train.data.guess import Roles, guessed_schema

    with command(_EXIT_CODES):
        typer.echo(guessed_schema(rows, Roles(key, target, event_time)), nl=False)


def check(schema: SchemaFile, data: DataFile) -> None:
    """Say which rows the schema would refuse, by column and reason; exit 1 when all are."""
    from taxi_files.reading import read_file
    from taxi_schema.columns.limits import evaluated

    with command(_EXIT_CODES):
        described = read_schema(schema)
        file = read_file(described, data)
        total = len(file.target)
        for (column, reason), mask in file.refusals(described).items():
            typer.echo(f"{column}: {int(mask.sum())} rows refused: {reason}")
        outside = int((~evaluated(described.target, file.target)).sum())
        if outside:
            typer.echo(f"{described.target.name}: {outside} rows without a label within the limits")
        good = int(file.trainable(described).sum())
        typer.echo(f"{good} of {total} rows can be trained on")
        if not good:
            raise TaxiError(f"{data}: no row suits {schema}; correct one of them")


def fit(
    schema: SchemaFile,
    data: DataFile,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for champion.tar and fallback.tar; else into the registry."),
    ] = None,
) -> None:
    """Make the champion and the fallback with the default pipeline, or with code of one's own.

    Without a folder they go into the registry; what serves already stays until it is replaced
    with `taxi-models promote`.
    """
    from taxi_train.fit_files import into_registry, made, write

    with command(_EXIT_CODES):
        artifacts = made(read_schema(schema), data)
        for alias, artifact in artifacts.items():
            metrics = artifact.card["metrics"]
            print(f"{alias}: RMSE {metrics['rmse']} {artifact.card['unit']}", file=sys.stderr)
        lines = write(artifacts, out) if out is not None else into_registry(artifacts)
        for line in lines:
            typer.echo(line)
