"""Whether rides are fit for training at all."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from taxi_domain.errors import TaxiError
from taxi_domain.rides import MAX_DURATION_MINUTES, MIN_DURATION_MINUTES
from taxi_train.candidates import Split
from taxi_train.rides import Rides

Floats = NDArray[np.float64]

#: Smallest number of different durations and distances among rides that are real.
_FEWEST_DISTINCT: Final = 50
_HOUR: Final = 3600.0


class DataQualityError(TaxiError):
    """The rides must not be trained on; another try with the same rides is useless.

    Attributes:
        reason: Word for machines.
        figure: What was found.
    """

    def __init__(self, reason: str, figure: float, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.figure = figure


@dataclass(frozen=True, slots=True)
class QualityRules:
    """What rides must be like; shares are of the rides to fit on.

    Attributes:
        min_rows: Fewest rides to fit on.
        min_span_hours: Shortest time between the first and the last answer.
        max_missing: Largest share without a pickup time.
        max_unseen: Largest share of rides from or to zones that the champion never saw.
        max_repeated: Largest share of rides that repeat others in everything.
        max_leaked: Largest share of the gate's rides that repeat one to fit on in everything.
        max_out_of_range: Largest share of rides whose labels are outside the target's range.
        min_label_spread: Smallest standard deviation of the durations, minutes.
    """

    min_rows: int = 1000
    min_span_hours: float = 0.0
    max_missing: float = 0.9
    max_unseen: float = 0.5
    max_repeated: float = 0.5
    max_leaked: float = 0.2
    max_out_of_range: float = 0.3
    min_label_spread: float = 1.0


def check_labels(rows: int, kept: int, rules: QualityRules) -> None:
    """Check how many labelled rides were left out because of their durations.

    Raises:
        DataQualityError: too many.
    """
    share = 1 - kept / rows if rows else 0.0
    if share > rules.max_out_of_range:
        raise DataQualityError(
            "LabelRange", share,
            f"{share:.0%} of the durations are outside of {MIN_DURATION_MINUTES:g} to "
            f"{MAX_DURATION_MINUTES:g} minutes; look at the source of the labels and its unit",
        )  # fmt: skip


def check(parts: Split, reference: Rides, rules: QualityRules) -> None:
    """Check rides before a fit.

    Args:
        parts: New rides, cut for their purposes.
        reference: What the champion was trained on.
        rules: What they must be like.

    Raises:
        DataQualityError: names what is wrong and the figure.
    """
    rides = parts.fit
    if len(rides) < rules.min_rows:
        raise DataQualityError(
            "TooFewRows", len(rides),
            f"{len(rides)} rides to train on, {rules.min_rows} are needed; wait for more labels",
        )  # fmt: skip
    span = float(np.ptp(rides.answered)) / _HOUR
    if span < rules.min_span_hours:
        raise DataQualityError(
            "ShortSpan", span,
            f"the rides are of {span:.1f} hours, {rules.min_span_hours:.1f} are needed; wait",
        )  # fmt: skip
    for name in ("distance", "duration"):
        distinct = len(np.unique(getattr(rides, name)))
        if distinct < _FEWEST_DISTINCT:
            raise DataQualityError(
                "TooFewDistinct", distinct,
                f"{name}: {distinct} different values in {len(rides)} rides; look at the source",
            )  # fmt: skip
    spread = float(rides.duration.std())
    if spread < rules.min_label_spread:
        raise DataQualityError(
            "LabelSpread", spread,
            f"duration: varies by {spread:.2f} minutes only; look at the source of the labels",
        )  # fmt: skip
    _check_shares(parts, reference, rules)


def _check_shares(parts: Split, reference: Rides, rules: QualityRules) -> None:
    rides = parts.fit
    rows = _rows(rides)
    known = np.union1d(reference.pickup, reference.dropoff)
    unseen = ~(np.isin(rides.pickup, known) & np.isin(rides.dropoff, known))
    checks = (
        ("Missing", float(np.isnan(rides.moment).mean()), rules.max_missing,
         "of the rides have no pickup time; look at the clients"),
        ("Unseen", float(unseen.mean()), rules.max_unseen,
         "of the rides are from or to zones that the champion never saw; look at the source"),
        ("Repeated", 1 - len(np.unique(rows, axis=0)) / len(rows), rules.max_repeated,
         "of the rides are repeats of others; look at the log"),
        ("Leaked", _share_in(_rows(parts.gate), rows), rules.max_leaked,
         "of the rides for the comparison repeat rides to train on; look at the log"),
    )  # fmt: skip
    for reason, share, most, text in checks:
        if share > most:
            raise DataQualityError(reason, share, f"{share:.0%} {text}")


def _rows(rides: Rides) -> Floats:
    """Return what makes a ride itself, shape (n, 5); a missing time is -1."""
    moment = np.nan_to_num(rides.moment, nan=-1.0)
    return np.stack([rides.pickup, rides.dropoff, rides.distance, moment, rides.duration], axis=1)


def _share_in(rows: Floats, others: Floats) -> float:
    """Return the share of rows that are among others."""
    if not len(rows):
        return 0.0
    kind = np.dtype((np.void, rows.dtype.itemsize * rows.shape[1]))
    first = np.ascontiguousarray(rows).view(kind).ravel()
    second = np.ascontiguousarray(others).view(kind).ravel()
    return float(np.isin(first, second).mean())
