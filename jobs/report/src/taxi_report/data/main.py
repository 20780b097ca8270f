"""Command line of the stored data: `taxi-data`.

Exit codes: 0 done, 1 failed, 2 usage or settings, 3 a backup or restore is whole but a version that
an alias points at cannot be loaded.
"""

import typer

from taxi_report.data import backups, rows

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
rows.add_commands(app)
backups.add_commands(app)


@app.callback()
def _main() -> None:
    """Delete rows, correct labels, back up and restore what MongoDB has."""


if __name__ == "__main__":
    app()
