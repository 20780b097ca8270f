"""What monitoring costs, beside Evidently, NannyML and alibi-detect in the same run.

- Evaluation: CPU time of comparing 5,000 rows of nine columns (four numbers, three categories,
  prediction, label) with references of 5,000, 50,000 and 500,000 rows. Ours is what the monitor's
  thread does: both windows, thresholds, error; with `cheap_scores` eight scores by name beside it,
  with `all_scores` all of them; `evidence` is that of ten blocks of rows and ten of labels. The
  others: Evidently's preset of data drift, and its tests without
  the report; NannyML's univariate drift, fitted before; alibi-detect's test of tables.
- Ingest: CPU time of the real monitor's worker for a row posted as the predictor posts it, HTTP and
  decoding included; with a window of 2,000 and of 50,000 rows.
- Labels: the time that 100,000 posted labels take, and when they are posted again.
- Restart: from the start of a killed monitor's process until its gauges are what they were, with a
  window and a log of 50,000 rows.
- Memory: resident memory of that worker over ten million posted rows, with an evaluation every 5
  seconds; `logged`: as many that it reads from the log, too, each with its label, with the evidence
  of blocks.

All take turns, one process at a time on one thread; ratios hold on a busy machine.
Growth is that of the second half of the rows.
Usage: python benchmarks/monitor.py [--parts evaluations] [--rows 10000000]
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "benchmarks")]

import numpy as np  # noqa: E402 - found by the path above
from monitoring.ingest import artifact, ingest, labels, memory  # noqa: E402
from monitoring.restart import restart  # noqa: E402
from monitoring.rides import rides  # noqa: E402
from peers.environments import environment, pinned  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402

RESULT = ROOT / "benchmarks" / "results" / "monitor.json"
WINDOW_ROWS = 5000
REFERENCES = (5000, 50_000, 500_000)
#: Environment of each arm; None is this one.
ARMS = {
    "evidently": None, "evidently_tests": None, "nannyml": "detectors", "alibi": "alibi",
}  # fmt: skip
INGEST_ROWS, INGEST_ROUNDS = 200_000, 5
LABELS = 100_000
RESTART_ROWS, RESTART_ROUNDS = 50_000, 5
PARTS = ("evaluations", "ingest", "labels", "restart", "memory")
#: Figure, whether it should be at least or at most this, and the limit.
TARGETS = (
    ("evaluation_cpu_ms", "at most", 15.0),
    ("evidence_of_rows_cpu_ms", "at most", 15.0), ("evidence_of_labels_cpu_ms", "at most", 15.0),
    ("evidently_over_ours", "at least", 1.0),
    ("nannyml_over_ours", "at least", 1.0), ("alibi_over_ours", "at least", 1.0),
    ("ingest_us_per_row", "at most", 10.0), ("wide_over_usual_ingest", "at most", 1.2),
    ("labels_seconds", "at most", 10.0), ("repeated_labels_seconds", "at most", 10.0),
    ("restart_window_seconds", "at most", 3.0), ("restart_evidence_seconds", "at most", 3.0),
    ("memory_mib", "at most", 130.0), ("memory_growth_mib", "at most", 5.0),
    ("logged_memory_mib", "at most", 130.0), ("logged_memory_growth_mib", "at most", 5.0),
)  # fmt: skip


def measured(command: list[str]) -> dict[str, float]:
    """Run a measurement in a process of its own; return what it printed."""
    paths = ":".join(path for path in sys.path if path)
    done = subprocess.run(
        command, capture_output=True, text=True, check=False,
        timeout=3600,
        env={**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1", "DO_NOT_TRACK": "1",
             "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"},
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"{command}: {done.stderr[-2000:]}")
    # Libraries greet on the standard output.
    found: dict[str, float] = json.loads(done.stdout[done.stdout.rindex("{") :])
    return found


def peer(arm: str, paths: list[str]) -> float:
    """Return the CPU time of a call of another library, ms."""
    name = ARMS[arm]
    python = sys.executable if name is None else str(environment(name) / "bin" / "python")
    folder = str(ROOT / "benchmarks")
    # Its own packages alone: of ours it only has this folder.
    command = ["env", f"PYTHONPATH={folder}", python, "-m", "peers.monitor_arms", arm, *paths]
    return measured(command)["cpu_ms"]


def evaluations(folder: Path, references: tuple[int, ...]) -> dict[str, Any]:
    """Measure evaluations with references of several sizes."""
    window = folder / "window.npz"
    _save(window, rides(WINDOW_ROWS, 3, 1.05))
    found = {}
    for rows in references:
        reference = folder / f"reference-{rows}.npz"
        _save(reference, rides(rows, 1))
        paths = [str(reference), str(window)]
        own = measured([sys.executable, "-m", "monitoring.evaluation", *paths])
        found[str(rows)] = {"ours": own, **{arm: peer(arm, paths) for arm in ARMS}}
        Console().print(f"reference of {rows} rows:", found[str(rows)])
    return found


def _save(path: Path, columns: Mapping[str, Any]) -> None:
    np.savez(path, allow_pickle=False, **columns)


def figures_of(found: dict[str, Any]) -> dict[str, float]:
    """Return what has targets: of the evaluations the worst of all references."""
    by_size = found["evaluations"].values()
    ratios = {
        f"{arm}_over_ours": min(one[arm] / one["ours"]["cpu_ms"] for one in by_size) for arm in ARMS
    }
    taken, posted = found["ingest"], found["memory"]["posted"]
    logged = found["memory"]["logged"]
    return {
        "evaluation_cpu_ms": max(one["ours"]["cpu_ms"] for one in by_size),
        **{
            name: max(one["ours"][name] for one in by_size)
            for name in ("evidence_of_rows_cpu_ms", "evidence_of_labels_cpu_ms")
        },
        **ratios,
        "ingest_us_per_row": taken["us_per_row"],
        "wide_over_usual_ingest": taken["wide_us_per_row"] / taken["us_per_row"],
        "labels_seconds": found["labels"]["seconds"],
        "repeated_labels_seconds": found["labels"]["repeated_seconds"],
        **{f"restart_{name}": value for name, value in found["restart"].items()},
        "memory_mib": max(posted["tenths"]),
        "memory_growth_mib": posted["tenths"][-1] - posted["tenths"][4],
        "logged_us_per_row": logged["us_per_row"],
        "logged_rows_per_second": logged["rows_per_second"],
        "evidence_behind_seconds": max(logged["behind"][4:]),
        "logged_memory_mib": max(logged["tenths"]),
        "logged_memory_growth_mib": logged["tenths"][-1] - logged["tenths"][4],
    }


def parts(wanted: Sequence[str], rows: int, references: tuple[int, ...]) -> dict[str, Any]:
    """Measure some parts."""
    found: dict[str, Any] = {}
    if "evaluations" in wanted:
        with tempfile.TemporaryDirectory() as text:
            found["evaluations"] = evaluations(Path(text), references)
    known = artifact() if {*wanted} - {"evaluations"} else None
    if "ingest" in wanted:
        assert known is not None
        found["ingest"] = asdict(ingest(known, INGEST_ROWS, INGEST_ROUNDS))
    if "labels" in wanted:
        assert known is not None
        found["labels"] = asdict(labels(known, LABELS))
    if "restart" in wanted:
        assert known is not None
        found["restart"] = asdict(restart(known, RESTART_ROWS, RESTART_ROUNDS))
    if "memory" in wanted:
        assert known is not None
        found["memory"] = {
            "posted": {"rows": rows, **asdict(memory(known, rows, logged=False))},
            "logged": {"rows": rows, **asdict(memory(known, rows, logged=True))},
        }
    return found


def main() -> None:
    """Measure, print and write the result."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, default=10_000_000, help="rows of the memory's part")
    parser.add_argument("--references", type=int, nargs="*", default=REFERENCES)
    parser.add_argument("--parts", nargs="*", choices=PARTS, default=PARTS,
                        help="measure these anew, and keep the others of the result")  # fmt: skip
    parser.add_argument("--result", type=Path, default=RESULT)
    options = parser.parse_args()
    kept = json.loads(options.result.read_text()) if set(PARTS) - set(options.parts) else {}
    measured_now = parts(options.parts, options.rows, tuple(options.references))
    found = {part: measured_now.get(part) or kept[part] for part in PARTS}
    found = json.loads(json.dumps(found), parse_float=lambda one: float(f"{float(one):.4g}"))
    figures = {name: float(f"{value:.3g}") for name, value in figures_of(found).items()}
    table = Table("figure", "target", "measured", "")
    for name, bound, limit in TARGETS:
        met = figures[name] >= limit if bound == "at least" else figures[name] <= limit
        table.add_row(name, f"{bound} {limit}", str(figures[name]), "" if met else "missed")
    Console().print(table)
    document = {
        "figures": figures,
        **found,
        "command": "make bench-monitor",
        "machine": {
            "processors": os.cpu_count(), "platform": platform.platform(),
            # Seconds, unlike times of the CPU, are longer where others work beside.
            "load": round(os.getloadavg()[0], 1),
        },
        "versions": {
            "python": platform.python_version(), "numpy": version("numpy"),
            "evidently": version("evidently"), "nannyml": pinned("nannyml", "detectors"),
            "alibi-detect": pinned("alibi-detect", "alibi"),
        },
    }  # fmt: skip
    options.result.parent.mkdir(exist_ok=True)
    options.result.write_text(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    main()
