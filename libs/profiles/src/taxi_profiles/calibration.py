"""Thresholds from the reference itself: how far its own blocks are from the rest of it.

Rows in the order of time are not independent draws, so the null model is a contiguous
block of the reference against the rest of the reference, stratified by hours. The logarithm
of such distances is close to normal; the threshold is its far quantile. Constants were
frozen on whole months, see docs/adr/0003. No threshold is below the sampling noise or near
the largest distance that there is, and beyond the row counts that the reference has blocks
for, the fit is continued, see docs/adr/0014.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from taxi_profiles.noise import QUANTILE, Noise

Floats = NDArray[np.float64]

#: Row counts that are calibrated; between them the threshold is interpolated.
ROW_COUNTS: Final = (125, 250, 500, 1000, 2000, 5000)
#: Row counts to which the fit is continued only.
_LARGER: Final = (10_000, 20_000)
#: The next month differs from the reference by more than the reference's blocks do from each
#: other: the ordinary February of 2021 reaches 1.03 of January's bare threshold.
COLUMN_MARGIN: Final = 1.1
#: Weather alone raises the error: the snow of early February 2021 takes the RMSE of taxi
#: rides from 5.0 to 7.3 minutes, 1.27 of the bare limit. A limit below that would call every storm
#: an alarm.
ERROR_MARGIN: Final = 1.5
_MIN_BLOCKS: Final = 8
_MAX_BLOCKS: Final = 120
#: Largest threshold, as a share of the largest distance: what has nothing in common is above it.
_CEILING: Final = 0.9
#: Independent draws come closer with the square root of their number, dependent ones slower.
_STEEPEST: Final = -0.5
#: Blocks that are like the rest by chance say little about the far end: scores below this share
#: of the noise count as that, and the far end is believed up to so many times the farthest block.
#: On whole months no score is so low, and no limit that high.
_MIN_SCORE: Final = 0.1
_MAX_BEYOND: Final = 5.0


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Threshold of one column by row count.

    Attributes:
        row_counts: Calibrated row counts, ascending, shape (k,).
        values: Threshold at each, shape (k,); infinite where it cannot be evaluated, which is at
            the smaller counts, or at all.
    """

    row_counts: Floats
    values: Floats

    def at(self, rows: int) -> float | None:
        """Threshold for a window of `rows` rows; None when so few cannot be evaluated.

        Interpolated in the logarithm of the row count. Beyond the largest calibrated one that
        one's is taken, which is too wide and never too narrow; below the smallest it would be too
        narrow, so these are not evaluated.
        """
        evaluated = np.isfinite(self.values)
        counts, values = self.row_counts[evaluated], self.values[evaluated]
        if not len(counts) or rows < counts[0]:
            return None
        return float(np.exp(np.interp(np.log(rows), np.log(counts), np.log(values))))


