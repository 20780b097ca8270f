"""Whether a signal that is remembered as breached was healthy meanwhile. Pure.

What is remembered is of the last look. Where looks were missing (the operator or its API server
were away) the signal may have been healthy for its whole time, and the history of its query tells.
"""

import math
from dataclasses import dataclass
from typing import Final

from taxi_operator.core.long_series import Cursor, Judged, LongSeries
from taxi_operator.core.ranges import Range
from taxi_operator.core.series import step_of
from taxi_operator.core.signals import lasted
from taxi_operator.spec.signals import Signal

#: How far back is looked, seconds; further for signals whose own times are long.
_HORIZON: Final = 6 * 3600.0
_TIMES_EXIT: Final = 4
#: Samples of a range: an answer has a bound.
_MAX_STEPS: Final = 4_000
#: Looks that are late, and one that failed, are no reason to decide otherwise than they did.
_INTERVALS: Final = 2


@dataclass(frozen=True, slots=True)
class Past:
    """What the queries of a signal would have answered at equal steps.

    Attributes:
        values: Of its query.
        ages: Of its freshness query, seconds; None when it has none.
        samples: Of its query of rows; None when it has none.
    """

    values: LongSeries
    ages: LongSeries | None
    samples: LongSeries | None


def past_range(signal: Signal, now: float, since: float) -> Range:
    """Return the range that is asked for.

    Args:
        signal: The signal.
        now: End of it, seconds since the epoch.
        since: Older samples are of another model.
    """
    step = step_of(max(signal.enter.for_seconds, signal.exit.for_seconds))
    horizon = max(_HORIZON, _TIMES_EXIT * signal.exit.for_seconds)
    return Range(max(now - min(horizon, _MAX_STEPS * step), since), now, step)


def was_released(signal: Signal, past: Past, step: float, interval_seconds: float) -> bool:
    """Tell whether it was healthy for its whole time, and not breached after that.

    Only what no look could have missed counts, so that a policy whose looks all took place decides
    as if there were no history.

    Args:
        signal: Its conditions.
        past: What there was.
        step: Seconds between two samples without holes.
        interval_seconds: Between two looks.
    """
    enter = Cursor(Judged(past.values, signal.enter), signal.enter.for_seconds, step)
    leave = Cursor(Judged(past.values, signal.exit), signal.exit.for_seconds, step)
    released, healthy_since = False, math.inf
    for at, value in zip(past.values.times, past.values.values, strict=True):
        breached = lasted(signal.enter, enter.window(at, 0.0))
        healthy = lasted(signal.exit, leave.window(at, 0.0)) and _is_usable(signal, past, at, value)
        healthy_since = min(healthy_since, at) if healthy else math.inf
        seen = at - healthy_since >= _INTERVALS * interval_seconds
        released = not breached and (released or seen)
    return released


def _is_usable(signal: Signal, past: Past, at: float, value: float) -> bool:
    """Tell whether a look would have taken the value: finite, fresh, of enough rows."""
    if not math.isfinite(value):
        return False
    if past.ages is not None:
        age = past.ages.value_at(at)
        if age is None or not age <= signal.max_age_seconds:
            return False
    if past.samples is not None and signal.min_samples:
        count = past.samples.value_at(at)
        if count is None or not count >= signal.min_samples:
            return False
    return True
