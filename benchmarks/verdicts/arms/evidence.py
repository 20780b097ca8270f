"""The project's verdict: evidence from blocks with a stated budget of false alarms."""

from collections import Counter

import numpy as np
from numpy.typing import NDArray
from streams import part, window_columns

from taxi_profiles.evidence.calibration import (
    Calibration,
    NotCalibratedError,
    calibration_of,
)
from taxi_profiles.evidence.detector import Detector
from taxi_profiles.evidence.gain import HISTORY
from taxi_profiles.evidence.judgement import Judgement
from taxi_profiles.evidence.judgement import State as Evidence
from taxi_profiles.evidence.kinds import Labels, kind_of
from taxi_profiles.evidence.scoring import Refused, score_labels, score_rows
from taxi_profiles.evidence.streams import Side
from taxi_profiles.reference import MOMENT
from taxi_schema.columns.limits import evaluated
from taxi_schema.columns.rows import LabelledRows, joined
from taxi_schema.columns.slices import slices_of
from verdicts.arms.interface import State, Watch
from verdicts.champions import Champion
from verdicts.traffic import Step

Floats = NDArray[np.float64]

#: Share of the rows before the newest block whose labels came: those of a block are then known.
_COVERED = 0.9


class EvidenceArm:
    """Blocks of rows and of labelled rows, each side with a detector of its own.

    Args:
        name: As tables call it.
        budget: Rows between false alarms.
    """

    def __init__(self, name: str, budget: int) -> None:
        self.name, self._budget = name, budget
        self._champion: Champion | None = None
        self._calibration: Calibration | None = None

    def fit(self, champion: Champion) -> None:
        """Take the calibration that training made."""
        self._champion = champion
        self._calibration = calibration_of(champion.reference)

    def begin(self) -> Watch:
        """Begin without evidence."""
        assert self._champion is not None
        assert self._calibration is not None
        try:
            return EvidenceWatch(self._champion, self._calibration, self._budget)
        except NotCalibratedError:
            return ShortWatch()

    def close(self) -> None:
        """Nothing was started."""


class ShortWatch:
    """What the engine says where the reference is too short: nothing but that."""

    def feed(self, _step: Step) -> State:
        """Return that there is no evidence."""
        return State(False, kind="short")


class _Blocks:
    """Rows in their order, from which whole blocks are taken."""

    def __init__(self) -> None:
        self._rows: list[LabelledRows] = []
        self._moments: list[Floats] = []
        self.waiting = 0

    def add(self, rows: LabelledRows, moments: Floats) -> None:
        self._rows.append(rows)
        self._moments.append(moments)
        self.waiting += len(rows)

    def take(self, size: int) -> tuple[LabelledRows, Floats]:
        rows, moments = joined(self._rows), np.concatenate(self._moments)
        self._rows, self._moments = [rows[size:]], [moments[size:]]
        self.waiting -= size
        return rows[:size], moments[:size]


class EvidenceWatch:
    """One stream's blocks and evidence."""

    def __init__(self, champion: Champion, calibration: Calibration, budget: int) -> None:
        self._champion, self._calibration = champion, calibration
        self._size = calibration.block_rows
        self._detectors = {
            side: Detector.start(calibration, side, budget) for side in (Side.ROWS, Side.LABELS)
        }
        self._rows, self._labelled = _Blocks(), _Blocks()
        self._refused: Counter[str] = Counter()
        self._outside = 0
        self._history: dict[str, Floats] = {}
        self._served = self._served_before = self._labels = 0

    def feed(self, step: Step) -> State:
        """Take whole blocks of what came and return what the evidence says."""
        # Its event time is missing where a row has none, and not that of the request.
        self._rows.add(step.rows, step.rows.moments)
        self._refused.update(step.refused)
        while self._rows.waiting >= self._size:
            self._block_of_rows()
        known = evaluated(self._champion.schema.target, step.labelled.target)
        self._outside += int((~known).sum())
        self._labelled.add(step.labelled[known], step.labelled.moments[known])
        while self._labelled.waiting >= self._size:
            self._block_of_labels()
        self._served_before, self._served = self._served, self._served + len(step.rows)
        self._labels += len(step.labelled)
        return self._state()

    def _block_of_rows(self) -> None:
        rows, moments = self._rows.take(self._size)
        scores = score_rows(
            self._calibration, self._columns(rows, moments), slices=self._slices(rows),
            refused=Refused(self._refused.total(), dict(self._refused)),
        )  # fmt: skip
        self._refused.clear()
        self._detectors[Side.ROWS] = self._detectors[Side.ROWS].after(scores)

    def _block_of_labels(self) -> None:
        rows, moments = self._labelled.take(self._size)
        columns = self._columns(rows, moments)
        scores = score_labels(
            self._calibration, columns, history=self._history or None,
            slices=self._slices(rows), outside=self._outside,
        )  # fmt: skip
        self._outside = 0
        before = self._history or part(columns, slice(0, 0))
        self._history = {
            name: np.concatenate([before[name], column])[-HISTORY:]
            for name, column in columns.items()
        }
        self._detectors[Side.LABELS] = self._detectors[Side.LABELS].after(scores)

    def _state(self) -> State:
        rows, labels = (self._detectors[side].judgement() for side in (Side.ROWS, Side.LABELS))
        covered = self._labels >= _COVERED * self._served_before > 0
        kind = kind_of(rows, labels, Labels.KNOWN if covered else Labels.PENDING)
        sides = sorted((rows, labels), key=_excess, reverse=True)
        return State(
            any(side.state is Evidence.ALARM for side in sides),
            tuple(name for side in sides for name in side.blamed), str(kind), _excess(sides[0]),
        )  # fmt: skip

    def _columns(self, rows: LabelledRows, moments: Floats) -> dict[str, Floats]:
        columns = window_columns(self._champion.schema, self._champion.reference, rows)
        return columns | {MOMENT: moments}

    def _slices(self, rows: LabelledRows) -> dict[str, NDArray[np.bool_]]:
        return slices_of(self._champion.schema, rows.columns, rows.event_times)


def _excess(judgement: Judgement) -> float:
    """Return the evidence over that of an alarm, as base-10 logarithm."""
    total = -np.inf if judgement.total is None else judgement.total
    return float(total - judgement.threshold)
