"""A monitor that cannot alarm is itself an alarm: shifts are put through a copy of the engine."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from taxi_profiles.evidence.bets import SURCHARGE
from taxi_profiles.evidence.calibration import Calibration
from taxi_profiles.evidence.cells import Cells, column_scores, expected_shares
from taxi_profiles.evidence.detector import Detector
from taxi_profiles.evidence.judgement import State
from taxi_profiles.evidence.scoring import BlockScores, renamed
from taxi_profiles.evidence.streams import Side
from taxi_profiles.reference import PREDICTION

Floats = NDArray[np.float64]

#: Share of the rows that become missing, or move to the rarest category.
_MOVED: Final = 0.3
#: Places by which a number's cells move: at the median as a factor of about a quarter does.
_STEPS: Final = 0.2


@dataclass(frozen=True, slots=True)
class SelfTest:
    """What came of one shift.

    Attributes:
        shift: Its name: what is done and to which column.
        within: Blocks within which the alarm has to come.
        blocks: Blocks that it took; None where it did not come in time.
        blamed: Whether a stream of the column was blamed.
    """

    shift: str
    within: int
    blocks: int | None
    blamed: bool

    @property
    def passed(self) -> bool:
        """Whether the alarm came in time and named the column."""
        return self.blocks is not None and self.blamed


def self_test(calibration: Calibration, budget_rows: float) -> tuple[SelfTest, ...]:
    """Put shifts of every column through a copy of the engine.

    Blocks are made of the reference's own counts, not drawn, so the same calibration says the
    same. Other streams stay at the median of the reference.

    Args:
        calibration: Of the model version.
        budget_rows: Rows between false alarms, of the live detector.

    Raises:
        NotCalibratedError: the reference is too short.
    """
    start = Detector.start(calibration, Side.ROWS, budget_rows)
    usual = {name: float(np.median(some)) for name, some in calibration.scores.items()}
    within = expected_blocks(calibration, start)
    found = []
    for name in calibration.tables:
        if name != PREDICTION and name in calibration.deciding:
            for shift, counts in _shifts(calibration, name):
                scores = usual | _scores(calibration, name, counts)
                found.append(_tried(start, scores, name, shift, within))
    return tuple(found)


def expected_blocks(calibration: Calibration, start: Detector) -> int:
    """Return how many blocks a shift that every line of one stream sees may take, twice over.

    From nothing R grows with the k-th block by about m / (j + SURCHARGE + k), with m blocks of the
    reference and j above the line; it has to reach A over the smallest share of a bet.
    """
    goal = start.rules.threshold - float(np.min(start.rules.shares[start.rules.shares > -math.inf]))
    evidence, blocks = 0.0, 0
    while evidence < goal and blocks < calibration.blocks:
        evidence += math.log(max(calibration.blocks / (SURCHARGE + blocks + 3), 1.5))
        blocks += 1
    return 2 * max(blocks, 1)


def _tried(
    start: Detector, scores: Mapping[str, float], column: str, shift: str, within: int
) -> SelfTest:
    detector = start
    for block in range(1, within + 1):
        detector = detector.after(BlockScores(Side.ROWS, start.block_rows, scores))
        judgement = detector.judgement()
        if judgement.state is State.ALARM:
            blamed = any(name.endswith(f":{column}") for name in judgement.blamed)
            return SelfTest(f"{shift} of {column}", within, block, blamed)
    return SelfTest(f"{shift} of {column}", within, None, False)


def _scores(calibration: Calibration, name: str, counts: Floats) -> dict[str, float]:
    cells, table = calibration.models.cells[name], calibration.tables[name]
    expected = expected_shares(table, table.sum(axis=1))
    return renamed(name, column_scores(cells, counts, expected, calibration.largest[name]).scores)


def _shifts(calibration: Calibration, name: str) -> Iterator[tuple[str, Floats]]:
    cells = calibration.models.cells[name]
    counts = calibration.tables[name].sum(axis=0)
    counts *= calibration.block_rows / counts.sum()
    if not counts[: cells.known].sum():
        return
    lost = counts * (1 - _MOVED)
    lost[cells.missing] += _MOVED * counts.sum()
    yield "values missing", lost
    if cells.known > 1:
        yield ("values moved to one", _gathered(cells, counts)) if cells.categorical else (
            "values shifted", _raised(cells, counts),
        )  # fmt: skip


def _gathered(cells: Cells, counts: Floats) -> Floats:
    moved = counts * (1 - _MOVED)
    moved[int(np.argmin(counts[: cells.known]))] += _MOVED * counts.sum()
    return moved


def _raised(cells: Cells, counts: Floats) -> Floats:
    """Move every value up by a fifth of the cells, at least one."""
    steps = max(int(_STEPS * cells.known), 1)
    moved = counts.copy()
    moved[: cells.known] = 0
    np.add.at(
        moved, np.minimum(np.arange(cells.known) + steps, cells.known - 1), counts[: cells.known]
    )
    return moved
