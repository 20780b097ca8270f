"""Points between the cells of a numeric column that has too many distinct values to keep each.

All of the reference's values are points, so that its distribution function is constant inside a
cell. Where the reference has no value, points spread out from its median: close together there,
then as far apart as a hundredth of the way from it, so that rows which left the reference are told
apart as well, however far they went.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

#: Points from the reference at most; from more distinct values they are chosen evenly.
MAX_POINTS: Final = 8192
#: Distance of neighbouring points over their distance from the middle.
STEP: Final = 0.01
#: The points are so close up to here, in scales from the middle: farther out than any measurement
#: in a wrong unit. Then each is twice as far away as the one before, up to the largest number.
_FAR: Final = 1e15


def spread(middle: float, scale: float) -> Floats:
    """Return ascending points on both sides of a middle.

    Args:
        middle: Finite.
        scale: How far values usually are from it, above 0: points are a hundredth of that apart
            near the middle, and a hundredth of the way from it farther out.
    """
    with np.errstate(over="ignore"):
        near = np.sinh(STEP * np.arange(int(np.arcsinh(_FAR) / STEP) + 1)) * scale
        far = np.ldexp(near[-1], np.arange(1, 2200))
        steps = np.concatenate([near, far])
        points = np.concatenate([middle - steps, middle + steps])
    return np.unique(points[np.isfinite(points)])


def grid_of(values: Floats, counts: Floats) -> Floats:
    """Return the points for a column of the reference.

    The smallest and the largest value have a cell of their own, so a row is known to be outside of
    the reference's range or not.

    Args:
        values: Its distinct values, ascending, at least one.
        counts: Rows with each.
    """
    places = np.arange(len(values))
    if len(values) > MAX_POINTS:
        places = np.linspace(0, len(values) - 1, MAX_POINTS).round().astype(np.int64)
    known = values[places]
    ends = np.array([known[0], np.nextafter(known[0], np.inf), np.nextafter(known[-1], np.inf)])
    below = np.cumsum(counts)
    low, middle, high = values[np.searchsorted(below, below[-1] * np.array([0.25, 0.5, 0.75]))]
    # More than half of the rows may have one value; then all of them say how wide it is.
    scale = (high - low) or _deviation(values, counts) or abs(middle) or 1.0
    return np.unique(np.concatenate([known, ends, spread(float(middle), float(scale))]))


def _deviation(values: Floats, counts: Floats) -> float:
    mean = values @ counts / counts.sum()
    return float(np.sqrt((values - mean) ** 2 @ counts / counts.sum()))