def blocks_of(rows: int, size: int) -> list[slice]:
    """Return contiguous blocks that overlap by one half, at most 120, evenly spread.

    >>> blocks_of(10, 4)
    [slice(0, 4, None), slice(2, 6, None), slice(4, 8, None), slice(6, 10, None)]
    """
    starts = np.arange(0, rows - size + 1, max(size // 2, 1))
    if len(starts) > _MAX_BLOCKS:
        starts = starts[np.linspace(0, len(starts) - 1, _MAX_BLOCKS).astype(int)]
    return [slice(int(start), int(start) + size) for start in starts]


def calibrated_row_counts(rows: int) -> list[int]:
    """Return the row counts for which a reference of `rows` rows has enough blocks."""
    counts = [size for size in ROW_COUNTS if len(blocks_of(rows, size)) >= _MIN_BLOCKS]
    return counts or [max(rows // 5, 1)]


@dataclass(frozen=True, slots=True)
class Scale:
    """What the distances of a column can be.

    Attributes:
        noise: Sampling noise at a row count, given the blocks of that size.
        largest: Distance of columns that have nothing in common; infinite when there is none.
    """

    noise: Callable[[int, Sequence[slice]], Noise]
    largest: float = np.inf


def calibrate(
    rows: int,
    score_blocks: Callable[[slice], Mapping[str, float]],
    scales: Mapping[str, Scale],
    margin: float,
) -> dict[str, Thresholds]:
    """Calibrate all columns at once.

    Args:
        rows: Rows of the reference, in the order of time.
        score_blocks: Score of each column for one block against the rest.
        scales: Of each column.
        margin: The fitted quantile times this is the threshold.

    Returns:
        Thresholds by column.
    """
    sizes = calibrated_row_counts(rows)
    larger = [one for one in (*ROW_COUNTS, *_LARGER) if one > sizes[-1]]
    blocks = {size: blocks_of(rows, size) for size in (*sizes, *larger)}
    scored = {size: [score_blocks(block) for block in blocks[size]] for size in sizes}
    found = {}
    for name, scale in scales.items():
        noises = {size: scale.noise(size, blocks[size]) for size in blocks}
        scores = {size: np.array([one[name] for one in scored[size]]) for size in sizes}
        fits = _continued({size: _fit(some, noises[size]) for size, some in scores.items()}, larger)
        limits = {size: _far_quantile(fit, rows / size) for size, fit in fits.items()}
        for size, some in scores.items():
            farthest = max(float(some.max()), noises[size].usual)
            limits[size] = min(limits[size], _MAX_BEYOND * farthest)
        found[name] = Thresholds(
            np.array(list(blocks), np.float64),
            _bounded(
                margin * np.array(list(limits.values())),
                np.array([one.floor for one in noises.values()]),
                np.array([some.max() for some in scores.values()]),
                _CEILING * scale.largest,
            ),
        )
    return found


def _fit(scores: Floats, noise: Noise) -> tuple[float, float]:
    """Mean and spread of the scores' logarithms."""
    logs = np.log(np.maximum(scores, _MIN_SCORE * noise.usual))
    return float(np.mean(logs)), float(np.std(logs, ddof=1)) if len(logs) > 1 else 1.0


def _continued(
    fits: Mapping[int, tuple[float, float]], larger: Sequence[int]
) -> dict[int, tuple[float, float]]:
    """Continue the fits: mean and logarithm of the spread are lines over that of the row count.

    Both may fall, not rise; with one fit nothing is known of the lines, and it is kept.
    """
    sizes = list(fits)
    mean, spread = fits[sizes[-1]]
    mean_slope = _slope(sizes, [one for one, _ in fits.values()])
    spread_slope = _slope(sizes, [float(np.log(max(one, 1e-9))) for _, one in fits.values()])
    found = dict(fits)
    for size in larger:
        step = float(np.log(size / sizes[-1]))
        found[size] = mean + mean_slope * step, spread * float(np.exp(spread_slope * step))
    return found


def _slope(sizes: Sequence[int], values: Sequence[float]) -> float:
    if len(sizes) < 2:
        return 0.0
    slope = float(np.polyfit(np.log(sizes), values, 1)[0])
    return float(np.clip(slope, _STEEPEST, 0.0))


def _far_quantile(fit: tuple[float, float], independent_blocks: float) -> float:
    """Far quantile of a log-normal fit, widened for the few blocks it was fitted on."""
    mean, spread = fit
    widened = spread * np.sqrt(1 + 1 / max(independent_blocks, 1.0))
    return float(np.exp(mean + QUANTILE * widened))


def _bounded(limits: Floats, floors: Floats, farthest: Floats, ceiling: float) -> Floats:
    """Put the limits between floor and ceiling, falling with the row count.

    Args:
        limits: By row count, shape (k,), those continued last.
        floors: By row count, shape (k,).
        farthest: Largest score of the reference's own blocks, by row count, without those
            continued.
        ceiling: Largest threshold.

    Returns:
        Thresholds, shape (k,); infinite at row counts, and at all below them, at which chance
        alone, or the reference's own blocks, reach the ceiling.
    """
    calibrated = len(farthest)
    # Draws are a little uneven, noise is not: it falls with the row count.
    floors = np.maximum.accumulate(floors[::-1])[::-1]
    known = np.maximum.accumulate(limits[:calibrated][::-1])[::-1]
    continued = np.minimum.accumulate(np.array([known[-1], *limits[calibrated:]]))[1:]
    values: Floats = np.minimum(np.maximum(np.concatenate([known, continued]), floors), ceiling)
    reached = floors >= ceiling
    reached[:calibrated] |= farthest >= ceiling
    values[: np.flatnonzero(reached)[-1] + 1 if reached.any() else 0] = np.inf
    return values
