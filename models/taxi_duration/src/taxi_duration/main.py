"""Command line: `python -m taxi_duration.main fetch 2021-01`, `... rows MONTH.parquet OUT`."""

from pathlib import Path
from typing import Annotated

import pyarrow.parquet as pq
import typer

from taxi_duration.fetch import SOURCE, fetch
from taxi_duration.trips import read_trips
from taxi_runtime.process import command

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


@app.command(name="fetch")
def fetch_month(
    month: Annotated[str, typer.Argument(help="For example 2021-01.")],
    out: Annotated[Path, typer.Option(help="Folder for the file.")] = Path(),
    source: Annotated[str, typer.Option(help="Address of the folder of monthly files.")] = SOURCE,
) -> None:
    """Download a whole month of green taxi rides."""
    with command():
        typer.echo(fetch(month, out, source))


@app.command()
def rows(
    month: Annotated[Path, typer.Argument(help="A month of TLC's trip records.")],
    out: Annotated[Path, typer.Argument(help="Parquet file to write.")],
) -> None:
    """Write a month as rows of the schema, for `taxi-train bootstrap` and `fit`."""
    with command():
        table = read_trips(month)
        pq.write_table(table, out, compression="zstd")
        typer.echo(f"{out}: {table.num_rows} rides")


if __name__ == "__main__":
    app()
