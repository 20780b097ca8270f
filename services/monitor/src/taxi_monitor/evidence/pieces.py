"""Rows in the order of the log, gathered until they are a block."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

import numpy as np
from numpy.typing import NDArray

from taxi_monitor.windows.window import FIRST, TARGET_PLACE, WIDTH, Floats, Mask
from taxi_profiles.reference import MOMENT
from taxi_store.log.stored_order import Place

Times = NDArray[np.int64]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MOMENT: Final = FIRST.index(MOMENT)
_TIMED: Final = len(FIRST)


@dataclass(frozen=True, slots=True)
class Piece:
    """n rows in the order of the log.

    Attributes:
        stored_at: When they were stored, or their labels were, whichever was later; milliseconds
            since the epoch, shape (n,).
        ids: Of the rows.
        ts: Times of the answers, seconds since the epoch, shape (n,).
        table: As that of `taxi_monitor.windows.window.Rows`.
    """

    stored_at: Times
    ids: list[str]
    ts: Floats
    table: Floats

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.ids)

    def part(self, chosen: slice) -> "Piece":
        """Return some of the rows."""
        return Piece(self.stored_at[chosen], self.ids[chosen], self.ts[chosen], self.table[chosen])

    def place(self, row: int) -> Place:
        """Return where a row is in the log."""
        return Place(moment_of(int(self.stored_at[row])), self.ids[row])

    def columns(self, names: Sequence[str], *, targets: bool) -> dict[str, Floats]:
        """Return the rows as the engine takes them; moments that are not known are NaN.

        Args:
            names: Of the columns behind the first ones.
            targets: Whether the targets are among them.
        """
        first = FIRST if targets else FIRST[:TARGET_PLACE]
        found = {name: self.table[:, place] for place, name in enumerate(first)}
        found[MOMENT] = np.where(self.table[:, _TIMED] == 1, self.table[:, _MOMENT], np.nan)
        return found | {name: self.table[:, WIDTH + at] for at, name in enumerate(names)}


def sorted_piece(
    stored_at: Times, ids: list[str], ts: Floats, table: Floats, after: Place | None
) -> Piece:
    """Return rows in the order of the log, those behind a place of it."""
    keys = list(zip(stored_at.tolist(), ids, strict=True))
    order = sorted(range(len(keys)), key=keys.__getitem__)
    piece = Piece(stored_at[order], [ids[row] for row in order], ts[order], table[order])
    if after is None:
        return piece
    last = (milliseconds_of(after.stored_at), after.row_id)
    return piece.part(slice(sum(key <= last for key in keys), None))


def joined(pieces: Sequence[Piece]) -> Piece:
    """Return the rows of all pieces, in this order; there is one at least."""
    if len(pieces) == 1:
        return pieces[0]
    return Piece(
        np.concatenate([one.stored_at for one in pieces]),
        [row_id for one in pieces for row_id in one.ids],
        np.concatenate([one.ts for one in pieces]),
        np.concatenate([one.table for one in pieces]),
    )


@dataclass
class Gathered:
    """Rows that are not a block yet."""

    pieces: list[Piece] = field(default_factory=list)
    rows: int = 0

    def add(self, piece: Piece) -> None:
        """Take rows behind those that are there."""
        if len(piece):
            self.pieces.append(piece)
            self.rows += len(piece)

    def blocks(self, size: int, counts: Callable[[Piece], Mask]) -> Iterator[Piece]:
        """Take out blocks, in order; what is left stays, also when no more are asked for.

        Args:
            size: Rows of a block that count.
            counts: Tells which rows count, shape (n,); a block ends with one that does.
        """
        while self.pieces:
            every = joined(self.pieces)
            ends = np.flatnonzero(counts(every))
            if len(ends) < size:
                self.pieces = [every]
                return
            end = int(ends[size - 1]) + 1
            self.pieces = [every.part(slice(end, None))]
            self.rows -= end
            yield every.part(slice(0, end))


def moment_of(milliseconds: int) -> datetime:
    """Return a time of whole milliseconds."""
    return _EPOCH + timedelta(milliseconds=milliseconds)


def milliseconds_of(moment: datetime) -> int:
    """Return a time in whole milliseconds since the epoch."""
    return (moment - _EPOCH) // timedelta(milliseconds=1)
