"""Rides at the limits of what a model is asked: a graph that fails there fails for clients."""

import math
from collections.abc import Callable, Sequence
from itertools import product
from typing import Final

from taxi_domain.features import MISSING, MODEL_INPUTS, PU_DO, Features
from taxi_domain.rides import MAX_TRIP_DISTANCE_MILES, MAX_ZONE, MIN_ZONE

#: What any model must answer to be of use.
ORDINARY: Final = Features(MIN_ZONE, MIN_ZONE, 1.0, MISSING, MISSING)

_ZONES: Final = (MIN_ZONE, MAX_ZONE)
_MILES: Final = (0.0, MAX_TRIP_DISTANCE_MILES)
_LAST_HOUR: Final = 23.0
_SUNDAY: Final = 6.0
#: Hour and weekday; both are missing, or none.
_TIMES: Final = ((MISSING, MISSING), *product((0.0, _LAST_HOUR), (0.0, _SUNDAY)))

#: Every combination of the ends of each input, and of the values that may be missing.
AT_THE_LIMITS: Final = tuple(
    Features(pickup, dropoff, miles, hour, weekday)
    for pickup, dropoff, miles, (hour, weekday) in product(_ZONES, _ZONES, _MILES, _TIMES)
)


def not_finite(
    rows: Sequence[Features], predict: Callable[[Sequence[Features]], Sequence[float]]
) -> str:
    """Say which row has an answer that is no finite number; empty when none has.

    Args:
        rows: What the model is asked.
        predict: Returns minutes for each row, and what is not finite as it is.

    >>> not_finite([ORDINARY], lambda rows: [math.inf])
    'gives inf for PULocationID 1, DOLocationID 1, trip_distance 1, hour missing, weekday missing'
    >>> not_finite(AT_THE_LIMITS, lambda rows: [5.0 for _ in rows])
    ''
    """
    answers = predict(rows)
    bad = [place for place, minutes in enumerate(answers) if not math.isfinite(minutes)]
    if not bad:
        return ""
    row = (
        f"{name} {'missing' if math.isnan(value) else f'{value:g}'}"
        for name, value in zip(MODEL_INPUTS, rows[bad[0]].inputs(), strict=True)
        if name != PU_DO
    )
    others = f" (and {len(bad) - 1} more of {len(rows)} probed)" if len(bad) > 1 else ""
    return f"gives {answers[bad[0]]:g} for {', '.join(row)}{others}"
