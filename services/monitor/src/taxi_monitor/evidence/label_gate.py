"""Whether enough rows of a block's time have a label for its error to be that of all rows.

Whoever chooses which rows get a label chooses the error. A block of labelled rows is therefore held
until enough rows of its time have one, and passed over when labels are overdue by then. What
becomes of it, and where it stands among the blocks of rows, follows from the log alone.
"""

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import numpy as np
from pymongo.database import Database

from taxi_monitor.evidence.pieces import Piece, moment_of
from taxi_monitor.settings import Settings
from taxi_monitor.windows.window import Floats
from taxi_store.connection import Document
from taxi_store.log.stored_order import Place, answered_between, answered_ids, label_times

#: Of a block, the rows between these shares of their answer times stand for all: some labels are of
#: long ago.
_MIDDLE: Final = (0.1, 0.9)
#: The middle is halved while more rows were answered in it than so many blocks would have.
_MAX_BLOCKS: Final = 4
_MAX_ROWS: Final = 20_000
_HALVINGS: Final = 8
#: Standard errors that the share of a sample may be off by chance.
_ERRORS: Final = 3.0


@dataclass(frozen=True, slots=True)
class Policy:
    """Which blocks of labels are judged.

    Attributes:
        coverage: Share of the rows that must have a label, of those that get one in the end, 0..1;
            0 for any.
        labelled_share: Share of the rows that get one in the end: below 1 where labels are made for
            a sample that is drawn whatever is in the rows.
        overdue: Labels that are later than that are missing.
    """

    coverage: float
    labelled_share: float
    overdue: timedelta

    def needed(self, rows: int) -> int:
        """Return how many of some rows must have a label; a sample's number varies by chance.

        >>> Policy(0.9, 1.0, timedelta()).needed(1000), Policy(0.9, 0.1, timedelta()).needed(1000)
        (900, 63)
        """
        hoped = self.coverage * self.labelled_share * rows
        by_chance = _ERRORS * math.sqrt(hoped * (1 - self.labelled_share))
        return math.ceil(hoped - by_chance - 1e-9)


def policy_of(settings: Settings) -> Policy:
    """Return what the settings say."""
    return Policy(
        settings.min_label_coverage, settings.labelled_share,
        timedelta(hours=settings.labels_overdue_hours),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Covered:
    """What the gate says of a block.

    Attributes:
        ratio: Share of the rows of its time that have a label, 0..1; None where none is known.
        at: When the block could be judged, or was passed over, by the time of storing; None while
            it is held.
        needed: Share that is needed.
        passed: Why it is passed over; empty when it is judged.
    """

    ratio: float | None
    at: datetime | None
    needed: float = 0.0
    passed: str = ""


@dataclass(frozen=True, slots=True)
class Held:
    """A block of labels that waits for more of them.

    Attributes:
        since: When its last label was stored, UTC.
        ratio: Share of the rows of its time that have a label, 0..1; None where none is known.
        needed: Share that is needed.
    """

    since: datetime
    ratio: float | None
    needed: float


class LabelGate:
    """Looks at the blocks of one version.

    Args:
        database: Where the log is.
        version: Model version.
        policy: Which blocks are judged.
    """

    def __init__(self, database: Database[Document], version: str, policy: Policy) -> None:
        self._database = database
        self._version = version
        self._policy = policy

    def look(self, block: Piece, outside: int, end: datetime) -> Covered:
        """Tell what becomes of a block.

        Args:
            block: Its rows whose labels errors count.
            outside: Labels that errors do not count, besides.
            end: The log is read up to this time.

        Raises:
            StoreUnavailableError: MongoDB does not answer.
        """
        place = block.place(len(block) - 1).stored_at
        low, high, rows = self._middle(block)
        if not rows:
            return Covered(None, place)
        own = int(((block.ts >= low) & (block.ts <= high)).sum())
        # What is outside of the target's limits has a label, too.
        own = min(rows, own + round(outside * own / len(block)))
        needed = self._policy.needed(rows)
        if own >= needed:
            return Covered(own / rows, place)
        return self._over_blocks(place, _span(low, high), end)

    def _over_blocks(
        self, place: datetime, span: tuple[datetime, datetime], end: datetime
    ) -> Covered:
        """Count labels of the block's time that stand in other blocks, too."""
        ids = answered_ids(self._database, self._version, *span, _MAX_ROWS)
        due = place + self._policy.overdue
        known = [one for one in label_times(self._database, ids) if one < min(due, end)]
        ratio = min(1.0, len(known) / len(ids)) if ids else None
        needed = self._policy.needed(len(ids))
        if len(known) >= needed:
            return Covered(ratio, max(place, known[needed - 1] if needed > 0 else place))
        share = needed / len(ids)
        if due >= end:
            return Covered(ratio, None, share)
        return Covered(
            ratio, due, share,
            f"{len(known)} of {len(ids)} rows of its time have a label, {needed} are needed",
        )  # fmt: skip

    def _middle(self, block: Piece) -> tuple[float, float, int]:
        """Return first and last time of a part of the block's time, and its rows."""
        ts = np.sort(block.ts)
        most = min(_MAX_ROWS, round(_MAX_BLOCKS * len(block) / self._policy.labelled_share))
        low, high = _MIDDLE
        for _ in range(_HALVINGS):
            found = self._part(ts, low, high, most)
            if found[2] <= most:
                return found
            low, high = 0.5 - (0.5 - low) / 2, 0.5 + (high - 0.5) / 2
        return self._part(ts, low, high, most)

    def _part(self, ts: Floats, low: float, high: float, most: int) -> tuple[float, float, int]:
        first, last = (float(ts[int(share * (len(ts) - 1))]) for share in (low, high))
        rows = answered_between(self._database, self._version, *_span(first, last), most + 1)
        return first, last, rows


def _span(first: float, last: float) -> tuple[datetime, datetime]:
    return moment_of(round(first * 1000)), moment_of(round(last * 1000))


def behind(place: Place, at: datetime) -> tuple[datetime, str]:
    """Return where a block stands that could be judged only at a time."""
    return max((place.stored_at, place.row_id), (at, ""))
