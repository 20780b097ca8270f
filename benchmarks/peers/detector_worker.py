"""Runs a detector of another library in its own environment: `python -m peers.detector_worker`.

Arguments are a module of this folder and a class of it, made without arguments. Messages on the
standard input are answered on the standard output, one each.
"""

import importlib
import os
import sys
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from peers import blobs

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Table:
    """Rows as columns of floats: numbers, codes of categories, prediction and target.

    Attributes:
        columns: By name, each of shape (n,); NaN is missing.
        numbers: Names of the inputs that are numbers.
        categories: Names of the inputs that are categories.
    """

    columns: Mapping[str, Floats]
    numbers: tuple[str, ...]
    categories: tuple[str, ...]

    @property
    def prediction(self) -> Floats:
        """The model's answers."""
        return self.columns["prediction"]

    @property
    def target(self) -> Floats:
        """Labels."""
        return self.columns["target"]

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of all inputs."""
        return (*self.numbers, *self.categories)

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.prediction)


class Detector(Protocol):
    """A detector of another library."""

    def fit(self, reference: Table) -> None:
        """Learn from rows in the order of time, with out-of-fold predictions and labels."""

    def begin(self) -> None:
        """Forget all rows but the reference."""

    def feed(self, rows: Table, labelled: Table) -> tuple[bool, list[str]]:
        """Take what came; return whether there is an alarm, and what is blamed, worst first."""


def tables_of(head: Mapping[str, Any], arrays: Mapping[str, Floats]) -> dict[str, Table]:
    """Return the tables of a message."""
    kinds = tuple(head["numbers"]), tuple(head["categories"])
    names = [*kinds[0], *kinds[1], "prediction", "target"]
    return {
        table: Table({name: arrays[f"{table}/{place}"] for place, name in enumerate(names)}, *kinds)
        for table in head["tables"]
    }


def main() -> None:
    """Answer until the input ends."""
    # What libraries print must not stand between the answers.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    warnings.simplefilter("ignore")
    module, name = sys.argv[1:]
    detector: Detector = getattr(importlib.import_module(f"peers.{module}"), name)()
    while (message := blobs.read(sys.stdin.buffer)) is not None:
        head, arrays = message
        tables = tables_of(head, arrays)
        answer: dict[str, Any] = {}
        if head["what"] == "fit":
            detector.fit(tables["reference"])
        elif head["what"] == "begin":
            detector.begin()
        else:
            alarm, blamed = detector.feed(tables["rows"], tables["labelled"])
            answer = {"alarm": bool(alarm), "blamed": blamed}
        blobs.write(answers, answer)


if __name__ == "__main__":
    main()
