"""Speed, size and memory of `taxi-data backup`, `verify` and `restore`, with a real mongod.

The log has rides of the largest shipped sample, each with a label, as often as they are needed.
Each run is the command in a process of its own, from its start to its end; its peak memory is the
kernel's figure.
"""

import argparse
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path

from rich.console import Console
from streams import ROOT, sample

from taxi_domain.models import MODEL_NAME
from taxi_domain.mongodb import LABELS, PREDICTIONS
from taxi_domain.records import PredictionRecord
from taxi_local.mongod import running_mongod
from taxi_store.admin.indexes import ensure_indexes
from taxi_store.connection import connect

RESULT = ROOT / "benchmarks" / "results" / "data.json"
BATCH = 20_000
WHY = ("--by", "bench", "--reason", "bench")


def write_log(uri: str, rows: int) -> None:
    """Log rides and their labels."""
    rides = sample("green-2020-03-before")
    now = datetime.now(UTC)
    columns = {name: rides.columns[name].tolist() for name in rides.columns}
    with connect(uri, app_name="bench", timeout_seconds=60) as client:
        database = client["taxi"]
        ensure_indexes(database)
        for first in range(0, rows, BATCH):
            records, labels = [], []
            for number in range(first, min(first + BATCH, rows)):
                place, ts = number % len(rides), now + timedelta(milliseconds=number)
                inputs = {name: values[place] for name, values in columns.items()}
                row_id = f"ride-{number:09d}"
                record = PredictionRecord(
                    row_id, ts, None, MODEL_NAME, "v" * 12, "champion", inputs, 10.0, 0.002
                )
                records.append({**record.to_document(), "stored_at": ts})
                labels.append({"_id": row_id, "value": 11.0, "ts": ts, "stored_at": ts})
            database[PREDICTIONS].insert_many(records, ordered=False)
            database[LABELS].insert_many(labels, ordered=False)


def measured(uri: str, *arguments: str) -> dict[str, float]:
    """Run the command; return its seconds and peak memory."""
    begin = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", "taxi_report.data.main", *arguments],
        env={**os.environ, "OMP_NUM_THREADS": "1", "TAXI_MONGODB_URI": uri},
    )
    # What `wait4` says of the memory has that of this process in it, from before the exec.
    peak = 0
    while (done := os.wait4(process.pid, os.WNOHANG))[0] == 0:
        status = Path(f"/proc/{process.pid}/status").read_text()
        peak = max([peak, *map(int, re.findall(r"VmHWM:\s+(\d+)", status))])
        time.sleep(0.05)
    _, code, usage = done
    if code:
        raise SystemExit(f"{arguments[0]}: ended with {code}")
    return {
        "seconds": round(time.monotonic() - begin, 1),
        "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 1),
        "peak_mib": round(peak / 1024, 1),
    }


def figures_of(rows: int, folder: Path) -> dict[str, float]:
    """Measure all."""
    found: dict[str, float] = {"rows": rows, "labels": rows}
    backups = str(folder / "backups")
    with running_mongod() as source:
        write_log(source.uri, rows)
        commands = [("backup", ["backup", backups]), ("verify", ["verify", backups])]
        for name, arguments in commands:
            figures = measured(source.uri, *arguments)
            found |= {f"{name}_{what}": value for what, value in figures.items()}
    with running_mongod() as target:
        figures = measured(target.uri, "restore", backups, *WHY)
        found |= {f"restore_{what}": value for what, value in figures.items()}
        with connect(target.uri, app_name="bench", timeout_seconds=60) as client:
            assert client["taxi"][PREDICTIONS].count_documents({}) == rows
    size = sum(path.stat().st_size for path in Path(backups).rglob("*") if path.is_file())
    return {**found, "backup_mb": round(size / 1e6, 1)}


def main() -> None:
    """Measure, print, write the result file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = figures_of(options.rows, Path(folder))
    Console().print(figures)
    RESULT.write_text(
        json.dumps(
            {"figures": figures, "command": "make bench-data",
             "versions": {
                 "python": platform.python_version(),
                 **{name: version(name) for name in ("pyarrow", "pymongo")},
             }},
            indent=1,
        ) + "\n"
    )  # fmt: skip


if __name__ == "__main__":
    main()
