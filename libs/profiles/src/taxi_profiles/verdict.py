"""What a window says: scores, thresholds, and whether it exceeds thresholds."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from taxi_profiles.categorical import jensen_shannon, unseen_share
from taxi_profiles.errors import ErrorVerdict, evaluate_errors
from taxi_profiles.numeric import normed_wasserstein
from taxi_profiles.reference import MOMENT, PREDICTION, TARGET, Reference
from taxi_profiles.strata import shares_of, strata_of
from taxi_profiles.stratified import StratifiedColumn

Floats = NDArray[np.float64]

WASSERSTEIN: Final = "wasserstein"
JENSEN_SHANNON: Final = "jensenshannon"
STRATIFIED: Final = "_stratified"
#: Begins the reason why a feature has a score but no threshold.
NOT_EVALUATED: Final = "cannot be evaluated"


@dataclass(frozen=True, slots=True)
class FeatureVerdict:
    """One feature of a window.

    Attributes:
        feature: Column name.
        method: `wasserstein` or `jensenshannon`.
        score: Distance from the whole reference: Evidently's number.
        stratified_score: Distance from the reference rows of like hours.
        threshold: Largest usual stratified score at this row count, None when it cannot be
            evaluated.
        missing_ratio: Share of rows without a value.
        unseen_ratio: Share of rows whose category the reference never had.
        decides: Whether the feature takes part in the verdict.
        problem: Why it cannot be evaluated; empty when it can.
    """

    feature: str
    method: str
    score: float
    stratified_score: float
    threshold: float | None
    missing_ratio: float
    unseen_ratio: float
    decides: bool
    problem: str = ""

    @property
    def score_ratio(self) -> float | None:
        """Stratified score over its threshold; 1 exceeds it. None when it cannot be evaluated."""
        return None if self.threshold is None else self.stratified_score / self.threshold

    @property
    def exceeded(self) -> bool:
        """Whether the stratified score is at or above its threshold."""
        return self.score_ratio is not None and self.score_ratio >= 1


@dataclass(frozen=True, slots=True)
class Verdict:
    """All features of a window, and what could not be scored with the reason."""

    rows: int
    features: tuple[FeatureVerdict, ...]
    problems: Mapping[str, str] = field(default_factory=dict)
    error: ErrorVerdict | None = None

    @property
    def score_ratio(self) -> float | None:
        """Largest score ratio among the deciding features, None when none can be evaluated."""
        scores = (one.score_ratio for one in self.features if one.decides)
        return max((one for one in scores if one is not None), default=None)

    @property
    def drifted(self) -> tuple[str, ...]:
        """Features at or above their threshold, worst first."""
        exceeding = [
            (-(one.score_ratio or 0.0), one.feature) for one in self.features if one.exceeded
        ]
        return tuple(feature for _, feature in sorted(exceeding))


def evaluate(reference: Reference, columns: Mapping[str, Floats]) -> Verdict:
    """Evaluate a window's features.

    Args:
        reference: Of the model version.
        columns: Any of the reference's columns, categories as codes (`Reference.codes`), and
            `MOMENT` (finite), each of shape (n,), n >= 1.

    Returns:
        A verdict; a column that cannot be scored is in `problems`, the others are evaluated.
    """
    moments = columns[MOMENT]
    strata = _strata(reference, moments)
    found: list[FeatureVerdict] = []
    problems: dict[str, str] = {}
    for name in reference.columns:
        if name not in columns or name == TARGET:
            continue
        try:
            found.append(_feature(reference, name, columns[name], strata))
        except (ValueError, FloatingPointError) as error:
            problems[name] = str(error)
    return Verdict(len(moments), tuple(found), problems)


def evaluate_labelled(reference: Reference, columns: Mapping[str, Floats]) -> Verdict:
    """Evaluate the labelled rows of a window: the target's distribution and the error.

    Args:
        reference: Of the model version.
        columns: `prediction`, `target` and `MOMENT`, shape (n,), n >= 1.
    """
    strata = _strata(reference, columns[MOMENT])
    target = _feature(reference, TARGET, columns[TARGET], strata)
    errors = (
        None
        if reference.error is None
        else evaluate_errors(reference.error, columns[PREDICTION] - columns[TARGET], strata)
    )
    return Verdict(len(strata), (target,), {}, errors)


def _strata(reference: Reference, moments: Floats) -> NDArray[np.int64]:
    return strata_of(moments) if reference.timed else np.zeros(len(moments), np.int64)


def _feature(
    reference: Reference, name: str, column: Floats, strata: NDArray[np.int64]
) -> FeatureVerdict:
    finite = np.isfinite(column)
    values, rows = column[finite], int(finite.sum())
    if not rows:
        raise ValueError("no row of the window has a value")
    stratified = reference.stratified.get(name)
    if stratified is None:
        raise ValueError("no row of the reference has a value")
    if name in reference.categorical:
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
    distance = stratified.distance(stratified.counts(values), shares_of(strata[finite]))
    threshold = reference.thresholds[name].at(rows)
    return FeatureVerdict(
        feature=name,
        method=method,
        score=score,
        stratified_score=distance + stratified.beside(values),
        threshold=threshold,
        missing_ratio=1 - rows / len(column),
        unseen_ratio=unseen,
        decides=name in reference.deciding and threshold is not None,
        problem="" if threshold is not None else _problem(stratified, rows, reference.rows),
    )


def _problem(stratified: StratifiedColumn, rows: int, reference_rows: int) -> str:
    if stratified.is_constant:
        return f"{NOT_EVALUATED}: every row of the reference has the same value"
    return (
        f"{NOT_EVALUATED}: {rows} rows differ by chance as much as they ever can from the "
        f"{reference_rows} of the reference"
    )


@dataclass(frozen=True, slots=True)
class Alarm:
    """Whether the threshold was exceeded often enough in a row: two, a quarter of a window apart.

    Looking again at the same rows does not count twice, so evaluations are counted by
    the rows that came in between.
    """

    exceedances: int = 0
    counted_at: int = -1
    raised: bool = False

    def after(self, score_ratio: float, rows_seen: int, window_rows: int) -> "Alarm":
        """Return the state after an evaluation.

        Args:
            score_ratio: Largest of the evaluation.
            rows_seen: Rows that came in since the window began to be kept.
            window_rows: Size of the window.
        """
        if score_ratio < 1:
            # A raised alarm stays until the score is well below, so that it does not flap.
            return replace(
                self, exceedances=0, counted_at=-1, raised=self.raised and score_ratio > CLEAR
            )
        apart = self.counted_at < 0 or rows_seen - self.counted_at >= window_rows / 4
        if not apart:
            return self
        exceedances = self.exceedances + 1
        return Alarm(exceedances, rows_seen, self.raised or exceedances >= IN_A_ROW)


#: Breaches in a row that raise the alarm, and the relative score below which it clears.
IN_A_ROW: Final = 2
CLEAR: Final = 0.8
