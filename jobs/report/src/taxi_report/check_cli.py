"""The command `taxi-report check`.

Exit codes: 0 all conditions are met, 3 some are not, 1 failed, 2 usage or settings.
"""

from pathlib import Path
from typing import Annotated, Final

import typer

from taxi_report.options import opened, settings_of
from taxi_runtime.process import command

#: Not all conditions are met: the data was read, and a pipeline is to stop.
EXIT_NOT_MET: Final = 3


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
    # Files take pyarrow, which reports of the log need not load.
    from taxi_report.check.command import check_given, query_of, tell, write
    from taxi_report.check.run import CheckRequest, ConditionsNotMetError
    from taxi_report.check.run import check as made

    with command({ConditionsNotMetError: EXIT_NOT_MET}):
        log = {"--from": start, "--to": end, "--last": last, "--where": where}
        check_given(data or [], log)
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
