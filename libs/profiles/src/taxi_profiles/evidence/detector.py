"""Evidence of a side: Shiryaev-Roberts e-detectors of all bets, and the alarm.

Each bet's R becomes (R + 1) e with every block, from 0. If e has a mean of at most 1 whatever came
before, R minus the number of blocks is a supermartingale; so is any fixed mean of R's, whatever
the streams' dependence. A mean that reaches A therefore takes at least A blocks on average.
"""

import json
import math
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from taxi_profiles.evidence.bets import STAKES, Bets, Book
from taxi_profiles.evidence.calibration import Calibration
from taxi_profiles.evidence.judgement import Judgement, State
from taxi_profiles.evidence.scoring import BlockScores
from taxi_profiles.evidence.streams import SLICE, Group, Side, column_of, score_of

Floats = NDArray[np.float64]

#: Changes with what makes a judgement differ for the same reference and blocks.
ENGINE: Final = 2
#: Rows between false alarms, at least, on average.
BUDGET_ROWS: Final = 100_000
#: The budget is kept for exchangeable blocks; months are not quite that, and this is for them.
MARGIN: Final = 2.0
#: An alarm ends when the evidence was below A / SUSPECTED for so many blocks.
SUSPECTED: Final = 10.0
CALM_BLOCKS: Final = 3
#: The evidence of a side is kept up to that many times A, so that an alarm can end; to lower what
#: is bet on never makes an alarm likelier.
_MOST: Final = 2.0


class StateError(ValueError):
    """A detector's state is not of this reference or engine; the evidence has to begin anew."""


@dataclass(frozen=True, slots=True)
class _Rules:
    """What does not change with blocks.

    Attributes:
        book: The lines.
        groups: Groups that have streams.
        group: Place of each stream's group, shape (streams,).
        weights: Logarithm of each stream's weight in its group, shape (streams,).
        bets: Logarithm of each bet's weight in its stream, shape (k, 2).
        shares: Logarithm of each bet's weight in the side, shape (k, 2).
        threshold: Logarithm of A.
    """

    book: Book
    groups: tuple[Group, ...]
    group: NDArray[np.int64]
    weights: Floats
    bets: Floats
    shares: Floats
    threshold: float

    def streams(self, bets: Bets) -> Floats:
        """Return the logarithm of the evidence of each stream, shape (streams,)."""
        found = np.full(len(self.book.streams), -np.inf)
        own = np.logaddexp.reduce(bets.evidence + self.bets, axis=1)
        np.logaddexp.at(found, self.book.lines.stream, own)
        return found

    def of_groups(self, streams: Floats) -> Floats:
        """Return the logarithm of the evidence of each group, shape (groups,)."""
        found = np.full(len(self.groups), -np.inf)
        np.logaddexp.at(found, self.group, streams + self.weights)
        return found

    def total(self, streams: Floats) -> float:
        """Return the logarithm of the evidence of the side."""
        groups = self.of_groups(streams)
        return float(np.logaddexp.reduce(groups)) - math.log(len(groups))


