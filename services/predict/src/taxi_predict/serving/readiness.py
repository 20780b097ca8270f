"""Which workers of a pod can answer: the pod is ready when all can.

The kernel gives a connection to any worker, so a pod with one that still loads would answer
some rows with 503.
"""

import os
import shutil
from pathlib import Path


class WorkerReadiness:
    """The workers of one gunicorn.

    Args:
        folder: Where each leaves a file; of this gunicorn alone.
        workers: How many there are to be.
    """

    def __init__(self, folder: Path, workers: int) -> None:
        self._folder = folder
        self._workers = workers

    def clear(self) -> None:
        """Forget the workers before us, whose process ids may be ours now."""
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir(parents=True)

    def mark_ready(self) -> None:
        """Say that this worker can answer."""
        (self._folder / str(os.getpid())).touch()

    def mark_gone(self, pid: int) -> None:
        """Say that a worker is gone."""
        (self._folder / str(pid)).unlink(missing_ok=True)

    def all_ready(self) -> bool:
        """Tell whether all workers can answer."""
        return sum(1 for _ in self._folder.iterdir()) >= self._workers
