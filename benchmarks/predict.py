"""What logging and monitoring cost the caller of POST /predict.

Three arms on the same work, interleaved in one run: the predictor with logging and a real
monitor, the same without both, and a Flask route that answers a constant, all under the
same gunicorn settings. Compare ratios within a run; absolute figures are of the machine.
"""

import argparse
import importlib.metadata
import json
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "benchmarks")]

from fixtures_mongod import running_mongod  # noqa: E402 - found by the path above
from fixtures_predictor import PLAIN, Predictor, register  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402

from taxi_domain.models import Alias  # noqa: E402
from taxi_train.candidates import train  # noqa: E402
from taxi_train.main import SAMPLES  # noqa: E402
from taxi_train.rides import read_file  # noqa: E402

RESULT = ROOT / "benchmarks" / "results" / "predict.json"
TOKEN = "a-token-for-benchmarks"
MONITORED, UNMONITORED, CONSTANT = "monitored", "unmonitored", "constant"
UNITS = {"us": 0.001, "ms": 1.0, "s": 1000.0}


@dataclass(frozen=True)
class Measured:
    """One round of one arm: requests a second and the 99th percentile, milliseconds."""

    rate: float
    p99: float


class Other(Predictor):
    """The same process handling for another module."""

    module = "constant_app"

    def start(self, *, until: str = "/readyz") -> "Other":
        """Start the other module instead."""
        self._variables["PYTHONPATH"] = ":".join(sys.path)
        self._module = self.module
        super().start(until=until)
        return self


class Monitor(Other):
    """A real monitor."""

    module = "taxi_monitor.main"

    def start(self, *, until: str = "/readyz") -> "Monitor":
        """Start it; its metrics are of one process."""
        self._variables.pop("PROMETHEUS_MULTIPROC_DIR", None)
        super().start(until=until)
        return self


def wrk(url: str, connections: int, seconds: int) -> Measured:
    """Run wrk and read its figures; every answer must be 200."""
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(
            f'wrk.method = "POST"\nwrk.body = [[{json.dumps(PLAIN)}]]\n'
            'wrk.headers["Content-Type"] = "application/json"\n'
        )
        script.flush()
        printed = subprocess.run(
            ["wrk", "-t", "1", "-c", str(connections), "-d", f"{seconds}s", "--latency",
             "-s", script.name, f"{url}/predict"],
            capture_output=True, text=True, timeout=seconds + 60, check=True,
        ).stdout  # fmt: skip
    if "Non-2xx" in printed:
        raise SystemExit(f"some answers were no 200:\n{printed}")
    rate = re.search(r"Requests/sec:\s+([\d.]+)", printed)
    p99 = re.search(r"99%\s+([\d.]+)(us|ms|s)", printed)
    if rate is None or p99 is None:
        raise SystemExit(f"wrk printed something else:\n{printed}")
    return Measured(float(rate[1]), float(p99[1]) * UNITS[p99[2]])


def main() -> None:
    """Measure, print a table, write the result file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=8)
    parser.add_argument("--connections", type=int, default=8)
    options = parser.parse_args()
    if shutil.which("wrk") is None:
        raise SystemExit("wrk is not installed; install it (Debian: apt-get install wrk)")
    rounds: dict[str, list[Measured]] = {MONITORED: [], UNMONITORED: [], CONSTANT: []}
    with running_mongod() as mongod, tempfile.TemporaryDirectory() as scratch:
        artifact = train(read_file(SAMPLES / "green-2021-01.parquet"))
        register(mongod.uri, Alias.CHAMPION, artifact)
        folders = {name: Path(scratch) / name for name in (*rounds, "monitor")}
        for folder in folders.values():
            folder.mkdir()
        monitor = Monitor(folders["monitor"], mongod.uri, TAXI_MONITOR_TOKEN=TOKEN,
                          TAXI_MONITOR_HOST="127.0.0.1")  # fmt: skip
        monitor._variables["TAXI_MONITOR_PORT"] = str(monitor.port)
        arms: dict[str, Predictor] = {
            MONITORED: Predictor(
                folders[MONITORED], mongod.uri, TAXI_MONITOR_URL=monitor.url,
                TAXI_MONITOR_TOKEN=TOKEN,
            ),
            UNMONITORED: Predictor(folders[UNMONITORED], mongod.uri, TAXI_PREDICT_LOG="false"),
            CONSTANT: Other(folders[CONSTANT], mongod.uri),
        }  # fmt: skip
        started: list[Predictor] = [monitor, *arms.values()]
        try:
            for one in started:
                one.start()
            for arm in arms.values():
                wrk(arm.url, options.connections, 2)  # warm-up
            for _ in range(options.rounds):
                for name, arm in arms.items():
                    rounds[name].append(wrk(arm.url, options.connections, options.seconds))
        finally:
            for one in started:
                one.stop()
    report(rounds, options)


def report(rounds: dict[str, list[Measured]], options: argparse.Namespace) -> None:
    """Print and write; ratios are medians of the ratios of each round."""

    def ratio(one: str, other: str, field: str) -> float:
        pairs = zip(rounds[one], rounds[other], strict=True)
        return statistics.median(getattr(a, field) / getattr(b, field) for a, b in pairs)

    figures: dict[str, Any] = {
        "monitored_over_unmonitored": round(ratio(MONITORED, UNMONITORED, "rate"), 3),
        "monitored_over_constant": round(ratio(MONITORED, CONSTANT, "rate"), 3),
        "p99_monitored_over_unmonitored": round(ratio(MONITORED, UNMONITORED, "p99"), 3),
        "connections": options.connections,
        "rounds": options.rounds,
    }
    table = Table("arm", "requests/s (median)", "p99 ms (median)")
    for name, found in rounds.items():
        rate = statistics.median(one.rate for one in found)
        p99 = statistics.median(one.p99 for one in found)
        figures |= {f"{name}_requests_per_second": round(rate, 1), f"{name}_p99_ms": round(p99, 2)}
        table.add_row(name, f"{rate:.0f}", f"{p99:.1f}")
    console = Console()
    console.print(table)
    console.print({name: value for name, value in figures.items() if "over" in name})
    libraries = ("flask", "gunicorn", "onnxruntime", "pymongo", "msgspec")
    versions = {name: importlib.metadata.version(name) for name in libraries}
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(
        json.dumps(
            {"figures": figures, "command": "make bench-predict",
             "versions": {"python": platform.python_version(), **versions}},
            indent=1,
        ) + "\n"
    )  # fmt: skip


if __name__ == "__main__":
    main()
