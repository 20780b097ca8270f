"""The model's error over a span, from labels within the target's limits."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from taxi_profiles.reference import TARGET, Reference
from taxi_report.profile.cells import ABSOLUTE, ERRORS, LABELLED, SQUARES
from taxi_report.profile.version import (
    OVER,
    OVER_ROWS,
    RELATIVE,
    RELATIVE_ROWS,
    UNDER,
    UNDER_ROWS,
    VersionProfile,
)

QUANTILES: Final = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)


@dataclass(frozen=True, slots=True)
class Performance:
    """Errors of one version; of the target's unit but for ratios and R2.

    Attributes:
        rows: Labelled rows that are evaluated.
        mae: Mean absolute error.
        rmse: Root mean squared error.
        bias: Mean of prediction minus label.
        mape_ratio: Mean of the absolute error over the label, None without labels other than 0.
        r2: Coefficient of determination, None when all labels are the same.
        error_quantiles: Of prediction minus label, at `QUANTILES`.
        over_ratio: Share of rows predicted too high.
        over_mean: Mean error of these, None without any.
        under_ratio: Share of rows predicted too low.
        under_mean: Mean error of these, None without any.
    """

    rows: int
    mae: float
    rmse: float
    bias: float
    mape_ratio: float | None
    r2: float | None
    error_quantiles: tuple[float, ...]
    over_ratio: float
    over_mean: float | None
    under_ratio: float
    under_mean: float | None


@dataclass(frozen=True, slots=True)
class Labels:
    """How many rows have a label, and how late labels come.

    Attributes:
        rows: Rows with a label.
        coverage_ratio: Share of rows with one.
        outside_ratio: Share of labels outside of the target's limits, None without labels.
        lag_seconds: Median, 90 % and 99 % quantile from answer to label; empty without labels.
    """

    rows: int
    coverage_ratio: float
    outside_ratio: float | None
    lag_seconds: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Limit:
    """What the error may be by the reference.

    Attributes:
        expected_rmse: What the reference had at like hours.
        rmse: RMSE from which on the error is too large, None when the reference cannot tell.
    """

    expected_rmse: float
    rmse: float | None


def performance_of(profile: VersionProfile) -> Performance | None:
    """Return a profile's errors, None without labels within the limits."""
    error, target = profile.error, profile.numeric[TARGET]
    rows = error.rows
    if not rows:
        return None
    _, labelled, errors, absolute, squares = profile.time.sum(axis=1)
    sides, relative = profile.sides, profile.relative_errors
    return Performance(
        rows=rows,
        mae=float(absolute / labelled),
        rmse=float(np.sqrt(squares / labelled)),
        bias=float(errors / labelled),
        mape_ratio=_ratio(relative[RELATIVE], relative[RELATIVE_ROWS]),
        r2=float(1 - squares / target.squares) if target.squares > 0 else None,
        error_quantiles=tuple(error.quantiles(QUANTILES)),
        over_ratio=float(sides[OVER_ROWS] / rows),
        over_mean=_ratio(sides[OVER], sides[OVER_ROWS]),
        under_ratio=float(sides[UNDER_ROWS] / rows),
        under_mean=_ratio(sides[UNDER], sides[UNDER_ROWS]),
    )


def labels_of(profile: VersionProfile) -> Labels:
    """Return how labels came."""
    lag = profile.lag
    return Labels(
        rows=profile.labelled,
        coverage_ratio=profile.labelled / max(profile.rows, 1),
        outside_ratio=_ratio(profile.outside, profile.labelled),
        lag_seconds=tuple(lag.quantiles((0.5, 0.9, 0.99))) if lag.rows else (),
    )


def limit_of(reference: Reference, profile: VersionProfile) -> Limit | None:
    """Return what the error may be; None without labels within the limits, here or there."""
    strata = profile.strata[TARGET]
    rows = int(strata.sum())
    if not rows or reference.error is None:
        return None
    expected = reference.error.expected_rmse(strata / strata.sum())
    ratio = reference.error.thresholds.at(rows)
    return Limit(expected, None if ratio is None else expected * ratio)


@dataclass(frozen=True, slots=True)
class Bucket:
    """A stretch of time: begin (seconds since the epoch), rows, labelled rows and their error."""

    start: float
    rows: int
    labelled: int
    mae: float | None
    rmse: float | None
    bias: float | None


def timeline_of(profile: VersionProfile, start: float, width: float) -> list[Bucket]:
    """Return rows and errors over time."""
    found = []
    for place, sums in enumerate(profile.time.T):
        labelled = int(sums[LABELLED])
        mean_square = _ratio(sums[SQUARES], labelled)
        found.append(
            Bucket(
                start + place * width,
                int(sums[0]),
                labelled,
                _ratio(sums[ABSOLUTE], labelled),
                None if mean_square is None else float(np.sqrt(mean_square)),
                _ratio(sums[ERRORS], labelled),
            )
        )
    return found


def _ratio(part: float, whole: float) -> float | None:
    return float(part / whole) if whole else None
