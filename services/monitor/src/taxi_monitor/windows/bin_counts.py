"""Rows of a version, counted in coarse bins since it is watched."""

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np

from taxi_monitor.windows.window import Floats, columns_of
from taxi_profiles import bins
from taxi_profiles.reference import Reference

#: Rows that wait to be counted together.
_MAX_WAITING: Final = 1000


class BinCounts:
    """Counts each row once, in the bins of its version's reference.

    Rows with which a window is filled at the start were counted by the process before, if they
    were: counting begins after that. Rows are counted together, when enough of them came or the
    counts are asked for. The caller holds a lock.

    Args:
        reference: Of the version.
        names: Of the columns of its rows, in their order.
    """

    def __init__(self, reference: Reference, names: Sequence[str]) -> None:
        self.bins = bins.bins_of(reference)
        self._names = tuple(names)
        self._counts = {name: np.zeros(len(one.names)) for name, one in self.bins.items()}
        self._waiting: list[Floats] = []
        self._rows = 0
        self._begun = False

    def begin(self) -> None:
        """Count rows from now on."""
        self._begun = True

    def add(self, table: Floats) -> None:
        """Count rows, a table as `Rows` has it."""
        if not self._begun or not len(table):
            return
        self._waiting.append(table)
        self._rows += len(table)
        if self._rows >= _MAX_WAITING:
            self._count()

    def counts(self) -> Iterator[tuple[str, str, float]]:
        """Yield column, bin and rows of every bin."""
        self._count()
        for name, one in self.bins.items():
            for text, rows in zip(one.names, self._counts[name].tolist(), strict=True):
                yield name, text, rows

    def _count(self) -> None:
        if not self._waiting:
            return
        table = np.concatenate(self._waiting)
        self._waiting, self._rows = [], 0
        columns = columns_of(table, self._names)
        for name, counts in bins.count(self.bins, columns).items():
            self._counts[name] += counts
