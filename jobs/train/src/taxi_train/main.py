"""Command line of the train Job.

Exit codes: 0 done (the verdict is in the report), 1 failed, 2 usage or settings,
42 the data is not fit for training.
"""

import logging
import tempfile
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import tenacity
import typer
from pymongo.database import Database

from taxi_domain.errors import FieldError
from taxi_domain.logs import set_up
from taxi_domain.runs import EXIT_DATA_QUALITY, decision_of
from taxi_runtime.process import command
from taxi_runtime.settings import read
from taxi_schema.columns.rows import LabelledRows
from taxi_schema.reading import read_schema
from taxi_schema.schema import Schema
from taxi_store.connection import Document, StoreUnavailableError, connect, database_of, translated
from taxi_train.data.quality import DataQualityError, QualityRules
from taxi_train.files_cli import add_commands
from taxi_train.registry_cli import app as models_app
from taxi_train.runs.gate import GateRules
from taxi_train.settings import Settings

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
app.add_typer(models_app, name="models")
add_commands(app)
logger = logging.getLogger("taxi_train")

_EXIT_CODES: Mapping[type[BaseException], int] = {DataQualityError: EXIT_DATA_QUALITY}

#: More rows than any log has in memory.
_MAX_ROWS = 10_000_000
_MAX_SPAN_HOURS = 366 * 24
Rows = Annotated[
    int,
    typer.Option(min=100, max=_MAX_ROWS, help="Fewest labelled rows that neither model saw."),
]
Gain = Annotated[float, typer.Option(min=0, max=1, help="Fewest relative gain in RMSE.")]
Confidence = Annotated[float, typer.Option(min=0.5, max=0.999, help="Of the gain's interval.")]
MaxRows = Annotated[
    int,
    typer.Option(
        min=1000,
        max=_MAX_ROWS,
        help="Most rows of the log that are used, and that are fitted on.",
    ),
]
MinFitRows = Annotated[int, typer.Option(min=100, max=_MAX_ROWS, help="Fewest rows to fit on.")]
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
    data: Annotated[
        str, typer.Option(help="A parquet or CSV file with the schema's columns, or its address.")
    ],
    schema: Annotated[
        Path | None, typer.Option(help="The schema's TOML; TAXI_TRAIN_SCHEMA when absent.")
    ] = None,
    start: Annotated[
        datetime | None, typer.Option("--from", help="Only rows from this local time on.")
    ] = None,
    end: Annotated[
        datetime | None, typer.Option("--to", help="Only rows before this local time.")
    ] = None,
) -> None:
    """Train the first model and the fallback, if there are none yet that pods can load."""
    from taxi_train.data.download import download, is_address
    from taxi_train.fitting.candidates import Trainer
    from taxi_train.fitting.own_code import candidates_of
    from taxi_train.runs.bootstrap import bootstrap as make
    from taxi_train.training_rows import training_rows

    with command(_EXIT_CODES):
        settings = read(Settings)
        schema = schema or (Path(settings.schema_file) if settings.schema_file else None)
        if schema is None:
            raise FieldError("--schema", "is missing", "give it, or set TAXI_TRAIN_SCHEMA")
        described = read_schema(schema)
        trainer = Trainer(described, candidates_of(settings.candidates_module))

        def rows() -> LabelledRows:
            with tempfile.TemporaryDirectory() as folder:
                path = download(data, Path(folder)) if is_address(data) else Path(data)
                return training_rows(described, path, start, end)

        with _database(settings) as database:
            make(database, settings.model, trainer, rows, _now)


@app.command()
def run(  # noqa: PLR0913, PLR0917 - one for each option
    min_labelled_rows: Rows = 1000,
    min_relative_gain: Gain = 0.01,
    confidence: Confidence = 0.95,
    max_rows: MaxRows = 100_000,
    min_fit_rows: MinFitRows = 1000,
    min_span_hours: MinSpan = 3.0,
) -> None:
    """Make a candidate from labelled rows, compare it with the champion, and report."""
    from taxi_train.fitting.own_code import candidates_of
    from taxi_train.runs.retraining import RunRules, retrain
    from taxi_train.runs.run import Run

    with command(_EXIT_CODES):
        settings = _settings_of_run()
        rules = RunRules(
            max_rows,
            GateRules(min_labelled_rows, min_relative_gain, confidence),
            QualityRules(min_fit_rows, min_span_hours),
            _given_schema(settings),
            candidates_of(settings.candidates_module),
        )
        with _database(settings) as database:
            retrain(Run(database, settings.model, _run_id(settings), _now), rules)


@app.command()
def evaluate(
    candidate: Annotated[str, typer.Option(help="Model version to compare with the champion.")],
    min_labelled_rows: Rows = 1000,
    min_relative_gain: Gain = 0.01,
    confidence: Confidence = 0.95,
    max_rows: MaxRows = 100_000,
) -> None:
    """Compare a candidate with the champion on rows that neither saw, and report."""
    from taxi_train.runs.retraining import RunRules
    from taxi_train.runs.retraining import evaluate as compare
    from taxi_train.runs.run import Run

    rules = RunRules(max_rows, GateRules(min_labelled_rows, min_relative_gain, confidence))
    with command(_EXIT_CODES):
        settings = _settings_of_run()
        with _database(settings) as database:
            compare(Run(database, settings.model, _run_id(settings), _now), candidate, rules)


@app.command()
def observe(  # noqa: PLR0913, PLR0917 - one for each option
    champion: Annotated[str, typer.Option(help="Model version that serves, and is observed.")],
    before: Annotated[str, typer.Option(help="The champion before it, which could come back.")],
    since: Annotated[str, typer.Option(help="Only rows answered from this time on (RFC 3339).")],
    min_labelled_rows: Rows = 1000,
    min_relative_gain: Gain = 0.02,
    confidence: Confidence = 0.95,
    max_rows: MaxRows = 100_000,
) -> None:
    """Compare the champion's logged answers with those of the version before, and report."""
    from taxi_train.runs.observing import Observation
    from taxi_train.runs.observing import observe as look
    from taxi_train.runs.run import Run

    rules = GateRules(min_labelled_rows, min_relative_gain, confidence)
    with command(_EXIT_CODES):
        what = Observation(champion, before, _moment(since), max_rows)
        settings = _settings_of_run()
        with _database(settings) as database:
            look(Run(database, settings.model, _run_id(settings), _now), what, rules)


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise FieldError(
            "--since", f"{text[:40]} is no time with a zone", "write it as 2026-01-01T12:00:00Z"
        )
    return moment


def _given_schema(settings: Settings) -> Schema | None:
    return read_schema(Path(settings.schema_file)) if settings.schema_file else None


def _settings_of_run() -> Settings:
    """Read the settings. A Job of the operator's logs as services do, with its decision."""
    settings = read(Settings)
    if decision := decision_of(settings.run_id):
        set_up(decision=decision, run=settings.run_id)
    return settings


def _run_id(settings: Settings) -> str:
    return settings.run_id or f"manual-{uuid.uuid4().hex[:12]}"


def _now() -> datetime:
    return datetime.now(UTC)


@contextmanager
def _database(settings: Settings) -> Iterator[Database[Document]]:
    with connect(
        settings.mongodb_uri, app_name="taxi-train", timeout_seconds=settings.timeout_seconds
    ) as client:
        _wait_for(lambda: database_of(client).command("ping"), settings.patience_seconds)
        yield database_of(client)


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
