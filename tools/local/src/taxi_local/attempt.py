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
from pathlib import Path
from typing import Annotated, Any, Final

import httpx
import typer
from rich.console import Console
from rich.markup import escape

from taxi_domain.errors import TaxiError
from taxi_domain.models import MODEL_NAME
from taxi_domain.runs import RUN_ID_VARIABLE
from taxi_local.mongod import running_mongod
from taxi_local.parts import MonitorProcess, PredictorProcess
from taxi_local.tables import Tables, own, rides
from taxi_local.traffic import Traffic, running_traffic
from taxi_schema.reading import read_schema
from taxi_store.connection import connect, database_of
from taxi_store.registry.runs import RunStore
from taxi_stories.sender import Addresses

_ALARM_SECONDS: Final = 180.0
_LOOK_SECONDS: Final = 2.0
#: From the last row to the last look.
_LAST_SECONDS: Final = 15.0
#: Between two evaluations: an alarm takes two with new rows between them, and rows come fast here.
_EVALUATION_SECONDS: Final = 1.0
#: Being told to end is as good as Ctrl-C, and so is a terminal that is closed.
_ENDS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
#: Ended before the verdict was told.
EXIT_INTERRUPTED: Final = 130
_RUN_ID: Final = "try-1"

console = Console()


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
    for number in _ENDS:
        signal.signal(number, _end)
    told = False
    try:
        with tempfile.TemporaryDirectory(prefix="taxi-try-") as name:
            folder = Path(name)
            tables = own(folder, schema, data) if schema and data else rides(folder)
            with _verdict(folder, tables, rate):
                told = True
                if wait:
                    _say("Ctrl-C ends all")
                    threading.Event().wait()
    except TaxiError as error:
        _say(f"[red]error:[/red] {escape(str(error))}")
        raise typer.Exit(1) from error
    except KeyboardInterrupt as error:
        _say("ended; nothing is left behind")
        raise typer.Exit(0 if told else EXIT_INTERRUPTED) from error


def _end(*_: object) -> None:
    """End all that runs; another signal must not hinder that."""
    for number in _ENDS:
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def _say(text: str) -> None:
    """Print one line, however long it is."""
    console.print(text, highlight=False, soft_wrap=True)


@contextmanager
def _verdict(folder: Path, tables: Tables, rate: float) -> Iterator[None]:
    """Run the parts until the verdict is told, and while the caller looks at them."""
    schema = read_schema(tables.schema_file)
    token = secrets.token_hex(16)
    with running_mongod(folder=_made(folder / "mongod")) as mongod:
        _say(f"[bold]mongod[/bold] is up: {mongod.uri}")
        job = {"TAXI_MONGODB_URI": mongod.uri, "PYTHONPATH": ":".join(sys.path)}
        _train(job, "bootstrap", f"--schema={tables.schema_file}", f"--data={tables.first}")
        with _parts(folder, mongod.uri, token) as (predictor, monitor):
            _say(f"[bold]predictor[/bold]: {predictor.url}/openapi.json")
            _say(f"[bold]monitor[/bold]:   [link]{monitor.url}/[/link] shows the window")
            addresses = Addresses(lambda: predictor.url, lambda: monitor.url, token)
            with running_traffic(schema, tables.traffic, addresses, rate) as traffic:
                drifted, verdict = _await_alarm(monitor, traffic)
                if drifted:
                    _say(f"[bold red]drift[/bold red]: {', '.join(drifted)}")
                    _retrain(job, mongod.uri)
                else:
                    _say(f"no alarm: the last window says: {verdict}")
                yield


@contextmanager
def _parts(folder: Path, uri: str, token: str) -> Iterator[tuple[PredictorProcess, MonitorProcess]]:
    monitor = MonitorProcess(
        _made(folder / "monitor"), uri, token,
        TAXI_MONITOR_EVALUATION_SECONDS=str(_EVALUATION_SECONDS),
    )  # fmt: skip
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


def _await_alarm(monitor: MonitorProcess, traffic: Traffic) -> tuple[list[str], str]:
    """Return the columns that drifted, none without an alarm in time, and the last verdict.

    Raises:
        TaxiError: the traffic ended too early.
    """
    deadline, verdict = time.monotonic() + _ALARM_SECONDS, ""
    while time.monotonic() < deadline:
        traffic.check()
        if not traffic.thread.is_alive():
            # What was sent last is evaluated within a few looks.
            deadline = min(deadline, time.monotonic() + _LAST_SECONDS)
        (champion,) = (
            version
            for version in httpx.get(f"{monitor.url}/v1/drift", timeout=10).json()["versions"]
            if version["model_role"] == "champion"
        )
        rows, verdict = champion["window"]["rows"], champion["verdict"]
        _say(f"[dim]window {rows} rows, verdict: {verdict}[/dim]")
        if verdict == "drift":
            return list(champion["drifted"]), verdict
        time.sleep(_LOOK_SECONDS)
    return [], verdict


def _retrain(job: Mapping[str, str], uri: str) -> None:
    """Run the train Job as the operator does, and tell its verdict."""
    _train({**job, RUN_ID_VARIABLE: _RUN_ID}, "run")
    with connect(uri, app_name="taxi-try") as client:
        entry = RunStore(database_of(client)).get(_RUN_ID)
    if entry is None:
        raise TaxiError("the train Job left no report; see its lines above")
    _say(f"[bold]verdict[/bold]: {entry.result}: {escape(entry.message)}")


def _train(environment: Mapping[str, str], *arguments: str) -> None:
    command = [sys.executable, "-m", "taxi_train.main", *arguments]
    _say(f"[dim]taxi-train {escape(' '.join(arguments))}[/dim]")
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
