"""Speed and memory of `taxi-predict score`, on one core, and seconds of `taxi-labels load`.

The model is the taxi example's, fitted on January 2021; the rides are those of the largest shipped
sample, with ids of their own, as often as they are needed. Each run is the command in a process
of its own, from its start to its end; its peak memory is the kernel's figure. Before, a part of
the rides is answered row by row as by the predictor, and both answers are compared bit by bit.
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
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from rich.console import Console
from streams import ROOT, SAMPLES, TAXI, sample

from taxi_domain.models import MODEL_NAME, Alias, ModelState
from taxi_local.mongod import running_mongod
from taxi_predict.serving.loaded_model import LoadedModel, loaded
from taxi_store.connection import connect, database_of
from taxi_store.registry.artifacts import Artifact, pack
from taxi_store.registry.registry import Registry
from taxi_train.fitting.candidates import Trainer

RESULT = ROOT / "benchmarks" / "results" / "score.json"
LARGE = 5
COMPARED = 20_000
PIECE = 200_000
LABELS = 100_000


def write_rides(path: Path, rows: int) -> None:
    """Write so many rides in row groups as large as other tools' are."""
    table = pq.read_table(SAMPLES / "green-2020-03-before.parquet")
    with pq.ParquetWriter(path, _with_ids(table, 0, 0).schema) as writer:
        for first in range(0, rows, PIECE):
            writer.write_table(_with_ids(table, first, min(PIECE, rows - first)))


def _with_ids(table: pa.Table, first: int, rows: int) -> pa.Table:
    places = np.arange(first, first + rows)
    names = [column.name for column in TAXI.columns]
    assert TAXI.event_time is not None
    taken = table.select([TAXI.event_time.name, *names]).take(places % table.num_rows)
    ids = pa.array([f"ride-{place:09d}" for place in places.tolist()], pa.string())
    return taken.add_column(0, TAXI.id, ids)


def compare(model: LoadedModel, rides: Path, out: Path) -> None:
    """Require that rides have the same answers row by row."""
    names = [TAXI.id, *(column.name for column in TAXI.columns)]
    assert TAXI.event_time is not None
    for row, answer in zip(
        pq.read_table(rides).slice(0, COMPARED).to_pylist(),
        pq.read_table(out).slice(0, COMPARED).to_pylist(), strict=True,
    ):  # fmt: skip
        if answer["problem"] is None:
            body = {name: row[name] for name in names}
            body[TAXI.event_time.name] = row[TAXI.event_time.name].isoformat()
            (expected,) = model.graph.predict([model.features(model.parse(body))])
            assert expected == answer["prediction"], (row, answer, expected)


def measured(model: Path, rides: Path, out: Path, *options: str, uri: str = "") -> dict[str, float]:
    """Run the command on one core; return its seconds and peak memory."""
    variables = {**os.environ, "OMP_NUM_THREADS": "1"} | ({"TAXI_MONGODB_URI": uri} if uri else {})
    begin = time.monotonic()
    process = subprocess.Popen(
        ["taskset", "-c", "1", sys.executable, "-m", "taxi_predict.batch.main", "score",
         "--model", str(model), *options, str(rides), str(out)], env=variables,
    )  # fmt: skip
    # What `wait4` says of the memory has that of this process in it, from before the exec.
    peak = 0
    while (done := os.wait4(process.pid, os.WNOHANG))[0] == 0:
        status = Path(f"/proc/{process.pid}/status").read_text()
        peak = max([peak, *map(int, re.findall(r"VmHWM:\s+(\d+)", status))])
        time.sleep(0.1)
    seconds = time.monotonic() - begin
    _, code, usage = done
    if code:
        raise SystemExit(f"score: ended with {code}")
    return {"seconds": seconds, "cpu": usage.ru_utime + usage.ru_stime, "kib": peak}


def label(artifact: Artifact, rides: Path, uri: str) -> list[float]:
    """Load the labels of logged rides, and the same again; return the seconds of both."""
    with connect(uri, app_name="bench", timeout_seconds=30) as client:
        registry, now = Registry(database_of(client)), datetime.now(UTC)
        version = registry.add(artifact, model=MODEL_NAME, state=ModelState.ACCEPTED, now=now)
        registry.move_alias(
            MODEL_NAME, Alias.CHAMPION, to=version, expected=None, by="bench", now=now
        )
    labels = rides.with_name("labels.parquet")
    ids = pq.ParquetFile(rides).read_row_group(0, columns=[TAXI.id])[TAXI.id][:LABELS]
    pq.write_table(pa.table({TAXI.id: ids, TAXI.target.name: np.full(LABELS, 10.0)}), labels)
    seconds = []
    for _ in range(2):
        begin = time.monotonic()
        subprocess.run(
            ["taskset", "-c", "1", sys.executable, "-m", "taxi_report.labels.main", "load",
             str(labels)],
            env={**os.environ, "OMP_NUM_THREADS": "1", "TAXI_MONGODB_URI": uri}, check=True,
        )  # fmt: skip
        seconds.append(time.monotonic() - begin)
    return seconds


def figures_of(artifact: Artifact, rows: int, folder: Path) -> dict[str, float]:
    """Measure all."""
    model, rides, out = (folder / name for name in ("champion.tar", "rides.parquet", "out.parquet"))
    model.write_bytes(pack(artifact.files))
    write_rides(rides, rows)
    plain = measured(model, rides, out)
    compare(loaded(artifact), rides, out)
    with running_mongod() as mongod:
        logged = measured(model, rides, out, "--log", uri=mongod.uri)
        labelled, again = label(artifact, rides, mongod.uri)
    write_rides(rides, LARGE * rows)
    large = measured(model, rides, out)
    return {
        "rows": rows,
        "score_seconds": round(plain["seconds"], 1),
        "score_cpu_seconds": round(plain["cpu"], 1),
        "score_rows_per_s": round(rows / plain["seconds"]),
        "score_rows_per_s_with_log": round(rows / logged["seconds"]),
        "peak_mib": round(plain["kib"] / 1024, 1),
        "peak_mib_with_log": round(logged["kib"] / 1024, 1),
        f"peak_mib_of_{LARGE}_times_the_rows": round(large["kib"] / 1024, 1),
        f"seconds_of_{LARGE}_times_the_rows": round(large["seconds"], 1),
        "compared_rows": COMPARED,
        "labels": LABELS,
        "labels_seconds": round(labelled, 1),
        "labels_again_seconds": round(again, 1),
    }


def main() -> None:
    """Measure, print, write the result file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rides", type=int, default=1_000_000)
    options = parser.parse_args()
    artifact = Trainer(TAXI).train(sample("green-2021-01"))
    with tempfile.TemporaryDirectory() as folder:
        figures = figures_of(artifact, options.rides, Path(folder))
    Console().print(figures)
    libraries = ("numpy", "onnxruntime", "pyarrow", "pymongo")
    RESULT.write_text(
        json.dumps(
            {"figures": figures, "command": "make bench-score",
             "versions": {
                 "python": platform.python_version(), **{name: version(name) for name in libraries}
             }},
            indent=1,
        ) + "\n"
    )  # fmt: skip


if __name__ == "__main__":
    main()
