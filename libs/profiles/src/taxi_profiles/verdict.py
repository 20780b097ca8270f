"""What a window says: scores, thresholds, and whether it is a breach."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from taxi_profiles.categorical import jensen_shannon, unseen_share
from taxi_profiles.errors import ErrorVerdict, judge_errors
from taxi_profiles.numeric import normed_wasserstein
from taxi_profiles.reference import (
    CATEGORICAL,
    COLUMNS,
    DECIDING,
    MOMENT,
    PREDICTION,
    TARGET,
    Reference,
)
from taxi_profiles.strata import shares_of, strata_of

Floats = NDArray[np.float64]

WASSERSTEIN: Final = "wasserstein"
JENSEN_SHANNON: Final = "jensenshannon"
MATCHED: Final = "_matched"


@dataclass(frozen=True, slots=True)
class FeatureVerdict:
    """One feature of a window.

    Attributes:
        feature: Column name.
        method: `wasserstein` or `jensenshannon`.
        score: Distance from the whole reference: Evidently's number.
        matched_score: Distance from the reference rides of like hours.
        threshold: Matched score that is a breach at this row count.
        missing_ratio: Share of rides without a value.
        unseen_ratio: Share of rides whose category the reference never had.
        decides: Whether the feature takes part in the verdict.
    """

    feature: str
    method: str
    score: float
    matched_score: float
    threshold: float
    missing_ratio: float
    unseen_ratio: float
    decides: bool

    @property
    def relative(self) -> float:
        """Matched score over its threshold; 1 is a breach."""
        return self.matched_score / self.threshold


@dataclass(frozen=True, slots=True)
class Verdict:
    """All features of a window, and what could not be scored with the reason."""

    rows: int
    features: tuple[FeatureVerdict, ...]
    problems: Mapping[str, str] = field(default_factory=dict)
    error: ErrorVerdict | None = None

    @property
    def relative(self) -> float | None:
        """Largest relative score among the deciding features, None without any."""
        deciding = [one.relative for one in self.features if one.decides]
        return max(deciding) if deciding else None

    @property
    def drifted(self) -> tuple[str, ...]:
        """Features at or above their threshold, worst first."""
        breached = [one for one in self.features if one.relative >= 1]
        return tuple(one.feature for one in sorted(breached, key=lambda one: -one.relative))


def judge(reference: Reference, columns: Mapping[str, Floats]) -> Verdict:
    """Judge a window's features.

    Args:
        reference: Of the model version.
        columns: Any of the reference's columns and `moment` (finite), shape (n,), n >= 1.

    Returns:
        A verdict; a column that cannot be scored is in `problems`, the others are judged.
    """
    moments = columns[MOMENT]
    strata = strata_of(moments)
    found: list[FeatureVerdict] = []
    problems: dict[str, str] = {}
    for name in COLUMNS:
        if name not in columns or name == TARGET:
            continue
        try:
            found.append(_feature(reference, name, columns[name], strata))
        except (ValueError, FloatingPointError) as error:
            problems[name] = str(error)
    return Verdict(len(moments), tuple(found), problems)


def judge_labelled(reference: Reference, columns: Mapping[str, Floats]) -> Verdict:
    """Judge the labelled rides of a window: the target's distribution and the error.

    Args:
        reference: Of the model version.
        columns: `prediction`, `target` (minutes) and `moment`, shape (n,), n >= 1.
    """
    strata = strata_of(columns[MOMENT])
    target = _feature(reference, TARGET, columns[TARGET], strata)
    errors = judge_errors(reference.error, columns[PREDICTION] - columns[TARGET], strata)
    return Verdict(len(strata), (target,), {}, errors)


def _feature(
    reference: Reference, name: str, column: Floats, strata: NDArray[np.int64]
) -> FeatureVerdict:
    finite = np.isfinite(column)
    values, rows = column[finite], int(finite.sum())
    if not rows:
        raise ValueError("no ride of the window has a value")
    matched = reference.matched[name]
    if name in CATEGORICAL:
        profile = reference.categorical[name]
        ids = values.astype(np.int64)
        method, score, unseen = (
            JENSEN_SHANNON,
            jensen_shannon(profile, ids),
            unseen_share(profile, ids),
        )
    else:
        method, score, unseen = (
            WASSERSTEIN,
            normed_wasserstein(reference.numeric[name], values),
            0.0,
        )
    return FeatureVerdict(
        feature=name,
        method=method,
        score=score,
        matched_score=matched.distance(matched.counts(values), shares_of(strata[finite])),
        threshold=reference.thresholds[name].at(rows),
        missing_ratio=1 - rows / len(column),
        unseen_ratio=unseen,
        decides=name in DECIDING,
    )


@dataclass(frozen=True, slots=True)
class Alarm:
    """Whether breaches came often enough in a row: two, a quarter of a window apart.

    Looking again at the same rides is not a second breach, so evaluations are counted by
    the rides that came in between.
    """

    breaches: int = 0
    counted_at: int = -1
    raised: bool = False

    def after(self, relative: float, rides_seen: int, window_rows: int) -> "Alarm":
        """Return the state after an evaluation.

        Args:
            relative: Largest relative score of the evaluation.
            rides_seen: Rides that came in since the window began to be kept.
            window_rows: Size of the window.
        """
        if relative < 1:
            # A raised alarm stays until the score is well below, so that it does not flap.
            return replace(self, breaches=0, counted_at=-1, raised=self.raised and relative > CLEAR)
        apart = self.counted_at < 0 or rides_seen - self.counted_at >= window_rows / 4
        if not apart:
            return self
        breaches = self.breaches + 1
        return Alarm(breaches, rides_seen, self.raised or breaches >= IN_A_ROW)


#: Breaches in a row that raise the alarm, and the relative score below which it clears.
IN_A_ROW: Final = 2
CLEAR: Final = 0.8
