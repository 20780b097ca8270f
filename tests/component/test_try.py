"""`make try`: the whole loop without a cluster, and that it leaves nothing behind."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from pyarrow import csv

pytestmark = [pytest.mark.component, pytest.mark.timeout(900)]
MODELS = Path(__file__).parents[2] / "models"
FLIGHTS = MODELS / "flight_delay"
SCHEMA = FLIGHTS / "schema.toml"
SAMPLE = FLIGHTS / "samples" / "flights-2013-01.parquet"
_SECONDS = 600


class Attempt:
    """One run as the Makefile starts it, in a session of its own as a terminal's is.

    Args:
        folder: All that it writes: its own folder, what it prints.
        words: Its options.
    """

    def __init__(self, folder: Path, *words: str) -> None:
        self._folder = folder
        (folder / "tmp").mkdir()
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "taxi_local.attempt", *words],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True,
                env={
                    "PYTHONPATH": ":".join(sys.path), "PATH": os.environ["PATH"],
                    "TMPDIR": str(folder / "tmp"), "TAXI_MONGOD": os.environ["TAXI_MONGOD"],
                    "OMP_NUM_THREADS": "1",
                    # Its ports are of the range of this process, and not of one beside it.
                    "PYTEST_XDIST_WORKER": os.environ.get("PYTEST_XDIST_WORKER", "gw0"),
                },
            )  # fmt: skip

    @property
    def log(self) -> Path:
        """Return the file of all that it and its children print."""
        return self._folder / "printed.txt"

    def printed(self) -> str:
        """Return it."""
        return self.log.read_text()

    def wait_for(self, what: str, check: Callable[[], object]) -> None:
        """Wait until something is so; fail when it ends before."""
        deadline = time.monotonic() + _SECONDS
        while not check():
            assert self.process.poll() is None, self.printed()
            assert time.monotonic() < deadline, f"{what}: {self.printed()}"
            time.sleep(0.05)

    def wait_for_line(self, pattern: str) -> str:
        """Wait until it prints something, and return what the pattern's group is."""
        self.wait_for(pattern, lambda: re.search(pattern, self.printed()))
        found = re.search(pattern, self.printed())
        assert found is not None
        return found[found.lastindex or 0]

    def end(self) -> int:
        """Wait for its end and return the exit code; nothing of it may be left."""
        code = self.process.wait(120)
        assert self.processes() == {}
        assert list((self._folder / "tmp").iterdir()) == []
        return code

    def processes(self) -> dict[int, str]:
        """Return the commands of all processes that have a file of its folder open, or map one.

        Every one of them logs into that folder, whichever session it is in.
        """
        found = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and int(entry.name) != os.getpid() and self._is_used_by(entry):
                with contextlib.suppress(OSError):  # it has ended
                    found[int(entry.name)] = (entry / "cmdline").read_bytes().decode()
        return found

    def _is_used_by(self, process: Path) -> bool:
        try:
            files = [file.readlink() for file in (process / "fd").iterdir()]
        except OSError:  # it has ended
            return False
        return any(file.is_relative_to(self._folder) for file in files)

    def kill(self) -> None:
        """End what a failed test has left."""
        for pid in self.processes():
            os.kill(pid, signal.SIGKILL)
        self.process.wait()


@pytest.fixture
def attempt(tmp_path: Path) -> Iterator[Callable[..., Attempt]]:
    started: list[Attempt] = []

    def start(*words: str) -> Attempt:
        started.append(Attempt(tmp_path, *words))
        return started[-1]

    yield start
    for one in started:
        one.kill()


def test_the_collapse_is_told_and_ctrl_c_ends_all(attempt: Callable[..., Attempt]) -> None:
    run = attempt("--rate", "1000")
    page = run.wait_for_line(r"monitor: +(http\S+/) shows the window")
    assert "window" not in run.printed().partition("shows the window")[2].partition("rows")[0]
    assert "taxi-duration" in httpx.get(page, timeout=30).text
    verdict = run.wait_for_line(r"verdict: (Better: RMSE .*)")
    assert "gain" in verdict
    assert re.search(r"^drift: .*LocationID", run.printed(), re.MULTILINE)
    run.wait_for_line("Ctrl-C ends all")
    names = " ".join(run.processes().values())
    assert all(name in names for name in ("mongod", "taxi_monitor.main", "taxi_predict.server"))

    os.killpg(run.process.pid, signal.SIGINT)  # as a terminal does

    assert run.end() == 0
    assert run.printed().endswith("ended; nothing is left behind\n")
    assert "Traceback" not in run.printed()


def test_a_table_of_ones_own(attempt: Callable[..., Attempt], tmp_path: Path) -> None:
    """In CSV; flights of one airport follow on those of all three."""
    table = pq.read_table(SAMPLE)
    first, rest = table.slice(0, 4000), table.slice(4000)
    rest = rest.filter(pc.equal(rest["origin"], "EWR")).slice(0, 4000)
    data = tmp_path / "flights.csv"
    csv.write_csv(pa.concat_tables([first, rest]), data)
    run = attempt(
        "--schema", str(SCHEMA), "--data", str(data), "--no-wait", "--rate", "500",
    )  # fmt: skip

    assert "origin" in run.wait_for_line(r"drift: (.*)")
    run.wait_for_line(r"verdict: (\w+): ")

    assert run.end() == 0


MOMENTS: dict[str, Callable[[Attempt], object]] = {
    "mongod starts": lambda run: any("mongod" in name for name in run.processes().values()),
    "the first model is trained": lambda run: "rows to train on" in run.printed(),
    "the parts start": lambda run: any("taxi_predict" in one for one in run.processes().values()),
}


@pytest.mark.parametrize(
    ("moment", "number"), [*zip(MOMENTS, ["SIGTERM", "SIGHUP", "SIGTERM"], strict=True)]
)
def test_whatever_it_does_it_can_be_ended(
    attempt: Callable[..., Attempt], moment: str, number: str
) -> None:
    run = attempt("--schema", str(SCHEMA), "--data", str(SAMPLE))
    run.wait_for(moment, lambda: MOMENTS[moment](run))

    run.process.send_signal(signal.Signals[number])
    time.sleep(0.05)
    if run.process.poll() is None:
        run.process.send_signal(signal.Signals[number])  # an impatient person

    assert run.end() == 130
    assert run.printed().endswith("ended; nothing is left behind\n")


def test_data_without_a_schema_is_refused(attempt: Callable[..., Attempt]) -> None:
    run = attempt("--data", str(SAMPLE))

    assert run.end() == 2
    assert run.printed() == "error: give both --schema and --data, or none of them\n"


def test_a_table_that_trains_no_model_is_named_before_anything_is_started(
    attempt: Callable[..., Attempt], tmp_path: Path
) -> None:
    few = tmp_path / "few.parquet"
    pq.write_table(pq.read_table(SAMPLE).slice(0, 500), few)

    run = attempt("--schema", str(SCHEMA), "--data", str(few))

    assert run.end() == 1
    (line,) = run.printed().splitlines()
    assert line.startswith(f"error: {few}: the first 250 rows train no model: ")
    assert "1000 are needed; wait for more labels" in line
