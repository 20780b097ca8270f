"""Command line: install and remove the chart, send traffic, tell the stories."""

import json
import time
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.markup import escape

from taxi_domain.errors import TaxiError
from taxi_stories.kubectl import Kubectl
from taxi_stories.release import Release
from taxi_stories.reports import make_report, said, saved_report, span_of
from taxi_stories.scenarios import SCENARIOS
from taxi_stories.side_by_side import tell_side_by_side, together
from taxi_stories.story import BUILT, Teller
from taxi_stories.traffic import traffic
from taxi_stories.voice import Voice

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False)
app.command()(traffic)
_err = Console(stderr=True)


class StoryName(StrEnum):
    """The stories, as arguments."""

    QUIET = "quiet"
    HARMLESS = "harmless"
    EMERGENCY = "emergency"
    COLLAPSE = "collapse"
    FLIGHTS = "flights"


#: What `make demo` tells.
_DEMO = (StoryName.QUIET, StoryName.HARMLESS, StoryName.EMERGENCY, StoryName.COLLAPSE)

Context = Annotated[str, typer.Option(help="kubectl context; every call names it.")]
Values = Annotated[
    Path | None, typer.Option(help="JSON file of chart values, for example the image tags.")
]
Helm = Annotated[str, typer.Option(help="helm binary.")]


@app.command()
def install(
    context: Context = "kind-taxi",
    namespace: Annotated[str, typer.Option()] = "taxi",
    release: Annotated[str, typer.Option()] = "taxi",
    values: Values = None,
    helm: Helm = "helm",
) -> None:
    """Install or upgrade the chart, with batch reports, and wait until it serves."""
    try:
        Release(Kubectl(context, namespace), release, helm).install(
            {"batchReport": {"enabled": True}, **_values(values)},
            say=lambda text: typer.echo(f"  {text}"),
        )
    except TaxiError as error:
        _fail(error)


@app.command()
def uninstall(
    context: Context = "kind-taxi",
    namespace: Annotated[str, typer.Option()] = "taxi",
    release: Annotated[str, typer.Option()] = "taxi",
    helm: Helm = "helm",
) -> None:
    """Remove the release, and say what stays: nothing that could be missed is removed."""
    try:
        Release(Kubectl(context, namespace), release, helm).remove()
    except TaxiError as error:
        _fail(error)
    typer.echo(
        f"  release {release} is removed from namespace {namespace}; what must not be lost by "
        "accident stays:\n  volume and passwords, the CRD and its policies, the namespace, and "
        "the images; README.md, section Remove it, tells how to remove them"
    )


@app.command()
def report(
    last: Annotated[
        str, typer.Option(help="Make the report of a release's last 24h, 7d or 90m.")
    ] = "",
    folder: Annotated[Path, typer.Option(help="Where report.html and report.json are.")] = BUILT,
    context: Context = "kind-taxi",
    namespace: Annotated[str, typer.Option()] = "taxi",
    release: Annotated[str, typer.Option()] = "taxi",
    helm: Helm = "helm",
) -> None:
    """Show the newest report of the stories, or make one of a release (--last)."""
    try:
        if last:
            start, end = span_of(last, datetime.now(UTC))
            found = make_report(Release(Kubectl(context, namespace), release, helm), start, end)
            found.save(folder)
        path, document = saved_report(folder)
    except TaxiError as error:
        _fail(error)
    for sentence in said(document):
        typer.echo(f"  {sentence}")
    span = document["span"]
    typer.echo(
        f"Verdict: {document['verdict']}, from {span['local_from']} to {span['local_to']} "
        f"({span['time_zone']}). The whole report: {path.resolve().as_uri()}"
    )


@app.command()
def story(
    names: Annotated[
        list[StoryName] | None, typer.Argument(help="None tells those of the rides.")
    ] = None,
    context: Context = "kind-taxi",
    values: Values = None,
    helm: Helm = "helm",
    keep: Annotated[bool, typer.Option(help="Leave the namespaces for a look.")] = False,
) -> None:
    """Tell the stories; exit code 1 when one does not go as it should.

    Those of one place are told one after the other in one release, those of several side by side.
    """
    begin = time.monotonic()
    told = together([SCENARIOS[name] for name in names or _DEMO])
    try:
        given = _values(values)
        tellers = [
            Teller(scenarios, context, given, helm, keep, Voice(place if len(told) > 1 else ""))
            for place, scenarios in told.items()
        ]
        tell_side_by_side(tellers)
    except TaxiError as error:
        _fail(error)
    typer.echo(f"The stories took {time.monotonic() - begin:.0f} s.")


def _values(path: Path | None) -> dict[str, object]:
    if path is None:
        return {}
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise TaxiError(f"{path}: cannot be read as JSON values ({error})") from error
    if not isinstance(found, dict):
        raise TaxiError(f"{path}: is not a JSON object of chart values")
    return found


def _fail(error: TaxiError) -> NoReturn:
    _err.print(f"[red]error:[/red] {escape(str(error))}", highlight=False, soft_wrap=True)
    raise typer.Exit(1) from error


if __name__ == "__main__":
    app()
