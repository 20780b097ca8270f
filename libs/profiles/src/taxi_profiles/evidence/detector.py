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

from taxi_profiles.evidence.bets import Book
from taxi_profiles.evidence.calibration import Calibration
from taxi_profiles.evidence.judgement import Judgement, State
from taxi_profiles.evidence.scoring import BlockScores
from taxi_profiles.evidence.streams import SLICE, Group, Side, column_of, score_of

Floats = NDArray[np.float64]

#: Changes with what makes a judgement differ for the same reference and blocks.
ENGINE: Final = 1
#: Rows between false alarms, at least, on average.
BUDGET_ROWS: Final = 100_000
#: An alarm ends when the evidence was below A / SUSPECTED for so many blocks.
SUSPECTED: Final = 10.0
CALM_BLOCKS: Final = 3
#: Evidence is kept up to that many times A, so that an alarm can end.
_MOST: Final = 10.0


class StateError(ValueError):
    """A detector's state is not of this reference or engine; the evidence has to begin anew."""


@dataclass(frozen=True, slots=True)
class _Rules:
    """What does not change with blocks.

    Attributes:
        book: The bets.
        in_stream: Weight of each bet in its stream's evidence, shape (b,).
        groups: Groups that have streams.
        in_group: Logarithm of each bet's weight in its group's evidence, shape (b,).
        group: Place of each bet's group, shape (b,).
        threshold: Logarithm of A.
    """

    book: Book
    in_stream: Floats
    groups: tuple[Group, ...]
    in_group: Floats
    group: NDArray[np.int64]
    threshold: float


@dataclass(frozen=True, slots=True)
class Detector:
    """Evidence after some blocks of one side; immutable.

    Attributes:
        side: Whose blocks it takes.
        block_rows: Rows of a block.
        blocks: Blocks so far.
        alarm: Whether an alarm is on.
        calm: Blocks in a row with little evidence, while an alarm is on.
        evidence: Logarithm of each bet's R, shape (b,).
    """

    side: Side
    block_rows: int
    rules: _Rules
    blocks: int
    alarm: bool
    calm: int
    evidence: Floats
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
        nothing = np.full(len(rules.book.stream), -np.inf)
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
        most = rules.threshold + math.log(_MOST)
        with np.errstate(divide="ignore"):
            grown = np.logaddexp(self.evidence, 0.0) + rules.book.factors(scores.scores)
            grown = np.minimum(grown, most - rules.in_group + math.log(len(rules.groups)))
        total = _total(rules, grown)
        alarm = self.alarm or total >= rules.threshold
        calm = self.calm + 1 if total < rules.threshold - math.log(SUSPECTED) else 0
        if self.alarm and calm >= CALM_BLOCKS:
            alarm, grown = False, np.full(len(grown), -np.inf)
        return replace(
            self, blocks=self.blocks + 1, alarm=alarm, calm=calm if alarm else 0, evidence=grown,
            last=scores,
        )  # fmt: skip

    def judgement(self) -> Judgement:
        """Return what the blocks so far say, the last one's scores with it."""
        rules, names = self.rules, self.rules.book.streams
        last = self.last
        short = last is not None and last.rows < self.block_rows
        streams = {
            name: _log10(_log_sum((self.evidence + np.log(rules.in_stream))[of]))
            for place, name in enumerate(names)
            for of in [rules.book.stream == place]
        }
        groups = {
            group: _log10(_log_sum((self.evidence + rules.in_group)[rules.group == place]))
            for place, group in enumerate(rules.groups)
        }
        total = _total(rules, self.evidence)
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
        head = {
            "engine": ENGINE, "side": self.side, "blocks": self.blocks, "alarm": self.alarm,
            "calm": self.calm, "bets": len(self.evidence), "rows": self.block_rows,
        }  # fmt: skip
        return json.dumps(head).encode() + b"\n" + self.evidence.astype("<f8").tobytes()

    def restored(self, data: bytes) -> "Detector":
        """Return a detector of the same calibration and budget that goes on from there.

        Raises:
            StateError: it is of another reference or engine, or damaged.
        """
        head, _, body = data.partition(b"\n")
        try:
            found: dict[str, Any] = json.loads(head)
            evidence = np.frombuffer(body, "<f8").astype(np.float64)
            known = {
                "engine": ENGINE, "side": self.side, "bets": len(self.evidence),
                "rows": self.block_rows,
            }  # fmt: skip
            other = [name for name, value in known.items() if found[name] != value]
            if other or len(evidence) != len(self.evidence):
                raise StateError(f"state: of another {', '.join(other) or 'length'}; begin anew")
            return replace(
                self, blocks=int(found["blocks"]), alarm=bool(found["alarm"]),
                calm=int(found["calm"]), evidence=evidence,
            )  # fmt: skip
        except (KeyError, TypeError, json.JSONDecodeError, UnicodeDecodeError) as error:
            raise StateError(f"state: damaged ({error!r}); begin anew") from error


def _rules(calibration: Calibration, side: Side, budget_rows: float) -> _Rules:
    book = calibration.book(side)
    weights = np.array([_weight(calibration, name, book.streams) for name in book.streams])
    of = [score_of(name).group for name in book.streams]
    groups = tuple(group for group in Group if group in of)
    places = np.array([groups.index(group) for group in of], np.int64)
    sums = np.bincount(places, weights, minlength=len(groups))
    in_stream = 1 / np.bincount(book.stream, minlength=len(book.streams))[book.stream]
    shares = weights / np.where(sums > 0, sums, 1.0)[places]
    with np.errstate(divide="ignore"):
        in_group = np.log(shares[book.stream] * in_stream)
    # Two sides share the budget: each has half of the false alarms.
    threshold = math.log(2 * budget_rows / calibration.block_rows)
    return _Rules(book, in_stream, groups, in_group, places[book.stream], threshold)


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


def _total(rules: _Rules, evidence: Floats) -> float:
    return _log_sum(evidence + rules.in_group) - math.log(len(rules.groups))


def _log_sum(logs: Floats) -> float:
    return float(np.logaddexp.reduce(logs)) if len(logs) else -math.inf


def _log10(log: float) -> float | None:
    return log / math.log(10) if math.isfinite(log) else None
