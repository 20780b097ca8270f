"""How long a batch report takes and what it needs, beside Evidently on the whole.

The baseline reads the whole log into one frame and gives it to Evidently's presets, as the system
that this one succeeds did (with the Evidently and the machine of today). Both work on the same
documents, half of them labelled, in the same run. Documents are made of the shipped rides of March
2020, drawn with replacement, in a mongod on loopback with 1 GiB of cache.

- `small`: 100,000 documents: seconds and peak memory of all processes (largest sum of their
  proportional set sizes, sampled), ours with and without the page, and the baseline's.
- `large`: more documents, ours alone: seconds, peak memory, rows a second.
- `scaling`: one process and two, in turn, medians.
- `merge`: largest relative difference of any figure between partitions and a single pass.
Usage: python benchmarks/report.py [--rows 1000000 10000000]
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from support.report_log import Written, at_random, register, write_rides
from support.taxi_artifacts import taxi_artifact
from support.taxi_columns import taxi_rides, usual

from taxi_domain.mongodb import LABELS, PREDICTIONS
from taxi_local.mongod import Mongod, running_mongod
from taxi_store.connection import connect, database_of
from taxi_store.registry.artifacts import Artifact

ROOT = Path(__file__).resolve().parent.parent
RESULT = ROOT / "benchmarks" / "results" / "report.json"
SMALL = 100_000
ROUNDS = 3
_BATCH = 200_000
_KIB = 1024


@dataclass(frozen=True, slots=True)
class Run:
    """What one process and its children took."""

    seconds: float
    peak_mib: float


def measured(command: Sequence[str], environment: dict[str, str]) -> Run:
    """Run a command; sample the memory of its process tree."""
    begin = time.monotonic()
    process = subprocess.Popen(
        command,
        env={**os.environ, **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    peak, done = [0.0], threading.Event()

    def watch() -> None:
        while not done.wait(0.1):
            peak[0] = max(peak[0], sum(map(_pss_mib, _tree(process.pid))))

    watcher = threading.Thread(target=watch)
    watcher.start()
    _, errors = process.communicate()
    seconds = time.monotonic() - begin
    done.set()
    watcher.join()
    if process.returncode:
        raise RuntimeError(errors.decode()[-2000:])
    return Run(round(seconds, 2), round(peak[0], 1))


def _tree(pid: int) -> list[int]:
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []
    return [pid, *(one for child in children for one in _tree(int(child)))]


def _pss_mib(pid: int) -> float:
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) / _KIB
    except OSError:
        pass
    return 0.0


def report(
    server: Mongod, written: Written, *, output: str, processes: int, out: Path | None = None
) -> Run:
    """Make the report of all that was written."""
    command = [
        sys.executable, "-m", "taxi_report.main", "run", "--from", written.start.isoformat(),
        "--to", written.end.isoformat(), "--output", output,
        *([] if out is None else ["--out", str(out)]),
    ]  # fmt: skip
    return measured(
        command,
        {
            "TAXI_MONGODB_URI": server.uri, "TAXI_REPORT_PROCESSES": str(processes),
            "PYTHONPATH": ":".join(sys.path), "OMP_NUM_THREADS": "1",
        },
    )  # fmt: skip


def fill(server: Mongod, rows: int, artifact: Artifact) -> Written:
    """Write a log of so many documents, half of them labelled, in place of what is there."""
    rides = usual(taxi_rides("green-2020-03-after.parquet"))
    with connect(server.uri, app_name="bench", timeout_seconds=120) as client:
        database = database_of(client)
        for name in (PREDICTIONS, LABELS):
            database[name].delete_many({})
        found = [
            write_rides(
                database, at_random(rides, min(_BATCH, rows - begin), begin), artifact,
                labelled=0.5, prefix=f"r{begin}",
            )
            for begin in range(0, rows, _BATCH)
        ]  # fmt: skip
    return Written(
        min(one.start for one in found), max(one.end for one in found),
        sum(one.rows for one in found), sum(one.labelled for one in found),
    )  # fmt: skip


def baseline(uri: str, page: str) -> None:
    """Read the whole log into a frame and let Evidently compare it, in this process."""
    import pandas as pd
    from evidently import DataDefinition, Dataset, Regression, Report
    from evidently.presets import DataDriftPreset, RegressionPreset

    from taxi_report.collect.reference import known_version

    with connect(uri, app_name="baseline", timeout_seconds=120) as client:
        database = database_of(client)
        first = database[PREDICTIONS].find_one()
        assert first is not None
        known = known_version(database, first["model_version"], 0.0, 1.0, 100)
        labels = {label["_id"]: label["value"] for label in database[LABELS].find()}
        is_evaluated = known.layout.schema.target.is_evaluated
        names = [one.name for one in known.layout.columns[:-1]]
        rows = []
        for one in database[PREDICTIONS].find():
            label = labels.get(one["_id"])
            target = label if label is not None and is_evaluated(label) else None
            inputs = {name: one["inputs"][name] for name in names}
            rows.append({**inputs, "prediction": one["prediction"], "target": target})
    current = pd.DataFrame(rows)
    reference = pd.DataFrame({**known.rows.columns, "target": known.rows.labels})
    kinds = {one.name: one.numeric for one in known.layout.columns}
    definition = DataDefinition(
        numerical_columns=[*(name for name, numeric in kinds.items() if numeric), "target"],
        categorical_columns=[name for name, numeric in kinds.items() if not numeric],
        regression=[Regression(target="target", prediction="prediction")],
    )
    sides = [Dataset.from_pandas(one, data_definition=definition) for one in (current, reference)]
    snapshot = Report([DataDriftPreset(), RegressionPreset()]).run(*sides)
    snapshot.save_html(page)


def largest_difference(first: Any, second: Any) -> float:
    """Return the largest relative difference between the numbers of two documents."""
    if isinstance(first, dict):
        return max(
            (largest_difference(one, second[key]) for key, one in first.items()), default=0.0
        )
    if isinstance(first, list):
        pairs = zip(first, second, strict=True)
        return max((largest_difference(one, other) for one, other in pairs), default=0.0)
    if isinstance(first, int | float) and not isinstance(first, bool):
        return (
            abs(first - second) / max(abs(first), abs(second), 1e-300) if first != second else 0.0
        )
    if first != second:
        raise ValueError(f"{first!r} is not {second!r}")
    return 0.0


def small(server: Mongod, artifact: Artifact, folder: Path) -> dict[str, Any]:
    """Compare with the baseline."""
    written = fill(server, SMALL, artifact)
    ours, pages, theirs = [], [], []
    for number in range(ROUNDS):
        ours.append(report(server, written, output="json", processes=2))
        pages.append(report(server, written, output="both", processes=2, out=folder))
        page = folder / f"baseline-{number}.html"
        theirs.append(
            measured(
                [sys.executable, __file__, "--baseline", server.uri, str(page)],
                {"PYTHONPATH": ":".join(sys.path), "OMP_NUM_THREADS": "1"},
            )
        )
    own_page = next(folder.glob("*.html"))
    return {
        "rows": written.rows, "labelled": written.labelled,
        "figures": median(ours), "with_page": median(pages), "baseline": median(theirs),
        "page_mib": round((folder / own_page.name).stat().st_size / _KIB**2, 2),
        "baseline_page_mib": round((folder / "baseline-0.html").stat().st_size / _KIB**2, 2),
        "baseline_over_ours": {
            "seconds": round(median(theirs)["seconds"] / median(pages)["seconds"], 2),
            "peak_mib": round(median(theirs)["peak_mib"] / median(pages)["peak_mib"], 2),
        },
        "merge": merge_difference(server, written, folder),
    }  # fmt: skip


def merge_difference(server: Mongod, written: Written, folder: Path) -> float:
    """Return how far partitions are from a single pass over all rows."""
    documents = []
    for rows in ("1000", "1000000"):
        out = folder / rows
        os.environ["TAXI_REPORT_PARTITION_ROWS"] = rows
        report(server, written, output="json", processes=1, out=out)
        documents.append(json.loads(next(out.glob("*.json")).read_text()))
    del os.environ["TAXI_REPORT_PARTITION_ROWS"]
    return largest_difference(*documents)


def median(runs: Sequence[Run]) -> dict[str, float]:
    """Return the medians of some runs."""
    return {
        "seconds": statistics.median(one.seconds for one in runs),
        "peak_mib": statistics.median(one.peak_mib for one in runs),
    }


def scaling(server: Mongod, written: Written) -> dict[str, float]:
    """Compare two processes with one, in turn."""
    ones, twos = [], []
    for _ in range(ROUNDS):
        ones.append(report(server, written, output="json", processes=1))
        twos.append(report(server, written, output="json", processes=2))
    ratios = [one.seconds / two.seconds for one, two in zip(ones, twos, strict=True)]
    return {
        "rows": written.rows, "one_process_seconds": median(ones)["seconds"],
        "two_processes_seconds": median(twos)["seconds"],
        "speedup": round(statistics.median(ratios), 2),
    }  # fmt: skip


def main() -> None:
    """Measure, print and write the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="*", default=[1_000_000])
    parser.add_argument("--baseline", nargs=2, metavar=("URI", "PAGE"))
    parser.add_argument("--data", help="not used")
    given = parser.parse_args()
    if given.baseline:
        baseline(*given.baseline)
        return
    artifact = taxi_artifact(usual(taxi_rides("green-2020-03-before.parquet"))[-40_000:])
    result: dict[str, Any] = {
        "machine": {"processors": len(os.sched_getaffinity(0)), "platform": platform.platform()},
        "libraries": {one: version(one) for one in ("numpy", "pymongo", "evidently", "pandas")},
    }
    with tempfile.TemporaryDirectory() as name, running_mongod(cache_gib=1) as server:
        folder = Path(name)
        with connect(server.uri, app_name="bench") as client:
            from datetime import UTC, datetime

            register(database_of(client), artifact, datetime.now(UTC))
        result["small"] = small(server, artifact, folder)
        result["large"] = []
        for rows in given.rows:
            written = fill(server, rows, artifact)
            if "scaling" not in result:
                result["scaling"] = scaling(server, written)
            run = report(server, written, output="both", processes=2)
            result["large"].append(
                {"rows": rows, **asdict(run), "rows_per_second": round(rows / run.seconds)}
            )
    RESULT.write_text(json.dumps(result, indent=1) + "\n")
    show(result)


def show(result: dict[str, Any]) -> None:
    """Print the result as tables."""
    table = Table("what", "rows", "seconds", "peak MiB")
    rows = f"{result['small']['rows']:,}"
    for name in ("figures", "with_page", "baseline"):
        run = result["small"][name]
        table.add_row(name, rows, f"{run['seconds']:.1f}", f"{run['peak_mib']:.0f}")
    for run in result["large"]:
        table.add_row(
            "large", f"{run['rows']:,}", f"{run['seconds']:.1f}", f"{run['peak_mib']:.0f}"
        )
    console = Console()
    console.print(table)
    console.print("baseline over ours:", result["small"]["baseline_over_ours"])
    console.print("scaling:", result.get("scaling"), "merge:", result["small"]["merge"])


if __name__ == "__main__":
    main()
