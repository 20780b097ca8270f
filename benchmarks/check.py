"""How long a check of a month of taxi rides takes and what it needs, beside Evidently's.

Both read the same two parquet files in a process of their own, in turn, compare the same columns
and write their result as JSON and as a page. Ours also counts refused rows and doubled ids,
calibrates thresholds and evaluates its conditions; Evidently runs its presets of data drift and
data summary, with the same distances. The reference is given as rows: an artifact, whose
thresholds were calibrated in training, takes less.

- `check`, `evidently`: medians over the rounds: seconds, those of the processor (a busy machine
  changes these least), and the largest resident memory.
- `ten_months`: the same month ten times, ours alone: memory does not grow with the rows.
- `largest_difference`: of the plain scores of both.
Usage: python benchmarks/check.py
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parent.parent
RESULT = ROOT / "benchmarks" / "results" / "check.json"
MODEL = ROOT / "models" / "taxi_duration"
MONTH = MODEL / "samples" / "green-2021-01.parquet"
BEFORE = MODEL / "samples" / "green-2020-03-before.parquet"
NUMBERS = ("trip_distance", "duration")
CATEGORIES = ("PULocationID", "DOLocationID")
#: Rows that a reference of a check has at most.
REFERENCE_ROWS = 50_000
ROUNDS = 3
TIMES = 10
CHECKS = "[defaults]\nmax_score = 0.1\n[columns.duration]\nmax_score = 0.1\n"


@dataclass(frozen=True, slots=True)
class Run:
    """What one process took."""

    seconds: float
    cpu_seconds: float
    peak_mib: float


def measured(command: Sequence[str], *codes: int) -> Run:
    """Run a command that ends with one of the codes; its memory is what the kernel counted."""
    begin = time.monotonic()
    process = subprocess.Popen(
        command,
        env={**os.environ, "PYTHONPATH": ":".join(sys.path), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in codes:
        raise RuntimeError(f"{command}: ended with {process.returncode}")
    cpu = usage.ru_utime + usage.ru_stime
    return Run(round(time.monotonic() - begin, 2), round(cpu, 2), round(usage.ru_maxrss / 1024, 1))


def check(folder: Path, times: int = 1) -> Run:
    """Check the month."""
    return measured(
        [
            sys.executable, "-m", "taxi_report.main", "check", "--schema",
            str(MODEL / "schema.toml"), "--reference", str(folder / "reference.parquet"),
            *(["--data", str(folder / "month.parquet")] * times),
            "--checks", str(folder / "checks.toml"),
            "--json", str(folder / f"check-{times}.json"), "--html", str(folder / "check.html"),
        ], 0, 3,
    )  # fmt: skip


def evidently(folder: Path) -> None:
    """Let Evidently compare the same files, in this process."""
    import pandas as pd
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset, DataSummaryPreset

    definition = DataDefinition(
        numerical_columns=list(NUMBERS), categorical_columns=list(CATEGORIES)
    )
    sides = []
    for name in ("month", "reference"):
        frame = pd.read_parquet(folder / f"{name}.parquet", columns=[*NUMBERS, *CATEGORIES])
        frame = frame.astype(dict.fromkeys(CATEGORIES, "str"))
        sides.append(Dataset.from_pandas(frame, data_definition=definition))
    drift = DataDriftPreset(num_method="wasserstein", cat_method="jensenshannon")
    snapshot = Report([drift, DataSummaryPreset()]).run(*sides)
    snapshot.save_html(str(folder / "evidently.html"))
    snapshot.save_json(str(folder / "evidently.json"))


def prepare(folder: Path) -> dict[str, int]:
    """Write both files with rows that a request could send alone, so that both compare the same."""
    from support.taxi_columns import SCHEMA, taxi_rides, usual

    from taxi_files.table import table_of

    found = {}
    for name, path in (("reference", BEFORE), ("month", MONTH)):
        rides = usual(taxi_rides(path.name))
        rides = rides[-REFERENCE_ROWS:] if name == "reference" else rides
        table = table_of(SCHEMA, rides, [f"{name}-{place}" for place in range(len(rides))])
        pq.write_table(table, folder / f"{name}.parquet")
        found[name] = len(rides)
    (folder / "checks.toml").write_text(CHECKS)
    return found


def largest_difference(folder: Path) -> float:
    """Return the largest difference between the plain scores of both."""
    document = json.loads((folder / "check-1.json").read_text())
    own: dict[str, float] = {
        one["column"]: one["value"]
        for one in document["conditions"]
        if one["condition"] == "max_score"
    }
    theirs: dict[str, float] = {}
    for metric in json.loads((folder / "evidently.json").read_text())["metrics"]:
        config = metric.get("config", {})
        if config.get("type", "").endswith("ValueDrift"):
            theirs[config["column"]] = float(metric["value"])
    assert own.keys() == theirs.keys() == {*NUMBERS, *CATEGORIES}
    return max(abs(score - theirs[name]) for name, score in own.items())


def median(runs: Sequence[Run]) -> dict[str, float]:
    """Return the medians of some runs."""
    return {
        "seconds": statistics.median(one.seconds for one in runs),
        "cpu_seconds": statistics.median(one.cpu_seconds for one in runs),
        "peak_mib": statistics.median(one.peak_mib for one in runs),
    }


def main() -> None:
    """Measure, print and write the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--evidently", type=Path)
    parser.add_argument("--data", help="not used")
    given = parser.parse_args()
    if given.evidently:
        evidently(given.evidently)
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows = prepare(folder)
        ours, theirs = [], []
        for _ in range(ROUNDS):
            ours.append(check(folder))
            theirs.append(measured([sys.executable, __file__, "--evidently", name], 0))
        ten = check(folder, TIMES)
        result: dict[str, Any] = {
            "machine": {
                "processors": len(os.sched_getaffinity(0)), "platform": platform.platform(),
            },
            "libraries": {one: version(one) for one in ("numpy", "pyarrow", "evidently", "pandas")},
            "rows": rows,
            "check_seconds": median(ours)["seconds"],
            "check": median(ours),
            "evidently": median(theirs),
            "evidently_over_check": {
                key: round(median(theirs)[key] / median(ours)[key], 2)
                for key in ("seconds", "cpu_seconds", "peak_mib")
            },
            "ten_months": {
                "rows": TIMES * rows["month"], **asdict(ten),
            },
            "largest_difference": largest_difference(folder),
        }  # fmt: skip
    RESULT.write_text(json.dumps(result, indent=1) + "\n")
    show(result)


def show(result: dict[str, Any]) -> None:
    """Print the result as a table."""
    table = Table("what", "rows", "seconds", "CPU seconds", "peak MiB")
    month = result["rows"]["month"]
    for name, rows in (("check", month), ("evidently", month), ("ten_months", TIMES * month)):
        run = result[name]
        table.add_row(
            name,
            f"{rows:,}",
            f"{run['seconds']:.1f}",
            f"{run['cpu_seconds']:.1f}",
            f"{run['peak_mib']:.0f}",
        )
    console = Console()
    console.print(table)
    console.print("Evidently over check:", result["evidently_over_check"])
    console.print("largest difference of scores:", result["largest_difference"])


if __name__ == "__main__":
    main()
