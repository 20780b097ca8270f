"""The model's error: how large it is, and how large it may be.

What counts is the error over what the reference's rows of like hours had; its limit
comes from contiguous blocks of the reference, as for the columns. The reference's
predictions are out of fold, so the model did not see the rows that it is evaluated by.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from taxi_profiles.calibration import ERROR_MARGIN, Scale, Thresholds, calibrate
from taxi_profiles.noise import Noise, far_quantile, most_of
from taxi_profiles.strata import STRATA, shares_of
from taxi_profiles.stratified import PSEUDO_COUNT

Floats = NDArray[np.float64]
Ids = NDArray[np.int64]

_ERROR: Final = "error"
#: What a block lacks of errors below this says nothing about how large they get.
_MIN_RATIO: Final = 0.1


@dataclass(frozen=True, slots=True)
class ErrorProfile:
    """Squared error of the reference by stratum.

    Attributes:
        squares: Sum of squared errors, in the unit of the target squared, shape (16,).
        counts: Rows, shape (16,).
        thresholds: Largest usual ratio of a block's RMSE to the expected one.
    """

    squares: Floats
    counts: Floats
    thresholds: Thresholds

    @property
    def rmse(self) -> float:
        """Root mean squared error of the reference, in the unit of the target."""
        return float(np.sqrt(self.squares.sum() / self.counts.sum()))

    def expected_rmse(self, mixture: Floats) -> float:
        """RMSE of the reference at the hours of a window, in the unit of the target.

        Args:
            mixture: The window's shares of the strata, shape (16,).
        """
        return _expected(self.squares, self.counts, mixture)


@dataclass(frozen=True, slots=True)
class ErrorVerdict:
    """Errors of labelled rows, in the unit of the target.

    Attributes:
        rows: Labelled rows.
        rmse: Root mean squared error.
        mae: Mean absolute error.
        bias: Mean of prediction minus label.
        expected_rmse: What the reference had at like hours.
        limit: RMSE that exceeds the threshold, None when the reference cannot tell.
    """

    rows: int
    rmse: float
    mae: float
    bias: float
    expected_rmse: float
    limit: float | None

    @property
    def score_ratio(self) -> float | None:
        """RMSE over its limit, 1 exceeds the threshold; None without a limit."""
        return None if self.limit is None else self.rmse / self.limit


def error_profile(errors: Floats, strata: Ids) -> ErrorProfile:
    """Summarise the reference's errors (in the unit of the target, in the order of time)."""
    squares = np.bincount(strata, errors**2, minlength=STRATA).astype(np.float64)
    counts = np.bincount(strata, minlength=STRATA).astype(np.float64)

    def score(block: slice) -> dict[str, float]:
        own = np.bincount(strata[block], errors[block] ** 2, minlength=STRATA).astype(np.float64)
        sizes = np.bincount(strata[block], minlength=STRATA).astype(np.float64)
        expected = _expected(squares - own, counts - sizes, shares_of(strata[block]))
        return {_ERROR: float(np.sqrt(np.mean(errors[block] ** 2))) / expected}

    scales = {_ERROR: Scale(lambda size, _blocks: _noise(errors**2, size))}
    return ErrorProfile(
        squares, counts, calibrate(len(errors), score, scales, ERROR_MARGIN)[_ERROR]
    )


def _noise(squares: Floats, rows: int) -> Noise:
    """How far the ratio of errors may be from 1 by chance.

    The mean of n squared errors over that of the reference's N has the variance s^2 (1/n + 1/N),
    with s their spread over their mean.
    """
    mean, total = float(squares.mean()), len(squares)
    if mean <= 0:
        return Noise(_MIN_RATIO, np.inf)  # without any error there is no ratio
    relative = squares / mean  # the square of a mean next to 0 would be 0
    variance = float(relative.var()) * (1 / rows + 1 / total)
    rare = 1 + float(most_of(np.zeros(1), rows, total)[0]) / rows * float(relative.max())
    return Noise(_MIN_RATIO, float(np.sqrt(max(far_quantile(1.0, variance), rare))))


def evaluate_errors(profile: ErrorProfile, errors: Floats, strata: Ids) -> ErrorVerdict:
    """Evaluate the errors of labelled rows.

    Args:
        profile: Of the reference.
        errors: Prediction minus label, in the unit of the target, shape (n,), n at least 1.
        strata: Strata of the rows, shape (n,).
    """
    expected = profile.expected_rmse(shares_of(strata))
    ratio = profile.thresholds.at(len(errors))
    return ErrorVerdict(
        rows=len(errors),
        rmse=float(np.sqrt(np.mean(errors**2))),
        mae=float(np.mean(np.abs(errors))),
        bias=float(np.mean(errors)),
        expected_rmse=expected,
        limit=None if ratio is None else expected * ratio,
    )


def _expected(squares: Floats, counts: Floats, mixture: Floats) -> float:
    """RMSE that the reference has at the hours of the window, in the unit of the target."""
    overall = squares.sum() / max(counts.sum(), 1.0)
    means = (squares + PSEUDO_COUNT * overall) / (counts + PSEUDO_COUNT)
    return float(np.sqrt(max(mixture @ means, 1e-12)))
