"""CPU time and memory of training on 100,000 rides, on one core.

`train` is what makes the first model: the fit, its out-of-fold errors, the reference and its
calibration. `candidate` is a whole retraining on as many new rides beside the champion's
reference: both ways tried, the better one fitted again, its artifact made. Each runs in a process
of its own, whose peak memory is the kernel's figure.
"""

import argparse
import json
import multiprocessing
import os
import platform
import resource
import time
from importlib.metadata import version
from pathlib import Path

from rich.console import Console
from streams import ROOT, TAXI, sample

from taxi_schema.columns.rows import LabelledRows
from taxi_train.artifact.builder import reference_rows
from taxi_train.data.split import split
from taxi_train.fitting.candidates import Trainer

RESULT = ROOT / "benchmarks" / "results" / "fit.json"


def new_rides(rows: int) -> LabelledRows:
    """Return so many real rides; they are of the largest shipped sample."""
    rides = sample("green-2020-03-before")
    if len(rides) < rows:
        raise SystemExit(f"--rides: the sample has {len(rides)} rides; ask for fewer")
    return rides[:rows]


def train(rows: int) -> None:
    """Make a first model."""
    Trainer(TAXI).train(new_rides(rows))


def candidate(rows: int) -> None:
    """Make a candidate."""
    champion = Trainer(TAXI).train(sample("green-2021-01")[:20_000])
    old = reference_rows(TAXI, champion)
    Trainer(TAXI).make_candidate(old, split(new_rides(rows), 1000))


WORK = {"train": train, "candidate": candidate}


def measured(name: str, rows: int) -> dict[str, float]:
    """Run in a fresh process on one core."""
    queue: multiprocessing.Queue[dict[str, float]] = multiprocessing.Queue()
    process = multiprocessing.Process(target=_measure, args=(name, rows, queue))
    process.start()
    found = queue.get(timeout=1800)
    process.join(60)
    return found


def _measure(name: str, rows: int, queue: "multiprocessing.Queue[dict[str, float]]") -> None:
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    begin = time.monotonic()
    WORK[name](rows)
    usage = resource.getrusage(resource.RUSAGE_SELF)
    queue.put(
        {
            f"{name}_cpu_seconds": round(usage.ru_utime + usage.ru_stime, 1),
            f"{name}_wall_seconds": round(time.monotonic() - begin, 1),
            f"{name}_peak_mib": round(usage.ru_maxrss / 1024, 1),
        }
    )


def main() -> None:
    """Measure, print, write the result file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rides", type=int, default=100_000)
    options = parser.parse_args()
    multiprocessing.set_start_method("spawn")
    figures: dict[str, float] = {"rides": options.rides}
    for name in WORK:
        figures |= measured(name, options.rides)
    Console().print(figures)
    libraries = ("numpy", "scikit-learn", "skl2onnx")
    versions = {name: version(name) for name in libraries}
    Path(RESULT).write_text(
        json.dumps(
            {"figures": figures, "command": "make bench-fit",
             "versions": {"python": platform.python_version(), **versions}},
            indent=1,
        ) + "\n"
    )  # fmt: skip


if __name__ == "__main__":
    main()
