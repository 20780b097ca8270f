"""The gate: is the candidate better than the champion on rides that neither saw?"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from taxi_domain.runs import RunResult
from taxi_train.models import SEED

Floats = NDArray[np.float64]

_RESAMPLES: Final = 1000


@dataclass(frozen=True, slots=True)
class GateRules:
    """What a candidate must reach.

    Attributes:
        min_labelled_rows: Fewest rides that neither model saw.
        min_relative_gain: Fewest relative gain in RMSE, a share (0.02 is 2 %).
        confidence: Confidence of the interval that must lie above 0, a share.
    """

    min_labelled_rows: int = 1000
    min_relative_gain: float = 0.02
    confidence: float = 0.95


@dataclass(frozen=True, slots=True)
class GateVerdict:
    """The verdict and its numbers (RMSE in minutes, gain as a share)."""

    result: RunResult
    message: str
    numbers: Mapping[str, float]


def judge(target: Floats, champion: Floats, candidate: Floats, rules: GateRules) -> GateVerdict:
    """Compare two models' answers for the same rides.

    Args:
        target: True durations, minutes, shape (n,), in the order of time.
        champion: Minutes, shape (n,).
        candidate: Minutes, shape (n,).
        rules: What the candidate must reach.
    """
    rows = len(target)
    if rows < rules.min_labelled_rows:
        return GateVerdict(
            RunResult.TOO_FEW_LABELS,
            f"{rows} labelled rides that neither model saw, {rules.min_labelled_rows} are needed",
            {"evaluated_rows": rows},
        )
    old, new = (champion - target) ** 2, (candidate - target) ** 2
    gain = _gain(old.mean(), new.mean())
    low, high = _interval(old, new, rules.confidence)
    numbers = {
        "evaluated_rows": float(rows), "gain": gain, "ci_low": low, "ci_high": high,
        "champion_rmse": float(np.sqrt(old.mean())), "candidate_rmse": float(np.sqrt(new.mean())),
    }  # fmt: skip
    better = gain >= rules.min_relative_gain and low > 0
    message = (
        f"RMSE {numbers['candidate_rmse']:.2f} against the champion's "
        f"{numbers['champion_rmse']:.2f} minutes on {rows} rides that neither saw: gain "
        f"{gain:.1%} ({low:.1%} to {high:.1%}); {rules.min_relative_gain:.1%} is asked"
    )
    return GateVerdict(RunResult.BETTER if better else RunResult.NOT_BETTER, message, numbers)


def _gain(old: float, new: float) -> float:
    return float(1 - np.sqrt(new / old))


def _interval(old: Floats, new: Floats, confidence: float) -> tuple[float, float]:
    """Percentile bootstrap over blocks of rides that follow each other.

    Neighbours share weather and traffic, so single rides would make it too narrow
    (Kuensch 1989, moving block bootstrap; block length about n to the power of 1/3).
    """
    rng = np.random.default_rng(SEED)
    rows = len(old)
    length = max(round(rows ** (1 / 3)), 1)
    starts = rng.integers(0, rows - length + 1, (_RESAMPLES, -(-rows // length)))
    sums_old, sums_new = _block_sums(old, length), _block_sums(new, length)
    gains = 1 - np.sqrt(sums_new[starts].sum(axis=1) / sums_old[starts].sum(axis=1))
    low, high = np.quantile(gains, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def _block_sums(values: Floats, length: int) -> Floats:
    total = np.concatenate([[0.0], np.cumsum(values)])
    sums: Floats = total[length:] - total[:-length]
    return sums
