"""The labelled rows of a version: those that are evaluated, and how many are not."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from taxi_monitor.windows.window import Floats, Mask, Rows, Snapshot, Window
from taxi_profiles.reference import TARGET
from taxi_schema.columns.limits import evaluated
from taxi_schema.target import Target


@dataclass(frozen=True, slots=True)
class LabelledSnapshot:
    """Labelled rows at one moment.

    Attributes:
        evaluated: The newest whose labels are within the target's limits.
        rows: The newest whatever their labels.
        outside: Those of `rows` whose labels are outside of the target's limits.
    """

    evaluated: Snapshot
    rows: int
    outside: int


class Labelled:
    """The newest `size` labelled rows, and the newest `size` of them that are evaluated.

    What is outside takes no place among the evaluated, so that they are as many as they should be;
    its share is of the newest labels of any value.

    Args:
        size: Rows that are kept of each.
        names: Of the columns of its rows, in their order.
        target: Tells which labels are evaluated.
    """

    def __init__(self, size: int, names: Sequence[str], target: Target) -> None:
        self._all = Window(size, names)
        self._evaluated = Window(size, names)
        self._target = target

    def add(self, rows: Rows) -> Mask:
        """Take rows with their targets; tell which are new, shape (n,): the first label stays."""
        new: Mask = (self._all.places_of(rows.ids) < 0) & (self._evaluated.places_of(rows.ids) < 0)
        fresh = rows.part(new)
        # The evaluated reach further back: a row may be too old for the one and not for the other.
        taken = self._all.add(fresh)
        judged = np.flatnonzero(evaluated(self._target, fresh.targets))
        taken[judged] |= self._evaluated.add(fresh.part(judged))
        new[new] = taken
        return new

    def correct(self, ids: Sequence[str], targets: Floats) -> None:
        """Give rows other targets, where they are there.

        Args:
            ids: Of rows, each once.
            targets: Their labels now, shape (n,).
        """
        for window in self.windows():
            places = window.places_of(ids)
            here = np.flatnonzero(places >= 0)
            rows = window.at(places[here]).labelled(targets[here])
            changed = window.at(places[here]).targets != rows.targets
            self.remove([row_id for row_id, one in zip(rows.ids, changed, strict=True) if one])
            self.add(rows.part(changed))

    def remove(self, ids: Sequence[str]) -> None:
        """Take rows out, where they are there."""
        for window in self.windows():
            window.remove(ids)

    def windows(self) -> tuple[Window, Window]:
        """Return the windows that it keeps."""
        return self._all, self._evaluated

    def snapshot(self) -> LabelledSnapshot:
        """Copy the newest rows."""
        newest = self._all.snapshot()
        outside = int((~evaluated(self._target, newest.columns[TARGET])).sum())
        return LabelledSnapshot(self._evaluated.snapshot(), newest.rows, outside)
