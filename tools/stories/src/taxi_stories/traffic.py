"""`make traffic`: the rides of a file, at a rate, with their labels later."""

import signal
from pathlib import Path
from typing import Annotated

import typer
from rich import progress as rich_progress
from rich.console import Console
from rich.markup import escape

from taxi_domain.errors import TaxiError
from taxi_stories import sender
from taxi_stories.kubectl import Kubectl
from taxi_stories.progress import Progress, ProgressFile
from taxi_stories.release import Release
from taxi_stories.rows import TAXI_SCHEMA, LabelledBody, limits_of, read_rides

_out = Console()
_err = Console(stderr=True)

#: A week: no label of a file is awaited longer.
_MAX_DELAY_SECONDS = 604_800
_MAX_RIDES = 1_000_000_000
EXIT_REFUSED = 1
EXIT_INTERRUPTED = 130


def traffic(  # noqa: PLR0913, PLR0917 - one argument an option
    file: Annotated[Path, typer.Argument(help="Parquet file of green taxi rides.")],
    rate: Annotated[float, typer.Option(min=0.01, max=5000, help="Rides a second.")] = 10.0,
    batch_size: Annotated[
        int, typer.Option(min=1, max=1000, help="Rides of one request; 1 uses POST /predict.")
    ] = 1,
    label_delay: Annotated[
        float,
        typer.Option(
            min=-_MAX_DELAY_SECONDS,
            max=_MAX_DELAY_SECONDS,
            help="Seconds from an answer to its label; below 0 sends none.",
        ),
    ] = 5.0,
    cut_labels: Annotated[
        bool,
        typer.Option(
            "--cut-labels",
            help=f"Send only rides {limits_of(TAXI_SCHEMA)}; without it labels are sent as the "
            "file has them.",
        ),
    ] = False,
    limit: Annotated[
        int, typer.Option(min=0, max=_MAX_RIDES, help="Rides to send; 0 sends all.")
    ] = 0,
    prefix: Annotated[
        str, typer.Option(help="Put before each id; a new one makes the rides new.")
    ] = "",
    progress_file: Annotated[
        Path | None, typer.Option(help="Written after each batch; a run goes on where it says.")
    ] = None,
    release: Annotated[str, typer.Option(help="Helm release.")] = "taxi",
    namespace: Annotated[str, typer.Option(help="Its namespace.")] = "taxi",
    context: Annotated[str, typer.Option(help="kubectl context.")] = "kind-taxi",
) -> None:
    """Send rides and their labels.

    Exit codes: 0 all sent, and not every ride refused; 1 refused or not answered; 2 usage;
    130 interrupted (run again with the same --progress-file to go on).
    """
    try:
        rides = read_rides(file, prefix=prefix, cut=cut_labels)
        if limit:
            rides = rides[:limit]
        name = f"{file.name} with labels cut" if cut_labels else file.name
        kept = ProgressFile(progress_file, name, prefix) if progress_file else None
        code = _send(rides, rate, batch_size, label_delay, kept,
                     Release(Kubectl(context, namespace), release))  # fmt: skip
    except TaxiError as error:
        _err.print(f"[red]error:[/red] {escape(str(error))}", highlight=False, soft_wrap=True)
        raise typer.Exit(1) from error
    raise typer.Exit(code)


def _send(
    rides: list[LabelledBody],
    rate: float,
    batch_size: int,
    label_delay: float,
    progress_file: ProgressFile | None,
    release: Release,
) -> int:
    columns = (
        rich_progress.TextColumn("{task.description}"), rich_progress.BarColumn(),
        rich_progress.MofNCompleteColumn(), rich_progress.TimeRemainingColumn(),
    )  # fmt: skip
    sending = sender.Rate(rate, batch_size, None if label_delay < 0 else label_delay)
    with (
        release.predictor() as predictor,
        release.monitor() as monitor,
        rich_progress.Progress(*columns, console=_err) as bars,
    ):
        sent = bars.add_task("rides", total=len(rides))
        labelled = bars.add_task("labels", total=len(rides), visible=label_delay >= 0)

        def show(progress: Progress) -> None:
            bars.update(sent, completed=progress.sent)
            bars.update(labelled, completed=progress.labelled)

        one = sender.Sender(
            rides,
            release.addresses(predictor, monitor),
            sending,
            progress_file=progress_file,
            on_progress=show,
        )
        show(one.progress)
        before = signal.signal(signal.SIGINT, lambda *_: one.stop.set())
        try:
            done = one.run()
        finally:
            signal.signal(signal.SIGINT, before)
    _out.print(f"{done.sent} rides sent, {done.refused} refused, {done.labelled} labels delivered")
    for field, count in sorted(one.refusals.items()):
        _out.print(f"  refused because of {field}: {count}")
    for field, count in sorted(one.label_refusals.items()):
        _out.print(f"  labels refused because of {field}: {count}")
    return exit_code(done, interrupted=one.stop.is_set())


def exit_code(done: Progress, *, interrupted: bool) -> int:
    """Return the exit code of a run; single rides that are refused are no failure.

    >>> exit_code(Progress(sent=3, refused=3), interrupted=False)
    1
    """
    if interrupted:
        return EXIT_INTERRUPTED
    return EXIT_REFUSED if done.sent and done.refused == done.sent else 0
