"""Strata of the week: rows of a window are compared with reference rows of like hours.

A window of some hundred rows covers a part of a day, and a Sunday night is not a Monday
morning. Without matching, every ordinary window differs from the whole reference, and
thresholds wide enough for that find nothing.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

#: Two kinds of days (working day, weekend) times eight bands of three hours.
BANDS: Final = 8
STRATA: Final = 2 * BANDS
_DAY: Final = 86_400.0
_HOURS_OF_BAND: Final = 24 // BANDS
#: 1970-01-01, where counting begins, was a Thursday.
_FIRST_WEEKDAY: Final = 3


def strata_of(moments: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the stratum of each row.

    Args:
        moments: Local time as seconds since 1970-01-01 00:00 local, shape (n,), finite.

    Returns:
        0..15: bands of the working day first, then those of the weekend.

    >>> strata_of(np.array([0.0, 2 * 86400.0 + 23 * 3600.0])).tolist()
    [0, 15]
    """
    days = np.floor(moments / _DAY)
    weekday = (days.astype(np.int64) + _FIRST_WEEKDAY) % 7
    hour = ((moments - days * _DAY) // 3600.0).astype(np.int64)
    result: NDArray[np.int64] = (weekday >= 5) * BANDS + hour // _HOURS_OF_BAND
    return result


def shares_of(strata: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the share of each stratum in a window, shape (16,)."""
    return np.bincount(strata, minlength=STRATA) / max(len(strata), 1)
