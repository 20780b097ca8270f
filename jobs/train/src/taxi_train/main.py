"""Command line of the train Job.

Exit codes: 0 done (the verdict is in the report), 1 failed, 2 usage or settings,
42 the data is not fit for training.
"""

import logging
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import tenacity
import typer
from pymongo.database import Database

from taxi_domain.mongodb import DATABASE
from taxi_domain.runs import EXIT_DATA_QUALITY
from taxi_runtime.process import command
from taxi_runtime.settings import read
from taxi_store.connection import Document, StoreUnavailableError, connect, translated
from taxi_train.data.fetch import SOURCE, fetch
from taxi_train.data.quality import DataQualityError, QualityRules, usable
from taxi_train.data.rides import Rides, read_all
from taxi_train.registry_cli import app as models_app
from taxi_train.runs.gate import GateRules
from taxi_train.settings import Settings

SAMPLES = Path(__file__).parent / "samples"

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
app.add_typer(models_app, name="models")
logger = logging.getLogger("taxi_train")

_EXIT_CODES: Mapping[type[BaseException], int] = {DataQualityError: EXIT_DATA_QUALITY}

#: More rides than any log has in memory.
_MAX_RIDES = 10_000_000
_MAX_SPAN_HOURS = 366 * 24
Rows = Annotated[
    int,
    typer.Option(min=100, max=_MAX_RIDES, help="Fewest labelled rides that neither model saw."),
]
Gain = Annotated[float, typer.Option(min=0, max=1, help="Fewest relative gain in RMSE.")]
Confidence = Annotated[float, typer.Option(min=0.5, max=0.999, help="Of the gain's interval.")]
MaxRides = Annotated[
    int,
    typer.Option(
        min=1000,
        max=_MAX_RIDES,
        help="Most rides of the log that are used, and that are fitted on.",
    ),
]
MinFitRows = Annotated[int, typer.Option(min=100, max=_MAX_RIDES, help="Fewest rides to fit on.")]
MinSpan = Annotated[
    float,
    typer.Option(
        min=0,
        max=_MAX_SPAN_HOURS,
        help="Fewest hours in which nine tenths of these begin.",
    ),
]


@app.command()
def bootstrap(
    data: Annotated[str, typer.Option(help="A shipped sample's name, or a parquet file.")],
    start: Annotated[
        datetime | None, typer.Option("--from", help="Only rides from this local time on.")
    ] = None,
    end: Annotated[
        datetime | None, typer.Option("--to", help="Only rides before this local time.")
    ] = None,
) -> None:
    """Train the first model and the fallback, if there are none yet that pods can load."""
    from taxi_train.runs.bootstrap import bootstrap as make

    def rides() -> Rides:
        everything = read_all(_file(data), start, end)
        kept = usable(everything, QualityRules())
        left_out = len(everything) - len(kept)
        logger.info("%d rides to train on; %d are outside of the limits", len(kept), left_out)
        return kept

    with command(_EXIT_CODES), _database() as (database, settings):
        make(database, settings.model, rides, _now)


@app.command()
def run(
    min_labelled_rows: Rows = 1000,
    min_relative_gain: Gain = 0.02,
    confidence: Confidence = 0.95,
    max_rides: MaxRides = 100_000,
    min_fit_rows: MinFitRows = 1000,
    min_span_hours: MinSpan = 3.0,
) -> None:
    """Make a candidate from labelled rides, compare it with the champion, and report."""
    from taxi_train.runs.retraining import RunRules, retrain

    rules = RunRules(
        max_rides,
        GateRules(min_labelled_rows, min_relative_gain, confidence),
        QualityRules(min_fit_rows, min_span_hours),
    )
    with command(_EXIT_CODES), _database() as (database, settings):
        retrain(database, settings.model, _run_id(settings), rules, _now)


@app.command()
def evaluate(
    candidate: Annotated[str, typer.Option(help="Model version to compare with the champion.")],
    min_labelled_rows: Rows = 1000,
    min_relative_gain: Gain = 0.02,
    confidence: Confidence = 0.95,
    max_rides: MaxRides = 100_000,
) -> None:
    """Compare a candidate with the champion on rides that neither saw, and report."""
    from taxi_train.runs.retraining import RunRules
    from taxi_train.runs.retraining import evaluate as compare

    rules = RunRules(max_rides, GateRules(min_labelled_rows, min_relative_gain, confidence))
    with command(_EXIT_CODES), _database() as (database, settings):
        compare(database, settings.model, _run_id(settings), candidate, rules, _now)


@app.command(name="fetch")
def fetch_month(
    month: Annotated[str, typer.Argument(help="For example 2021-01.")],
    out: Annotated[Path, typer.Option(help="Folder for the file.")] = Path(),
    source: Annotated[str, typer.Option(help="Address of the folder of monthly files.")] = SOURCE,
) -> None:
    """Download a whole month of green taxi rides."""
    with command(_EXIT_CODES):
        typer.echo(fetch(month, out, source))


def _file(data: str) -> Path:
    sample = SAMPLES / f"{data}.parquet"
    return sample if sample.exists() else Path(data)


def _run_id(settings: Settings) -> str:
    return settings.run_id or f"manual-{uuid.uuid4().hex[:12]}"


def _now() -> datetime:
    return datetime.now(UTC)


@contextmanager
def _database() -> Iterator[tuple[Database[Document], Settings]]:
    settings = read(Settings)
    with connect(
        settings.mongodb_uri, app_name="taxi-train", timeout_seconds=settings.timeout_seconds
    ) as client:
        _wait_for(lambda: client[DATABASE].command("ping"), settings.patience_seconds)
        yield client[DATABASE], settings


def _wait_for(ping: Callable[[], object], patience_seconds: float) -> None:
    """Wait until MongoDB answers: at an installation the Job starts beside it."""
    for attempt in tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(StoreUnavailableError),
        wait=tenacity.wait_random(1, 5),
        stop=tenacity.stop_after_delay(patience_seconds),
        reraise=True,
        before_sleep=lambda state: logger.info(
            "waiting for MongoDB (try %d)", state.attempt_number
        ),
    ):
        with attempt, translated():
            ping()


if __name__ == "__main__":
    app()
