"""The system before schemas (commit ee75685): its own code, interpreter and pins as today's.

Its files come out of the repository's history into the cache; it makes its model, registers it,
serves it and monitors it with its own code. Its pins of what serves are those of today.
"""

import io
import os
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from support.monitor import TOKEN, Monitor
from support.predictor import Predictor

from serving.arms import Arm, Bench, running
from taxi_cluster.cache import cache_folder, exclusive, repository
from taxi_local.mongod import running_mongod

COMMIT = "ee75685"
_ARTIFACT = "artifact.tar"
_TRAIN = f"""
from pathlib import Path
from taxi_store.artifacts import pack
from taxi_train.candidates import train
from taxi_train.main import SAMPLES
from taxi_train.rides import read_file
Path("{_ARTIFACT}").write_bytes(pack(train(read_file(SAMPLES / "green-2021-01.parquet")).files))
"""
_REGISTER = f"""
import sys
from pathlib import Path
from fixtures_predictor import register
from taxi_domain.models import Alias
from taxi_store.artifacts import unpack
register(sys.argv[1], Alias.CHAMPION, unpack(Path("{_ARTIFACT}").read_bytes()))
"""
_SOURCES = ("libs/*/src", "services/*/src", "jobs/*/src", "operator/src", "tools/*/src")


def checkout() -> Path:
    """Return the commit's files, with its model of the taxi example among them."""
    folder = cache_folder() / f"base-{COMMIT}"
    with exclusive("base"):
        if not (folder / "Makefile").exists():
            packed = subprocess.run(
                ["git", "-C", str(repository()), "archive", COMMIT],
                capture_output=True, check=False,
            )  # fmt: skip
            if packed.returncode:
                raise SystemExit(
                    f"commit {COMMIT}: is not in this clone's history; fetch it whole "
                    "(git fetch --unshallow)"
                )
            with tarfile.open(fileobj=io.BytesIO(packed.stdout)) as archive:
                archive.extractall(folder, filter="data")
        if not (folder / _ARTIFACT).exists():
            _run(folder, _TRAIN)
    return folder


@contextmanager
def base_arm(bench: Bench) -> Iterator[Arm]:
    """Run its predictor as in production, with a MongoDB and its monitor."""
    source, folder = checkout(), bench.subfolder("base")
    paths = {"PYTHONPATH": _python_path(source)}
    with running_mongod() as mongod:
        _run(source, _REGISTER, mongod.uri)
        monitor = Monitor(folder, mongod.uri, TAXI_MONITOR_EVALUATION_SECONDS="5", **paths)
        predictor = Predictor(
            folder, mongod.uri, TAXI_MONITOR_URL=monitor.url, TAXI_MONITOR_TOKEN=TOKEN,
            TAXI_PREDICT_WORKERS=str(bench.workers), **paths,
        )  # fmt: skip
        predictor.command = (sys.executable, "-m", "taxi_predict.main")
        for part in (monitor, predictor):
            part.metrics_url = part.url  # it had one port for all
        monitor.start()
        try:
            with running(bench, predictor):
                yield Arm(predictor, others=(mongod.pid, *monitor.pids()), logs=True)
        finally:
            monitor.stop()


def _python_path(source: Path) -> str:
    folders = [folder for pattern in _SOURCES for folder in sorted(source.glob(pattern))]
    return ":".join(map(str, folders))


def _run(source: Path, program: str, *arguments: str) -> None:
    paths = f"{_python_path(source)}:{source / 'tests'}"
    subprocess.run(
        [sys.executable, "-c", program, *arguments],
        cwd=source, env={**os.environ, "PYTHONPATH": paths}, check=True, timeout=900,
    )  # fmt: skip
