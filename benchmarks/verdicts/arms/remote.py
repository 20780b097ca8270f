"""Detectors of other libraries, each in a process of its own environment."""

import os
import select
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Final

import numpy as np
from numpy.typing import NDArray
from peers import blobs
from peers.environments import environment
from streams import window_columns

from taxi_profiles.reference import PREDICTION, TARGET, Reference
from taxi_schema.columns.rows import LabelledRows
from taxi_schema.schema import Schema
from verdicts.arms.interface import State
from verdicts.champions import Champion
from verdicts.traffic import Step

Floats = NDArray[np.float64]

_BENCHMARKS: Final = Path(__file__).parents[2]
#: Seconds that a fit, and any other answer, may take.
_FIT_TIMEOUT: Final = 900.0
_TIMEOUT: Final = 120.0


class RemoteError(Exception):
    """A detector's process ended or does not answer; its last words stand above."""


class RemoteArm:
    """A detector that a worker process runs.

    Args:
        name: As tables call it.
        arguments: Of Python; what runs answers as `peers.detector_worker`.
        pins: Name of its environment; empty for that of the project.
    """

    def __init__(self, name: str, arguments: Sequence[str], pins: str = "") -> None:
        self.name, self._arguments, self._pins = name, arguments, pins
        self._process: subprocess.Popen[bytes] | None = None
        self._champion: Champion | None = None

    def fit(self, champion: Champion) -> None:
        """Let the worker learn from the champion's reference."""
        self.fit_within(champion, _FIT_TIMEOUT)

    def fit_within(self, champion: Champion, timeout: float) -> None:
        """Let the worker learn in so many seconds.

        Raises:
            RemoteError: it ended or does not answer in time.
        """
        self._champion = champion
        self.ask("fit", {"reference": champion.rows}, timeout)

    def begin(self) -> "RemoteWatch":
        """Let the worker forget all rows but the reference."""
        self.ask("begin", {})
        return RemoteWatch(self)

    def close(self) -> None:
        """End the worker."""
        if self._process is None:
            return
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def ask(
        self, what: str, tables: Mapping[str, LabelledRows], timeout: float = _TIMEOUT
    ) -> dict[str, Any]:
        """Send tables and return the answer.

        Raises:
            RemoteError: the worker ended or does not answer in time.
        """
        process = self._running()
        assert process.stdin is not None
        assert process.stdout is not None
        assert self._champion is not None
        head, arrays = _message(self._champion.schema, self._champion.reference, tables)
        try:
            blobs.write(process.stdin, {**head, "what": what}, arrays)
        except BrokenPipeError as error:
            raise RemoteError(f"{self.name}: its process ended; see its output above") from error
        answer = _answer(process.stdout, timeout)
        if answer is None:
            process.kill()
            raise RemoteError(f"{self.name}: no answer to {what} in {timeout:g} s, or it ended")
        return answer

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            python = (
                str(environment(self._pins) / "bin" / "python") if self._pins else sys.executable
            )
            self._process = subprocess.Popen(
                [python, *self._arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                cwd=_BENCHMARKS, env={**os.environ, **_QUIET, "PYTHONPATH": str(_BENCHMARKS)},
            )  # fmt: skip
        return self._process


#: None of them tells anybody that it runs, and each uses one core.
_QUIET: Final = {
    "DO_NOT_TRACK": "1", "NML_DISABLE_USAGE_LOGGING": "1", "OMP_NUM_THREADS": "1",
    "PYTHONWARNINGS": "ignore",
}  # fmt: skip


class RemoteWatch:
    """One stream of a worker's detector."""

    def __init__(self, arm: RemoteArm) -> None:
        self._arm = arm

    def feed(self, step: Step) -> State:
        """Let the worker take what came."""
        answer = self._arm.ask("feed", {"rows": step.rows, "labelled": step.labelled})
        return State(answer["alarm"], tuple(answer["blamed"]))


def _answer(stream: IO[bytes], timeout: float) -> dict[str, Any] | None:
    ready, _, _ = select.select([stream], [], [], timeout)
    message = blobs.read(stream) if ready else None
    return None if message is None else dict(message[0])


def _message(
    schema: Schema, reference: Reference, tables: Mapping[str, LabelledRows]
) -> tuple[dict[str, Any], dict[str, Floats]]:
    """Return tables as arrays of floats, columns by their places."""
    inputs = [column.name for column in schema.inputs if column.name in reference.columns]
    categories = [name for name in inputs if name in reference.categorical]
    numbers = [name for name in inputs if name not in reference.categorical]
    names = [*numbers, *categories, PREDICTION, TARGET]
    arrays = {}
    for table, rows in tables.items():
        columns = window_columns(schema, reference, rows)
        for place, name in enumerate(names):
            arrays[f"{table}/{place}"] = np.asarray(columns[name], np.float64)
    return {"numbers": numbers, "categories": categories, "tables": list(tables)}, arrays
