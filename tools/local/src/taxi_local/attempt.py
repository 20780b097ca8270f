"""`make try`: the whole loop on this machine, without a cluster, until Ctrl-C.

The first part of a table trains the first model, the rest is sent as traffic with its labels. At
the alarm the train Job runs as the operator would run it, and its verdict is told. The operator's
own work (promotion by a policy, moving traffic) needs a cluster: `make demo`.
"""

import secrets
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import httpx
import pyarrow as pa
import pyarrow.parquet as pq
import typer
from rich.console import Console
from rich.markup import escape

from taxi_domain.errors import TaxiError
from taxi_domain.models import MODEL_NAME
from taxi_domain.runs import RUN_ID_VARIABLE
from taxi_local.mongod import running_mongod
from taxi_local.parts import MonitorProcess, PredictorProcess
from taxi_schema.reading import read_schema
from taxi_schema.schema import Schema
from taxi_store.connection import connect, database_of
from taxi_store.registry.runs import RunStore
from taxi_stories.rows import bodies_of
from taxi_stories.sender import Addresses, Rate, Sender
from taxi_train.data.files import read_columns, read_names

ROOT: Final = Path(__file__).resolve().parents[4]
EXAMPLE: Final = ROOT / "models" / "taxi_duration"
#: Of one's own table: rows that train the first model.
FIRST_SHARE: Final = 0.5
_ALARM_SECONDS: Final = 180.0
_LOOK_SECONDS: Final = 2.0
_RUN_ID: Final = "try-1"

console = Console()


@dataclass(frozen=True, slots=True)
class Tables:
    """Rows of a schema: those of the first model, and those that are sent."""

    schema_file: Path
    first: Path
    traffic: pa.Table


def run(
    schema: Annotated[Path | None, typer.Option(help="TOML of a model's data.")] = None,
    data: Annotated[Path | None, typer.Option(help="Its labelled rows, parquet or CSV.")] = None,
    rate: Annotated[float, typer.Option(min=1, max=5000, help="Rows a second.")] = 300.0,
    wait: Annotated[bool, typer.Option(help="Stay until Ctrl-C when all is told.")] = True,
) -> None:
    """Try the system on this machine; without options on the rides of March 2020."""
    if (schema is None) != (data is None):
        console.print("[red]error:[/red] give both --schema and --data, or none of them")
        raise typer.Exit(2)
    # Being told to end is as good as Ctrl-C: all processes end with this one.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with tempfile.TemporaryDirectory(prefix="taxi-try-") as name:
            folder = Path(name)
            tables = _own(folder, schema, data) if schema and data else _rides()
            _tell(folder, tables, rate, wait=wait)
    except TaxiError as error:
        console.print(f"[red]error:[/red] {escape(str(error))}", highlight=False)
        raise typer.Exit(1) from error
    except KeyboardInterrupt:
        console.print("ended; nothing is left behind")


def _rides() -> Tables:
    """Return the rides of early March 2020 and those after the streets had emptied."""
    schema, samples = read_schema(EXAMPLE / "schema.toml"), EXAMPLE / "samples"
    return Tables(
        EXAMPLE / "schema.toml",
        samples / "green-2020-03-before.parquet",
        _with_ids(schema.id, pq.read_table(samples / "green-2020-03-after.parquet")),
    )


def _own(folder: Path, schema: Path, data: Path) -> Tables:
    """Cut a table in two, in the order of its rows."""
    described = read_schema(schema)
    wanted = [described.id, *(column.name for column in described.columns), described.target.name]
    if described.event_time is not None:
        wanted.append(described.event_time.name)
    there = set(read_names(data).names)
    table = read_columns(data, [name for name in wanted if name in there])
    table = _with_ids(described.id, table)
    cut = int(len(table) * FIRST_SHARE)
    first = folder / "first.parquet"
    pq.write_table(table.slice(0, cut), first)
    return Tables(schema, first, table.slice(cut))


def _with_ids(name: str, table: pa.Table) -> pa.Table:
    """Return a table whose rows have ids: labels are joined by them."""
    if name in table.column_names:
        return table
    return table.append_column(name, pa.array([f"row-{place:08d}" for place in range(len(table))]))