@dataclass(frozen=True, slots=True)
class Detector:
    """Evidence after some blocks of one side; immutable.

    Attributes:
        side: Whose blocks it takes.
        block_rows: Rows of a block.
        rules: What follows from calibration and budget.
        blocks: Blocks so far.
        alarm: Whether an alarm is on.
        calm: Blocks in a row with little evidence, while an alarm is on.
        bets: What was won so far.
        last: Scores of the last block.
    """

    side: Side
    block_rows: int
    rules: _Rules
    blocks: int
    alarm: bool
    calm: int
    bets: Bets
    last: BlockScores | None = None

    @classmethod
    def start(
        cls, calibration: Calibration, side: Side, budget_rows: float = BUDGET_ROWS
    ) -> "Detector":
        """Return a detector without any evidence.

        Args:
            calibration: Of the model version.
            side: Whose blocks it takes.
            budget_rows: Rows between false alarms, at least, on average; both sides share it.

        Raises:
            NotCalibratedError: the reference is too short.
            ValueError: the budget is less than two blocks.
        """
        if budget_rows < 2 * calibration.block_rows:
            raise ValueError(
                f"budget: {budget_rows:g} rows between false alarms are less than two blocks of "
                f"{calibration.block_rows}; give more"
            )
        rules = _rules(calibration, side, budget_rows)
        nothing = Bets.none(rules.book.lines)
        return cls(side, calibration.block_rows, rules, 0, False, 0, nothing)

    def after(self, scores: BlockScores) -> "Detector":
        """Return the evidence after one more block; one of fewer rows changes nothing.

        Raises:
            ValueError: the block is of the other side.
        """
        if scores.side is not self.side:
            raise ValueError(f"block: of {scores.side}, the detector is of {self.side}")
        if scores.rows < self.block_rows:
            return replace(self, last=scores)
        rules = self.rules
        bets = self.bets.after(rules.book.lines, rules.book.scores(scores.scores))
        total = rules.total(rules.streams(bets))
        alarm = self.alarm or total >= rules.threshold
        calm = self.calm + 1 if total < rules.threshold - math.log(SUSPECTED) else 0
        if self.alarm and calm >= CALM_BLOCKS:
            alarm, bets = False, Bets.none(rules.book.lines)
        over = max(total - rules.threshold - math.log(_MOST), 0.0)
        return replace(
            self, blocks=self.blocks + 1, alarm=alarm, calm=calm if alarm else 0,
            bets=replace(bets, evidence=bets.evidence - over), last=scores,
        )  # fmt: skip

    def judgement(self) -> Judgement:
        """Return what the blocks so far say, the last one's scores with it."""
        rules, last = self.rules, self.last
        short = last is not None and last.rows < self.block_rows
        found = rules.streams(self.bets)
        streams = dict(zip(rules.book.streams, map(_log10, found.tolist()), strict=True))
        groups = dict(zip(rules.groups, map(_log10, rules.of_groups(found).tolist()), strict=True))
        total = rules.total(found)
        suspected = total >= rules.threshold - math.log(SUSPECTED)
        state = State.ALARM if self.alarm else State.SUSPECTED if suspected else State.OK
        believed = (rules.threshold - math.log(SUSPECTED)) / math.log(10)
        blamed = sorted(
            (name for name, value in streams.items() if value is not None and value >= believed),
            key=lambda name: (-(streams[name] or 0.0), name),
        )
        return Judgement(
            side=self.side,
            block=self.blocks - 1,
            rows=0 if last is None else last.rows,
            scores={} if last is None else dict(last.scores),
            evidence=streams,
            groups=groups,
            total=_log10(total),
            threshold=rules.threshold / math.log(10),
            state=State.SHORT if short else state,
            blamed=tuple(blamed),
            problems={} if last is None else dict(last.problems),
            cells={} if last is None else dict(last.cells),
        )

    def to_bytes(self) -> bytes:
        """Return all that is needed to go on; exact."""
        head = self._known | {"blocks": self.blocks, "alarm": self.alarm, "calm": self.calm}
        parts = np.concatenate([self.bets.wins, self.bets.seen, self.bets.evidence.ravel()])
        return json.dumps(head).encode() + b"\n" + parts.astype("<f8").tobytes()

    def restored(self, data: bytes) -> "Detector":
        """Return a detector of the same calibration and budget that goes on from there.

        Raises:
            StateError: it is of another reference or engine, or damaged.
        """
        head, _, body = data.partition(b"\n")
        count = len(self.bets.wins)
        try:
            found: dict[str, Any] = json.loads(head)
            other = [name for name, value in self._known.items() if found[name] != value]
            parts = np.frombuffer(body, "<f8").astype(np.float64)
            if other or len(parts) != count * (2 + len(STAKES)):
                raise StateError(f"state: of another {', '.join(other) or 'length'}; begin anew")
            wins, seen, evidence = np.split(parts, [count, 2 * count])
            return replace(
                self, blocks=int(found["blocks"]), alarm=bool(found["alarm"]),
                calm=int(found["calm"]), bets=Bets(wins, seen, evidence.reshape(count, -1)),
            )  # fmt: skip
        except (KeyError, TypeError, json.JSONDecodeError, UnicodeDecodeError) as error:
            raise StateError(f"state: damaged ({error!r}); begin anew") from error

    @property
    def _known(self) -> dict[str, Any]:
        return {
            "engine": ENGINE, "side": str(self.side), "lines": len(self.bets.wins),
            "rows": self.block_rows,
        }  # fmt: skip


def _rules(calibration: Calibration, side: Side, budget_rows: float) -> _Rules:
    book = calibration.book(side)
    weights = np.array([_weight(calibration, name, book.streams) for name in book.streams])
    of = [score_of(name).group for name in book.streams]
    groups = tuple(group for group in Group if group in of)
    places = np.array([groups.index(group) for group in of], np.int64)
    sums = np.bincount(places, weights, minlength=len(groups))
    counts = np.bincount(book.lines.stream, minlength=len(book.streams)) * len(STAKES)
    with np.errstate(divide="ignore"):
        logs = np.log(weights / np.where(sums > 0, sums, 1.0)[places])
    bets = -np.log(counts)[book.lines.stream][:, np.newaxis] - book.handicap
    shares = bets + logs[book.lines.stream][:, np.newaxis] - math.log(len(groups))
    # Two sides share the budget: each has half of the false alarms.
    threshold = math.log(MARGIN * 2 * budget_rows / calibration.block_rows)
    return _Rules(book, groups, places, logs, bets, shares, threshold)


def _weight(calibration: Calibration, name: str, streams: tuple[str, ...]) -> float:
    """Weight of a stream in its group: slices together have that of one stream."""
    column = column_of(name)
    if not score_of(name).decides or (column is not None and not _counts(calibration, name)):
        return 0.0
    if SLICE not in name:
        return 1.0
    return 1 / sum(SLICE in other for other in streams)


def _counts(calibration: Calibration, name: str) -> bool:
    return score_of(name).group is Group.FAULTS or column_of(name) in calibration.deciding


def _log10(log: float) -> float | None:
    return log / math.log(10) if math.isfinite(log) else None
