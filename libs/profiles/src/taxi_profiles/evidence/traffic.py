"""Traffic: rows an hour, beside those that the reference had at like hours. It decides nothing.

Times are those of the events. Those of answers or of storing would follow whoever sends rows late,
all at once or again; the hours of a reference are hours of events, too.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from taxi_profiles.strata import BANDS, STRATA, strata_of

Floats = NDArray[np.float64]

_HOUR: Final = 3600.0
_DAY: Final = 24 * _HOUR
_BAND: Final = _DAY / BANDS
#: A day with fewer than this share of the middle day's rows has strays of a wrong clock.
_STRAY_SHARE: Final = 0.01
#: Hours of a stratum from which on the reference knows its traffic.
_MIN_HOURS: Final = 1.0
#: Shortest stretch that is measured, hours: what is shorter says more about order than about rows.
_MIN_STRETCH: Final = 1.0
#: Longest one: rows of last year and of this one are of no stretch.
_MAX_STRETCH: Final = 366 * 24.0


@dataclass(frozen=True, slots=True)
class UsualTraffic:
    """Rows of a reference, and the hours in which they came.

    Attributes:
        rows: By stratum, shape (16,).
        hours: Of the reference's days, by stratum, shape (16,).
    """

    rows: Floats
    hours: Floats

    def between(self, begin: float, end: float) -> float | None:
        """Return the rows that the reference would have had; None where it cannot tell.

        Args:
            begin: Local time, seconds since 1970-01-01 00:00 local.
            end: Likewise, later.
        """
        first, last = np.floor(begin / _BAND), np.ceil(end / _BAND)
        bands = np.arange(first, last, dtype=np.float64) * _BAND
        hours = (np.minimum(bands + _BAND, end) - np.maximum(bands, begin)) / _HOUR
        wanted = np.bincount(strata_of(bands), hours, minlength=STRATA)
        touched = wanted > 0
        if (self.hours[touched] < _MIN_HOURS).any():
            return None
        rows = float((wanted[touched] * self.rows[touched] / self.hours[touched]).sum())
        return rows if rows > 0 else None

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return plain arrays."""
        return {"traffic/rows": self.rows, "traffic/hours": self.hours}

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> "UsualTraffic | None":
        """Return what `arrays` made; None where a reference of before has none."""
        if "traffic/rows" not in arrays:
            return None
        return cls(arrays["traffic/rows"], arrays["traffic/hours"])


def usual_traffic(moments: Floats) -> UsualTraffic:
    """Count the rows of a reference, and its hours.

    Days without rows are none of its days, so that a reference of two spans is no thinner for what
    lies between them; an hour without rows counts.

    Args:
        moments: Local event times, seconds since 1970-01-01 00:00 local, shape (n,), finite.
    """
    days, place, counts = np.unique(
        np.floor(moments / _DAY), return_inverse=True, return_counts=True
    )
    known = counts >= _STRAY_SHARE * np.median(counts)
    kept = moments[known[place]]
    begins = (days[known][:, np.newaxis] * _DAY + np.arange(BANDS) * _BAND).ravel()
    first, last = kept.min(), kept.max()
    hours = np.maximum(np.minimum(begins + _BAND, last) - np.maximum(begins, first), 0.0) / _HOUR
    return UsualTraffic(
        np.bincount(strata_of(kept), minlength=STRATA).astype(np.float64),
        np.bincount(strata_of(begins), hours, minlength=STRATA).astype(np.float64),
    )


@dataclass(frozen=True, slots=True)
class Measured:
    """The traffic of a stretch of time.

    Attributes:
        hours: How long it was.
        rows: Rows that came.
        usual: Rows that the reference would have had.
    """

    hours: float
    rows: int
    usual: float


@dataclass(frozen=True, slots=True)
class Traffic:
    """Traffic after some blocks.

    The time of a block is the median of its rows' times, which neither the order of rows nor some
    wrong clocks move; a stretch is from one to another that is an hour later, or more. Rows of days
    before (an import, a client that catches up) say nothing of the traffic then, most of which was
    counted, nor now: nothing is measured until a block is as late as before them.

    Attributes:
        begin: Where the stretch begins that is not whole yet, local seconds.
        rows: Rows of the blocks since.
        measured: The last whole stretch; None before, and where the reference cannot tell.
        behind: Whether a block of an hour or more before `begin` came, and none after it since:
            the next stretch begins with the first one.
    """

    begin: float
    rows: int
    measured: Measured | None = None
    behind: bool = False


def traffic_after(usual: UsualTraffic, before: Traffic | None, moments: Floats) -> Traffic | None:
    """Return the traffic after one more block; None while no block had a time.

    Args:
        usual: Of the reference.
        before: After the block before; None when there was none.
        moments: Local event times of the block's rows, NaN where not known, shape (n,).
    """
    known = moments[np.isfinite(moments)]
    if not len(known):
        return before and replace(before, rows=before.rows + len(moments))
    time = float(np.median(known))
    if before is None:
        return Traffic(time, 0)
    hours = (time - before.begin) / _HOUR
    if abs(hours) > _MAX_STRETCH or (before.behind and hours >= 0):
        return Traffic(time, 0)
    if before.behind or hours <= -_MIN_STRETCH:
        return Traffic(before.begin, 0, behind=True)
    rows = before.rows + len(moments)
    if hours < _MIN_STRETCH:  # or a little back, as rows come out of order
        return replace(before, rows=rows)
    expected = usual.between(before.begin, time)
    return Traffic(time, 0, None if expected is None else Measured(hours, rows, expected))