def _tell(folder: Path, tables: Tables, rate: float, *, wait: bool) -> None:
    schema = read_schema(tables.schema_file)
    token = secrets.token_hex(16)
    with running_mongod(folder=_made(folder / "mongod")) as mongod:
        console.print(f"[bold]mongod[/bold] is up: {mongod.uri}")
        job = {"TAXI_MONGODB_URI": mongod.uri, "PYTHONPATH": ":".join(sys.path)}
        _train(job, "bootstrap", f"--schema={tables.schema_file}", f"--data={tables.first}")
        with _parts(folder, mongod.uri, token) as (predictor, monitor):
            console.print(f"[bold]predictor[/bold]: {predictor.url}/openapi.json")
            console.print(f"[bold]monitor[/bold]:   [link]{monitor.url}/[/link] shows the window")
            with _traffic(schema, tables, predictor, monitor, token, rate) as failures:
                alarm = _await_alarm(monitor, failures)
                if alarm:
                    console.print(f"[bold red]drift[/bold red]: {', '.join(alarm)}")
                    _retrain(job, mongod.uri)
                else:
                    console.print("no drift: the rows are like those of the first model")
                if wait:
                    console.print("Ctrl-C ends all")
                    threading.Event().wait()


@contextmanager
def _parts(folder: Path, uri: str, token: str) -> Iterator[tuple[PredictorProcess, MonitorProcess]]:
    monitor = MonitorProcess(_made(folder / "monitor"), uri, token)
    predictor = PredictorProcess(
        _made(folder / "predictor"), uri,
        TAXI_MONITOR_URL=monitor.url, TAXI_MONITOR_TOKEN=token,
    )  # fmt: skip
    try:
        monitor.start()
        predictor.start()
        yield predictor, monitor
    finally:
        predictor.stop()
        monitor.stop()


@contextmanager
def _traffic(
    schema: Schema, tables: Tables, predictor: PredictorProcess, monitor: MonitorProcess,
    token: str, rate: float,
) -> Iterator[list[Exception]]:  # fmt: skip
    """Send the rows with their labels meanwhile; yields what ended the sender too early."""
    sender = Sender(
        bodies_of(schema, tables.traffic),
        Addresses(lambda: predictor.url, lambda: monitor.url, token),
        Rate(rate, batch_size=max(1, int(rate / 10)), label_delay_seconds=1),
        schema=schema,
    )
    failures: list[Exception] = []

    def send() -> None:
        try:
            sender.run()
        except Exception as error:  # told by the thread that waits for the alarm
            failures.append(error)

    thread = threading.Thread(target=send, name="traffic", daemon=True)
    thread.start()
    try:
        yield failures
    finally:
        sender.stop.set()
        thread.join(30)


def _await_alarm(monitor: MonitorProcess, failures: list[Exception]) -> list[str]:
    """Return the columns that drifted, empty when none did in time.

    Raises:
        TaxiError: the traffic ended too early.
    """
    deadline = time.monotonic() + _ALARM_SECONDS
    while time.monotonic() < deadline:
        if failures:
            raise TaxiError(f"traffic: {failures[0]!r}; nothing more is sent")
        (champion,) = (
            version
            for version in httpx.get(f"{monitor.url}/v1/drift", timeout=10).json()["versions"]
            if version["model_role"] == "champion"
        )
        rows, verdict = champion["window"]["rows"], champion["verdict"]
        console.print(f"[dim]window {rows} rows, verdict: {verdict}[/dim]", highlight=False)
        if verdict == "drift":
            return list(champion["drifted"])
        time.sleep(_LOOK_SECONDS)
    return []


def _retrain(job: Mapping[str, str], uri: str) -> None:
    """Run the train Job as the operator does, and tell its verdict."""
    _train({**job, RUN_ID_VARIABLE: _RUN_ID}, "run")
    with connect(uri, app_name="taxi-try") as client:
        entry = RunStore(database_of(client)).get(_RUN_ID)
    if entry is None:
        raise TaxiError("the train Job left no report; see its lines above")
    console.print(f"[bold]verdict[/bold]: {entry.result}: {entry.message}", highlight=False)


def _train(environment: Mapping[str, str], *arguments: str) -> None:
    command = [sys.executable, "-m", "taxi_train.main", *arguments]
    console.print(f"[dim]taxi-train {' '.join(arguments)}[/dim]", highlight=False)
    done = subprocess.run(command, env={**_environment(), **environment}, timeout=900, check=False)
    if done.returncode:
        raise TaxiError(f"taxi-train {arguments[0]}: ended with {done.returncode}; see above")


def _environment() -> dict[str, Any]:
    return {"PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1", "TAXI_MODEL": MODEL_NAME}


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


if __name__ == "__main__":
    typer.run(run)
