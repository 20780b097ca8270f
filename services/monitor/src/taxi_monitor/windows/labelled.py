"""The labelled rows of a version: those that are evaluated, and how many are not."""

from collections.abc import Sequence
from dataclasses import dataclass

from taxi_monitor.windows.window import Row, Snapshot, Window
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

    def add(self, row: Row) -> bool:
        """Take a row with its target; False for a repeat, whose first label stays."""
        if self.find(row.row_id) is not None:
            return False
        # The evaluated reach further back: a row may be too old for the one and not for the other.
        new = self._all.add(row)
        return (self._target.is_evaluated(row.target) and self._evaluated.add(row)) or new

    def find(self, row_id: str) -> Row | None:
        """Return a labelled row."""
        return self._all.find(row_id) or self._evaluated.find(row_id)

    def remove(self, row_id: str) -> None:
        """Take a row out, if it is there."""
        self._all.remove(row_id)
        self._evaluated.remove(row_id)

    def snapshot(self) -> LabelledSnapshot:
        """Copy the newest rows."""
        newest = self._all.snapshot()
        outside = int((~evaluated(self._target, newest.columns[TARGET])).sum())
        return LabelledSnapshot(self._evaluated.snapshot(), newest.rows, outside)
