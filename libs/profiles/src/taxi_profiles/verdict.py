"""What a window says: scores, thresholds, and whether it is a breach."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from taxi_profiles.categorical import jensen_shannon, unseen_share
from taxi_profiles.errors import ErrorVerdict, judge_errors
from taxi_profiles.matched import MatchedColumn
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
#: Begins the reason why a feature has a score but no threshold.
UNJUDGED: Final = "cannot be judged"


@dataclass(frozen=True, slots=True)
class FeatureVerdict:
    """One feature of a window.

    Attributes:
        feature: Column name.
        method: `wasserstein` or `jensenshannon`.
        score: Distance from the whole reference: Evidently's number.
        matched_score: Distance from the reference rides of like hours.
        threshold: Matched score that is a breach at this row count, None when it cannot be
            judged.
        missing_ratio: Share of rides without a value.
        unseen_ratio: Share of rides whose category the reference never had.
        decides: Whether the feature takes part in the verdict.
        problem: Why it cannot be judged; empty when it can.
    """

    feature: str
    method: str
    score: float
    matched_score: float
    threshold: float | None
    missing_ratio: float
    unseen_ratio: float
    decides: bool
    problem: str = ""

    @property
    def relative(self) -> float | None:
        """Matched score over its threshold, 1 is a breach; None when it cannot be judged."""
        return None if self.threshold is None else self.matched_score / self.threshold

    @property
    def breach(self) -> bool:
        """Whether the matched score is at or above its threshold."""
        return self.relative is not None and self.relative >= 1


@dataclass(frozen=True, slots=True)
class Verdict:
    """All features of a window, and what could not be scored with the reason."""

    rows: int
    features: tuple[FeatureVerdict, ...]
    problems: Mapping[str, str] = field(default_factory=dict)
    error: ErrorVerdict | None = None

    @property
    def relative(self) -> float | None:
        """Largest relative score among the deciding features, None when none can be judged."""
        scores = (one.relative for one in self.features if one.decides)
        return max((one for one in scores if one is not None), default=None)

    @property
    def drifted(self) -> tuple[str, ...]:
        """Features at or above their threshold, worst first."""
        breached = [(-(one.relative or 0.0), one.feature) for one in self.features if one.breach]
        return tuple(feature for _, feature in sorted(breached))


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
    distance = matched.distance(matched.counts(values), shares_of(strata[finite]))
    threshold = reference.thresholds[name].at(rows)
    return FeatureVerdict(
        feature=name,
        method=method,
        score=score,
        matched_score=distance + matched.beside(values),
        threshold=threshold,
        missing_ratio=1 - rows / len(column),
        unseen_ratio=unseen,
        decides=name in DECIDING and threshold is not None,
        problem="" if threshold is not None else _problem(matched, rows, reference.rows),
    )


def _problem(matched: MatchedColumn, rows: int, reference_rows: int) -> str:
    if matched.is_constant:
        return f"{UNJUDGED}: every ride of the reference has the same value"
    return (
        f"{UNJUDGED}: {rows} rides differ by chance as much as they ever can from the "
        f"{reference_rows} of the reference"
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
