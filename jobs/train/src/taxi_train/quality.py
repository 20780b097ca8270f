"""Whether rides are fit for training at all."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from taxi_domain.errors import TaxiError
from taxi_train.rides import Rides

#: Smallest number of different durations and distances among rides that are real.
_FEWEST_DISTINCT: Final = 50
_MOST_REPEATED: Final = 0.5


class DataQualityError(TaxiError):
    """The rides must not be trained on; another try with the same rides is useless."""


@dataclass(frozen=True, slots=True)
class QualityRules:
    """Fewest rides to fit on."""

    min_rows: int = 1000


def check(rides: Rides, rules: QualityRules) -> None:
    """Check rides before a fit.

    Raises:
        DataQualityError: names what is wrong and the figure.
    """
    if len(rides) < rules.min_rows:
        raise DataQualityError(
            f"{len(rides)} rides to train on, {rules.min_rows} are needed; wait for more labels"
        )
    for name in ("distance", "duration"):
        distinct = len(np.unique(getattr(rides, name)))
        if distinct < _FEWEST_DISTINCT:
            raise DataQualityError(
                f"{name}: {distinct} different values in {len(rides)} rides; look at the source"
            )
    rows = np.stack([rides.pickup, rides.dropoff, rides.distance, rides.duration], axis=1)
    repeated = 1 - len(np.unique(rows, axis=0)) / len(rides)
    if repeated > _MOST_REPEATED:
        raise DataQualityError(
            f"{repeated:.0%} of the rides are repeats of others; look at the log"
        )
