"""The gate: is the candidate better than the champion on rows that neither saw?"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from taxi_domain.figures import figure
from taxi_domain.runs import RunResult
from taxi_train.seed import SEED

Floats = NDArray[np.float64]

_RESAMPLES: Final = 1000
#: Least squared error of a row as a share of the target's variance: a perfect champion would
#: leave no gain to compute.
_LEAST: Final = 1e-12
_TINY: Final = 1e-300


@dataclass(frozen=True, slots=True)
class GateRules:
    """What a candidate must reach.

    Attributes:
        min_labelled_rows: Fewest rows that neither model saw.
        min_relative_gain: What a promotion has to gain to be worth its cost: fewest relative gain
            in RMSE, a share (0.01 is 1 %).
        confidence: Confidence of the interval that must lie above 0, a share; it is about rows
            like the compared ones, not about other days (docs/adr/0012).
        max_slice_loss: Largest relative loss in RMSE that a slice may have, a share.
        min_slice_rows: Fewest rows of a slice that is compared.
    """

    min_labelled_rows: int = 1000
    min_relative_gain: float = 0.01
    confidence: float = 0.95
    max_slice_loss: float = 0.1
    min_slice_rows: int = 200


@dataclass(frozen=True, slots=True)
class GateVerdict:
    """The verdict and its numbers, on the whole and by slice.

    An RMSE is in the target's unit, a gain a share.
    """

    result: RunResult
    message: str
    numbers: Mapping[str, float]
    slices: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answers:
    """Two models' answers for the same rows, in the order of time.

    Attributes:
        target: Labels, in the target's unit, shape (n,).
        champion: Shape (n,); rows that it has no finite answer for are not compared.
        candidate: Shape (n,).
        unit: Of the target, for the message.
    """

    target: Floats
    champion: Floats
    candidate: Floats
    unit: str = ""


def compare(
    answers: Answers,
    rules: GateRules,
    slices: Mapping[str, NDArray[np.bool_]] | None = None,
) -> GateVerdict:
    """Compare two models' answers for the same rows.

    Args:
        answers: What is compared.
        rules: What the candidate must reach.
        slices: Masks, shape (n,), of rows on which it must not be much worse.
    """
    target, champion, candidate = answers.target, answers.champion, answers.candidate
    rows = len(target)
    if count := int(np.count_nonzero(~np.isfinite(candidate))):
        message = f"the candidate gives no finite answer for {count} of {rows} labelled rows"
        return GateVerdict(RunResult.NOT_BETTER, message, {"evaluated_rows": rows})
    # Rows that only the candidate answers must not keep the champion in its place.
    answered = np.isfinite(champion)
    unanswered, rows = rows - int(answered.sum()), int(answered.sum())
    beside = f", {unanswered} more have no answer of the champion's" if unanswered else ""
    if rows < rules.min_labelled_rows:
        return GateVerdict(
            RunResult.TOO_FEW_LABELS,
            f"{rows} labelled rows that neither model saw{beside}, {rules.min_labelled_rows} are "
            "needed",
            {"evaluated_rows": rows},
        )
    target, champion, candidate = target[answered], champion[answered], candidate[answered]
    slices = {name: mask[answered] for name, mask in (slices or {}).items()}
    least = max(_LEAST * float(np.var(target)), _TINY)
    old = np.maximum((champion - target) ** 2, least)
    new = np.maximum((candidate - target) ** 2, least)
    gain = _gain(old.mean(), new.mean())
    low, high = _interval(old, new, rules.confidence)
    numbers = {
        "evaluated_rows": float(rows), "gain": gain, "ci_low": low, "ci_high": high,
        "champion_rmse": float(np.sqrt(old.mean())), "candidate_rmse": float(np.sqrt(new.mean())),
    }  # fmt: skip
    of_unit = f" {answers.unit}" if answers.unit else ""
    message = (
        f"RMSE {figure(numbers['candidate_rmse'])} against the champion's "
        f"{figure(numbers['champion_rmse'])}{of_unit} on {rows} rows that neither saw{beside}: "
        f"gain {gain:.1%} ({low:.1%} to {high:.1%}); {rules.min_relative_gain:.1%} is asked"
    )
    by_slice = _by_slice(old, new, slices, rules)
    if not (gain >= rules.min_relative_gain and low > 0):
        return GateVerdict(RunResult.NOT_BETTER, message, numbers, by_slice)
    for name, found in by_slice.items():
        if found["gain"] < -rules.max_slice_loss and found["ci_high"] < 0:
            worse = f"; but {-found['gain']:.1%} worse on {found['rows']:.0f} rows of {name}"
            return GateVerdict(RunResult.WORSE_IN_SLICE, message + worse, numbers, by_slice)
    return GateVerdict(RunResult.BETTER, message, numbers, by_slice)


def _by_slice(
    old: Floats, new: Floats, slices: Mapping[str, NDArray[np.bool_]], rules: GateRules
) -> dict[str, dict[str, float]]:
    """Compare in each slice with enough rows.

    With many slices some look worse by chance, so the intervals share the error among them
    (Bonferroni's correction).
    """
    compared = {name: mask for name, mask in slices.items() if mask.sum() >= rules.min_slice_rows}
    confidence = 1 - (1 - rules.confidence) / max(len(compared), 1)
    found = {}
    for name, mask in compared.items():
        low, high = _interval(old[mask], new[mask], confidence)
        found[name] = {
            "rows": float(mask.sum()), "gain": _gain(old[mask].mean(), new[mask].mean()),
            "ci_low": low, "ci_high": high,
            "champion_rmse": float(np.sqrt(old[mask].mean())),
            "candidate_rmse": float(np.sqrt(new[mask].mean())),
        }  # fmt: skip
    return found


def _gain(old: float, new: float) -> float:
    return float(1 - np.sqrt(new / old))


def _interval(old: Floats, new: Floats, confidence: float) -> tuple[float, float]:
    """Percentile bootstrap over blocks of rows that follow each other.

    Neighbours share weather and traffic, so single rows would make it too narrow
    (Kuensch 1989, moving block bootstrap; block length about n to the power of 1/3). Blocks of
    whole hours were measured and give worse decisions (docs/adr/0012).
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
