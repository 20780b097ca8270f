"""Thresholds from the reference itself: how far its own blocks are from the rest of it.

Rides in the order of time are not independent draws, so the null model is a contiguous
block of the reference against the rest of the reference, matched by hours. The logarithm
of such distances is close to normal; the threshold is its far quantile. Constants were
frozen on whole months, see docs/adr/0003.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

#: Row counts that are calibrated; between them the threshold is interpolated.
ROW_COUNTS: Final = (125, 250, 500, 1000, 2000, 5000)
#: Chance of a false breach of one evaluation, shared by the columns that count.
LEVEL: Final = 1e-4
#: Normal quantile of 1 - LEVEL / 4.
QUANTILE: Final = 4.056
#: The next month differs from the reference by more than the reference's blocks do from each
#: other: the ordinary February of 2021 reaches 1.03 of January's bare threshold.
COLUMN_MARGIN: Final = 1.1
#: Weather alone raises the error: the snow of early February 2021 takes the RMSE from 5.0 to
#: 7.3 minutes, 1.27 of the bare limit. A limit below that would call every storm an alarm.
ERROR_MARGIN: Final = 1.5
_FEWEST_BLOCKS: Final = 8
_MOST_BLOCKS: Final = 120


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Threshold of one column by row count.

    Attributes:
        row_counts: Calibrated row counts, ascending, shape (k,).
        values: Threshold at each, shape (k,).
    """

    row_counts: Floats
    values: Floats

    def at(self, rows: int) -> float:
        """Threshold for a window of `rows` rides.

        Interpolated in the logarithm of the row count; beyond the calibrated range the nearest
        one is taken, which is too wide for larger windows and never too narrow.
        """
        return float(
            np.exp(np.interp(np.log(max(rows, 1)), np.log(self.row_counts), np.log(self.values)))
        )


def blocks_of(rows: int, size: int) -> list[slice]:
    """Return contiguous blocks that overlap by one half, at most 120, evenly spread.

    >>> blocks_of(10, 4)
    [slice(0, 4, None), slice(2, 6, None), slice(4, 8, None), slice(6, 10, None)]
    """
    starts = np.arange(0, rows - size + 1, max(size // 2, 1))
    if len(starts) > _MOST_BLOCKS:
        starts = starts[np.linspace(0, len(starts) - 1, _MOST_BLOCKS).astype(int)]
    return [slice(int(start), int(start) + size) for start in starts]


def calibrated_row_counts(rows: int) -> list[int]:
    """Return the row counts for which a reference of `rows` rides has enough blocks."""
    counts = [size for size in ROW_COUNTS if len(blocks_of(rows, size)) >= _FEWEST_BLOCKS]
    return counts or [max(rows // 5, 1)]


def calibrate(
    rows: int, score_blocks: Callable[[slice], Mapping[str, float]], margin: float
) -> dict[str, Thresholds]:
    """Calibrate all columns at once.

    Args:
        rows: Rides of the reference, in the order of time.
        score_blocks: Score of each column for one block against the rest.
        margin: The fitted quantile times this is the threshold.

    Returns:
        Thresholds by column.
    """
    sizes = calibrated_row_counts(rows)
    found: dict[str, list[float]] = {}
    for size in sizes:
        blocks = blocks_of(rows, size)
        scored = [score_blocks(block) for block in blocks]
        for name in scored[0]:
            scores = np.array([one[name] for one in scored])
            found.setdefault(name, []).append(margin * _far_quantile(scores, rows / size))
    counts = np.array(sizes, dtype=np.float64)
    return {name: Thresholds(counts, np.array(values)) for name, values in found.items()}


def _far_quantile(scores: Floats, independent_blocks: float) -> float:
    """Far quantile of a log-normal fit, widened for the few blocks it was fitted on."""
    logs = np.log(np.maximum(scores, 1e-12))
    spread = float(np.std(logs, ddof=1)) if len(logs) > 1 else 1.0
    widened = spread * np.sqrt(1 + 1 / max(independent_blocks, 1.0))
    return float(np.exp(np.mean(logs) + QUANTILE * widened))
