"""The two sides of a version's evidence: its rows, and its labelled rows, cut into blocks."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import numpy as np

from taxi_domain.verdicts import Side
from taxi_monitor.evidence.block import Block
from taxi_monitor.evidence.label_gate import Held, LabelGate
from taxi_monitor.evidence.log_order import LogOrder
from taxi_monitor.evidence.pieces import Gathered, Piece, joined, milliseconds_of
from taxi_monitor.evidence.unserved import UnservedOrder
from taxi_monitor.windows.window import TARGET_PLACE, Floats, Mask
from taxi_profiles.evidence.gain import HISTORY
from taxi_schema.columns.limits import evaluated
from taxi_schema.target import Target
from taxi_store.log.stored_order import EARLIEST, TICK, Place


@dataclass(frozen=True, slots=True)
class Start:
    """Where a side begins to read.

    Attributes:
        begin: What was stored before is read.
        after: So is what stands up to here; None for nothing.
        last: The last row of the block before, or where the evidence began anew; None before the
            first.
        released_at: Of labels, that of the block before.
    """

    begin: datetime
    after: Place | None = None
    last: Place | None = None
    released_at: datetime = EARLIEST


class RowSide:
    """Blocks of rows.

    Args:
        order: Reads the log.
        start: Where it begins.
        block_rows: Rows of a block.
    """

    side: Final = Side.ROWS

    def __init__(self, order: LogOrder | UnservedOrder, start: Start, block_rows: int) -> None:
        self._order = order
        self._begin, self._after, self._last = start.begin, start.after, start.last
        self._block_rows = block_rows
        self._gathered = Gathered()

    def blocks(self, end: datetime) -> Iterator[Block]:
        """Yield the blocks that are whole before a time; one that fails has to begin anew."""
        if end <= self._begin:
            return
        for piece in self._order.rows(self._begin, self._after, end):
            self._gathered.add(piece)
            for block in self._gathered.blocks(self._block_rows, _all):
                place = block.place(len(block) - 1)
                yield Block(self.side, block, self._last, place)
                self._last = place
        self._begin, self._after = end, None


class LabelSide:
    """Blocks of labelled rows: so many whose labels errors count, and those between them.

    Args:
        order: Reads the log.
        start: Where it begins.
        block_rows: Rows of a block.
        target: Tells which labels errors count.
        names: Of the columns.
        history: Rows before the start, oldest first.
        gate: Tells which blocks have labels enough.

    Attributes:
        held: What the gate said of the block that waits for labels; None when none does.
    """

    side: Final = Side.LABELS

    def __init__(  # noqa: PLR0913 - as RowSide, and what gain needs
        self,
        order: LogOrder | UnservedOrder,
        start: Start,
        block_rows: int,
        *,
        target: Target,
        names: tuple[str, ...],
        history: list[Piece],
        gate: LabelGate,
    ) -> None:
        self._order = order
        self._begin, self._after, self._last = start.begin, start.after, start.last
        self._block_rows = block_rows
        self._target = target
        self._names = names
        self._gathered = Gathered()
        self._history = deque(history)
        self._gate = gate
        self._released_at = start.released_at
        #: A whole block that was not given away yet.
        self._waiting: Piece | None = None
        self.held: Held | None = None

    def blocks(self, end: datetime) -> Iterator[Block]:
        """Yield the blocks that are whole before a time; one that fails has to begin anew.

        While one is held, no later one is read.
        """
        if end <= self._begin:
            return
        yield from self._whole(end)
        if self.held is not None:
            return
        for piece in self._order.labelled(self._begin, self._after, end):
            if not len(piece):
                continue
            self._gathered.add(piece)
            self._after = piece.place(len(piece) - 1)
            self._begin = self._after.stored_at
            yield from self._whole(end)
            if self.held is not None:
                return
        self._begin, self._after = end, None

    def _whole(self, end: datetime) -> Iterator[Block]:
        """Yield the blocks that were gathered, up to one that is held."""
        while True:
            if self._waiting is None:
                gathered = self._gathered.blocks(self._block_rows, self._counts)
                self._waiting = next(gathered, None)
            every = self._waiting
            if every is None:
                return
            inside = _where(every, self._counts(every))
            outside = len(every) - len(inside)
            place = every.place(len(every) - 1)
            covered = self._gate.look(inside, outside, end)
            if covered.at is None:
                self.held = Held(place.stored_at, covered.ratio, covered.needed)
                return
            self._waiting = self.held = None
            self._released_at = max(self._released_at, covered.at)
            yield Block(
                self.side, inside, self._last, place, outside, self._past(), self._released_at,
                covered.ratio, covered.passed,
            )  # fmt: skip
            self._last = place
            self._remember(inside)

    def _counts(self, piece: Piece) -> Mask:
        return evaluated(self._target, piece.table[:, TARGET_PLACE])

    def _past(self) -> dict[str, Floats] | None:
        if not self._history:
            return None
        return joined(list(self._history)).columns(self._names, targets=True)

    def _remember(self, block: Piece) -> None:
        self._history.append(block)
        while sum(map(len, self._history)) - len(self._history[0]) >= HISTORY:
            self._history.popleft()


def history_of(
    order: LogOrder | UnservedOrder,
    begin: datetime,
    first: Place | None,
    last: Place,
    target: Target,
) -> list[Piece]:
    """Return the labelled rows before a block, whose labels errors count, oldest first.

    Args:
        order: Reads the log.
        begin: They have their place from then on.
        first: They stand behind this place; None for all.
        last: And up to this one.
        target: Tells which labels errors count.
    """
    found: deque[Piece] = deque()
    for piece in order.labelled(begin, first, last.stored_at + TICK):
        keys = zip(piece.stored_at.tolist(), piece.ids, strict=True)
        upto = sum(key <= (milliseconds_of(last.stored_at), last.row_id) for key in keys)
        part = piece.part(slice(0, upto))
        found.append(_where(part, evaluated(target, part.table[:, TARGET_PLACE])))
        while sum(map(len, found)) - len(found[0]) >= HISTORY:
            found.popleft()
    return [piece for piece in found if len(piece)]


def _all(piece: Piece) -> Mask:
    return np.ones(len(piece), np.bool_)


def _where(piece: Piece, chosen: Mask) -> Piece:
    rows = np.flatnonzero(chosen)
    return Piece(
        piece.stored_at[rows], [piece.ids[row] for row in rows.tolist()], piece.ts[rows],
        piece.table[rows],
    )  # fmt: skip
