"""A block of one side, with what was counted beside it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from taxi_domain.verdicts import Side
from taxi_monitor.evidence.label_gate import behind
from taxi_monitor.evidence.pieces import Piece, moment_of
from taxi_monitor.windows.window import Floats
from taxi_store.log.stored_order import Place


@dataclass(frozen=True, slots=True)
class Block:
    """A block.

    Attributes:
        side: Rows, or labels.
        piece: Its rows; of labels, those whose labels errors count.
        after: The last row of the block before, or where the evidence began anew; None before the
            first.
        place: Its last row.
        outside: Labels that errors do not count, since the block before.
        history: Of labels, the rows before the block as the engine takes them.
        released_at: Of labels, when it could be judged, by the time of storing.
        coverage: Of labels, share of the rows of its time that have one; None where not known.
        passed: Of labels, why it is passed over; empty when it is judged.
    """

    side: Side
    piece: Piece
    after: Place | None
    place: Place
    outside: int = 0
    history: Mapping[str, Floats] | None = None
    released_at: datetime | None = None
    coverage: float | None = None
    passed: str = ""

    @property
    def order(self) -> tuple[datetime, str, str]:
        """Where it is among the blocks of both sides."""
        if self.released_at is None:
            return self.place.stored_at, self.place.row_id, self.side
        return *behind(self.place, self.released_at), self.side

    @property
    def first_ts(self) -> datetime:
        """When its first row was answered."""
        return moment_of(int(self.piece.ts[0] * 1000))

    @property
    def last_ts(self) -> datetime:
        """When its last row was answered."""
        return moment_of(int(self.piece.ts[-1] * 1000))
