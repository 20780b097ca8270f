"""What a detector says after a block."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from taxi_profiles.evidence.streams import Group, Side


class State(StrEnum):
    """How far the evidence is: below A / 10, below A, at A; or the block has too few rows."""

    OK = "ok"
    SUSPECTED = "suspected"
    ALARM = "alarm"
    SHORT = "short"


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the blocks of one side say, up to one block.

    Attributes:
        side: Whose blocks they are.
        block: Number of the last block, from 0; -1 before the first.
        rows: Rows of the last block.
        scores: Of the last block, by stream.
        evidence: Base-10 logarithm of each stream's evidence; None before the first block.
        groups: Likewise, of each group.
        total: Likewise, of the side.
        threshold: Base-10 logarithm of the evidence at which there is an alarm.
        state: How far the evidence is.
        blamed: Streams with the most evidence, worst first.
        problems: By stream or column, why it has no score.
        cells: By stream `cell:...`, lowest and highest value that it is about.
    """

    side: Side
    block: int
    rows: int
    scores: Mapping[str, float]
    evidence: Mapping[str, float | None]
    groups: Mapping[Group, float | None]
    total: float | None
    threshold: float
    state: State
    blamed: tuple[str, ...]
    problems: Mapping[str, str]
    cells: Mapping[str, tuple[float, float]]

    @property
    def suspicious(self) -> float:
        """Evidence from which on a group or a stream is believed, as base-10 logarithm."""
        return self.threshold - 1

    def believes(self, name: str) -> bool:
        """Tell whether a group or a stream has as much evidence as makes one suspicious."""
        groups = {str(group): value for group, value in self.groups.items()}
        value = groups.get(name, self.evidence.get(name))
        return value is not None and value >= self.suspicious
