"""Whether rides are fit for training at all."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from taxi_domain.durations import TARGET_MAXIMUM, TARGET_MINIMUM
from taxi_domain.errors import TaxiError
from taxi_train.data.rides import Rides, joined, within_limits
from taxi_train.data.split import Split

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

#: Smallest number of different durations and distances among rides that are real.
_MIN_DISTINCT: Final = 50
_HOUR: Final = 3600.0
_MIDDLE: Final = (0.05, 0.95)


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
    """What rides must be like; shares are of all rides (null, out of range) or of those to fit on.

    Attributes:
        min_rows: Fewest rides to fit on.
        min_span_hours: Shortest time in which the middle nine tenths of the rides begin.
        max_null: Largest share without a zone, distance or duration.
        max_missing: Largest share without a pickup time.
        max_unseen: Largest share of rides from or to zones that the champion never saw.
        max_repeated: Largest share of rides that repeat others in everything.
        max_leaked: Largest share of the gate's rides that repeat one to fit on in everything.
        max_out_of_range: Largest share of rides whose labels are outside the target's range.
        min_label_spread: Smallest standard deviation of the durations, minutes.
    """

    min_rows: int = 1000
    min_span_hours: float = 3.0
    max_null: float = 0.1
    max_missing: float = 0.9
    max_unseen: float = 0.5
    max_repeated: float = 0.5
    max_leaked: float = 0.2
    max_out_of_range: float = 0.3
    min_label_spread: float = 1.0


def usable(rides: Rides, rules: QualityRules) -> Rides:
    """Check all rides of a file and return those within the limits.

    Raises:
        DataQualityError: names what is wrong and the figure.
    """
    check_limits(rides, rules)
    kept = within_limits(rides)
    _check_rides(kept, rules)
    return kept


def check_limits(rides: Rides, rules: QualityRules) -> None:
    """Check how many rides are left out because of what is missing, or of their durations.

    Raises:
        DataQualityError: too many.
    """
    null = np.isnan(rides.pickup + rides.dropoff + rides.distance + rides.duration)
    outside = (rides.duration < TARGET_MINIMUM) | (rides.duration > TARGET_MAXIMUM)
    _check_shares(
        ("Null", null, rules.max_null,
         "of the rides have no zone, distance or duration; look at the source"),
        ("LabelRange", outside, rules.max_out_of_range,
         f"of the durations are outside of {TARGET_MINIMUM:g} to {TARGET_MAXIMUM:g} "
         "minutes; look at the source of the labels and its unit"),
    )  # fmt: skip


def check(parts: Split, reference: Rides, rules: QualityRules) -> None:
    """Check rides within the limits before a fit.

    Args:
        parts: New rides, cut for their purposes.
        reference: What the champion was trained on.
        rules: What they must be like.

    Raises:
        DataQualityError: names what is wrong and the figure.
    """
    rides = parts.fit
    _check_rides(rides, rules)
    rows = _rows(rides)
    _, first = np.unique(rows, axis=0, return_index=True)
    repeated = np.ones(len(rides), dtype=bool)
    repeated[first] = False
    known = np.union1d(reference.pickup, reference.dropoff)
    _check_shares(
        ("Missing", np.isnan(rides.moment), rules.max_missing,
         "of the rides have no pickup time; look at the clients"),
        ("Unseen", ~(np.isin(rides.pickup, known) & np.isin(rides.dropoff, known)),
         rules.max_unseen,
         "of the rides are from or to zones that the champion never saw; look at the source"),
        ("Repeated", repeated, rules.max_repeated,
         "of the rides are repeats of others; look at the log"),
        ("Leaked", _among(_rows(parts.gate), _rows(joined(rides, parts.choose))), rules.max_leaked,
         "of the rides for the comparison repeat rides to train on; look at the log"),
    )  # fmt: skip


def _check_rides(rides: Rides, rules: QualityRules) -> None:
    if len(rides) < rules.min_rows:
        raise DataQualityError(
            "TooFewRows", len(rides),
            f"{len(rides)} rides to train on, {rules.min_rows} are needed; wait for more labels",
        )  # fmt: skip
    for name in ("distance", "duration"):
        distinct = len(np.unique(getattr(rides, name)))
        if distinct < _MIN_DISTINCT:
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
    span = _span_hours(rides)
    if span < rules.min_span_hours:
        raise DataQualityError(
            "ShortSpan", span,
            f"most rides begin within {span:.1f} hours, {rules.min_span_hours:.1f} are needed; "
            "wait for rides of other hours",
        )  # fmt: skip


def _span_hours(rides: Rides) -> float:
    """Return within how many hours the middle nine tenths of the rides begin.

    By the pickup times, since the model sees these, and one wrong date must not count; by the
    time of the answers when no pickup time is known.
    """
    known = rides.moment[np.isfinite(rides.moment)]
    times = known if len(known) else rides.answered
    return float(np.ptp(np.quantile(times, _MIDDLE))) / _HOUR


def _check_shares(*checks: tuple[str, Flags, float, str]) -> None:
    """Raise for the first share of rides that is above its limit."""
    for reason, bad, most, text in checks:
        share = float(bad.mean()) if len(bad) else 0.0
        if share > most:
            raise DataQualityError(reason, share, f"{share:.0%} {text}")


def _rows(rides: Rides) -> Floats:
    """Return what makes a ride itself, shape (n, 5); a missing time is -1."""
    moment = np.nan_to_num(rides.moment, nan=-1.0)
    return np.stack([rides.pickup, rides.dropoff, rides.distance, moment, rides.duration], axis=1)


def _among(rows: Floats, others: Floats) -> Flags:
    """Tell which rows are among others, shape (n,)."""
    kind = np.dtype((np.void, rows.dtype.itemsize * rows.shape[1]))
    first = np.ascontiguousarray(rows).view(kind).ravel()
    second = np.ascontiguousarray(others).view(kind).ravel()
    return np.isin(first, second)
