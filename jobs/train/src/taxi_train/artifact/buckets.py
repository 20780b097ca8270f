"""Buckets of the predictor's histogram of answers, from the reference's predictions."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

MIN_BUCKETS: Final = 8
_QUANTILES: Final = (0.01, 0.05, *np.linspace(0.1, 0.9, 9).tolist(), 0.95, 0.99)
_EVEN: Final = 12


def prediction_buckets(predictions: Floats) -> list[float]:
    """Return 8 to 13 distinct upper bounds, ascending, each of three digits.

    Args:
        predictions: Finite, at least one.

    >>> prediction_buckets(np.arange(1000.0))[:3]
    [9.99, 50.0, 99.9]
    >>> len(prediction_buckets(np.array([5.0])))
    12
    """
    bounds = _rounded(np.quantile(predictions, _QUANTILES))
    if len(bounds) >= MIN_BUCKETS:
        return bounds
    low, high = float(np.min(predictions)), float(np.max(predictions))
    middle = low / 2 + high / 2
    # Wide enough that three digits tell the bounds apart.
    width = max(high / 2 - low / 2, 0.2 * max(abs(low), abs(high)), 1e-6)
    if not middle and width == 1e-6:
        width = 1.0
    return _rounded(np.linspace(middle - width, middle + width, _EVEN))


def _rounded(bounds: Floats) -> list[float]:
    return sorted({float(f"{bound:.3g}") + 0.0 for bound in bounds.tolist()})
