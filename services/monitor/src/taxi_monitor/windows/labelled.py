"""The labelled rides of a version: those that are evaluated, and how many are not."""

from dataclasses import dataclass

from taxi_domain.durations import is_target
from taxi_monitor.windows.window import Row, Snapshot, Window
from taxi_profiles.reference import TARGET


@dataclass(frozen=True, slots=True)
class LabelledSnapshot:
    """Labelled rides at one moment.

    Attributes:
        evaluated: The newest whose labels are within the target's limits.
        rows: The newest whatever their labels.
        outside: Those of `rows` whose labels are outside of the target's limits.
    """

    evaluated: Snapshot
    rows: int
    outside: int


class Labelled:
    """The newest `size` labelled rides, and the newest `size` of them that are evaluated.

    What is outside takes no place among the evaluated, so that they are as many as they should be;
    its share is of the newest labels of any duration.
    """

    def __init__(self, size: int) -> None:
        self._all = Window(size)
        self._evaluated = Window(size)

    def add(self, row: Row) -> bool:
        """Take a ride with its target; False for a repeat, whose first label stays."""
        if self.find(row.ride_id) is not None:
            return False
        # The evaluated reach further back: a ride may be too old for the one and not for the other.
        new = self._all.add(row)
        return (is_target(row.target) and self._evaluated.add(row)) or new

    def find(self, ride_id: str) -> Row | None:
        """Return a labelled ride."""
        return self._all.find(ride_id) or self._evaluated.find(ride_id)

    def remove(self, ride_id: str) -> None:
        """Take a ride out, if it is there."""
        self._all.remove(ride_id)
        self._evaluated.remove(ride_id)

    def snapshot(self) -> LabelledSnapshot:
        """Copy the newest rides."""
        found = self._all.snapshot()
        outside = sum(not is_target(minutes) for minutes in found.columns[TARGET].tolist())
        return LabelledSnapshot(self._evaluated.snapshot(), found.rows, outside)
