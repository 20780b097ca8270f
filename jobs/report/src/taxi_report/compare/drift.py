"""Drift of each column: from the version's reference, and from the span before."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from taxi_domain.reports import DRIFT, NO_DRIFT, NO_ROWS
from taxi_profiles.categorical import distance_of_shares
from taxi_profiles.numeric import MIN_STD, area_between
from taxi_profiles.reference import Reference
from taxi_profiles.strata import STRATA
from taxi_profiles.verdict import JENSEN_SHANNON, NOT_EVALUATED, WASSERSTEIN
from taxi_report.profile.categorical import CategoricalSummary
from taxi_report.profile.column_layout import ColumnLayout
from taxi_report.profile.numeric import NumericSummary
from taxi_report.profile.version import VersionProfile

Floats = NDArray[np.float64]

QUANTILES: Final = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)


@dataclass(frozen=True, slots=True)
class Quality:
    """Data quality of one column over the span.

    Attributes:
        rows: Rows with a value.
        missing_ratio: Share of rows without one.
        unseen_ratio: Share of rows whose category the reference never had; 0 for a number.
        outside_ratio: Share of values outside of the reference's range; 0 for a category, None
            where the reference has no values.
        unseen: Such categories with their rows, most first, at most twenty.
    """

    rows: int
    missing_ratio: float
    unseen_ratio: float
    outside_ratio: float | None
    unseen: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Distribution:
    """One column's distribution in words of numbers.

    Attributes:
        mean: Mean of a number, None for a category.
        std: Population standard deviation of a number, None for a category.
        quantiles: Of a number, at `QUANTILES`; empty for a category.
        labels: Names of the bars.
        shares: Share of the rows in each bar, 0..1.
    """

    mean: float | None
    std: float | None
    quantiles: tuple[float, ...]
    labels: tuple[str, ...]
    shares: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class ColumnDrift:
    """One column beside its reference and beside the span before.

    Attributes:
        name: Column.
        method: `wasserstein` (over the reference's standard deviation) or `jensenshannon`.
        score: Distance from the whole reference.
        stratified_score: Distance from the reference rows of like hours.
        threshold: Matched score from which on it is a drift, None when it cannot be evaluated.
        decides: Whether the column takes part in the verdict.
        score_before: Distance from the span before, over that span's standard deviation; None
            without rows there.
        quality: Data quality.
        current: Distribution over the span.
        reference: Distribution of the reference.
        before: Distribution of the span before, None without rows there.
        problem: Why there is no score or no threshold; empty when there are.
    """

    name: str
    method: str
    score: float | None
    stratified_score: float | None
    threshold: float | None
    decides: bool
    score_before: float | None
    quality: Quality
    current: Distribution
    reference: Distribution
    before: Distribution | None
    problem: str

    @property
    def score_ratio(self) -> float | None:
        """Matched score over its threshold; 1 and more is a drift."""
        if self.stratified_score is None or self.threshold is None:
            return None
        return self.stratified_score / self.threshold

    @property
    def drifted(self) -> bool:
        """Whether the stratified score reached its threshold."""
        return self.score_ratio is not None and self.score_ratio >= 1


def column_drift(
    column: ColumnLayout,
    reference: Reference,
    current: VersionProfile,
    expected: VersionProfile,
    before: VersionProfile | None,
) -> ColumnDrift:
    """Compare one column.

    Args:
        column: An input, the prediction or the target.
        reference: Of the version.
        current: Profile of the span.
        expected: Profile of the reference's rows.
        before: Profile of the span before by the same layout, None when there is none.
    """
    name = column.name
    own, theirs = _summary(current, name), _summary(expected, name)
    old = _summary(before, name) if before is not None else None
    measured = bool(own.rows) and column.measured
    threshold = reference.thresholds[name].at(own.rows) if measured else None
    problem = ""
    if not column.measured:
        problem = "no row of the reference has a value"
    elif not own.rows:
        problem = "no row of the span has a value"
    elif threshold is None:
        problem = f"{NOT_EVALUATED}: {own.rows} rows differ by chance as much as they ever can"
    return ColumnDrift(
        name=name,
        method=WASSERSTEIN if column.numeric else JENSEN_SHANNON,
        score=_score(reference, own, name) if measured else None,
        stratified_score=_stratified(column, current) if measured else None,
        threshold=threshold,
        decides=name in reference.deciding and threshold is not None,
        score_before=_between(old, own) if old is not None and old.rows and own.rows else None,
        quality=_quality(own, theirs, lambda code: _name(column, current, code)),
        current=_distribution(column, own, own, theirs, old),
        reference=_distribution(column, theirs, own, theirs, old),
        before=_distribution(column, old, own, theirs, old) if old is not None else None,
        problem=problem,
    )


Summary = NumericSummary | CategoricalSummary


def _summary(profile: VersionProfile, name: str) -> Summary:
    return profile.numeric[name] if name in profile.numeric else profile.categorical[name]


def _score(reference: Reference, own: Summary, name: str) -> float:
    if isinstance(own, NumericSummary):
        profile = reference.numeric[name]
        area = area_between(profile.values, profile.counts, own.values, own.counts)
        return area / max(profile.std, MIN_STD)
    counts = np.append(reference.categorical[name].counts, 0.0)
    # Each unseen category adds half its share times ln 2 whatever the others are, so all of them
    # together in one cell give the same distance.
    return distance_of_shares(counts / counts.sum(), own.cells() / own.rows)


def _between(before: Summary, own: Summary) -> float:
    """Distance of a span from the one before it."""
    if isinstance(own, NumericSummary) and isinstance(before, NumericSummary):
        return own.distance(before) / max(before.std, MIN_STD)
    assert isinstance(own, CategoricalSummary)
    assert isinstance(before, CategoricalSummary)
    unseen = np.union1d(own.unseen, before.unseen)
    shares = []
    for one in (before, own):
        counts = np.zeros(len(unseen))
        counts[np.searchsorted(unseen, one.unseen)] = one.unseen_counts
        shares.append(np.concatenate([one.known, counts, [one.crowd]]) / one.rows)
    return distance_of_shares(shares[0], shares[1])


def _stratified(column: ColumnLayout, current: VersionProfile) -> float:
    strata = current.strata[column.name]
    rows = float(strata.sum())
    mixture = strata / rows if rows else np.full(STRATA, 1 / STRATA)
    beside = current.beside[column.name] / max(rows, 1.0)
    return column.stratified.distance(current.stratified[column.name], mixture) + beside


def _quality(own: Summary, theirs: Summary, name_of: Callable[[float], str]) -> Quality:
    total = max(own.rows + own.missing, 1)
    if isinstance(own, NumericSummary):
        assert isinstance(theirs, NumericSummary)
        outside = own.share_outside(theirs.low, theirs.high) if theirs.rows else None
        return Quality(own.rows, own.missing / total, 0.0, outside, ())
    order = np.argsort(-own.unseen_counts, kind="stable")[:20]
    return Quality(
        rows=own.rows,
        missing_ratio=own.missing / total,
        unseen_ratio=own.unseen_rows / max(own.rows, 1),
        outside_ratio=0.0,
        unseen=tuple(
            (name_of(float(own.unseen[place])), int(own.unseen_counts[place])) for place in order
        ),
    )


def _name(column: ColumnLayout, current: VersionProfile, code: float) -> str:
    text = current.texts.get(column.name, {}).get(code)
    return column.category(code) if text is None else text


_BARS: Final = 30


def _distribution(
    column: ColumnLayout, one: Summary, own: Summary, theirs: Summary, old: Summary | None
) -> Distribution:
    """Describe one of the summaries on bars that all of them share."""
    if isinstance(one, NumericSummary):
        known = [each for each in (own, theirs, old) if isinstance(each, NumericSummary)]
        ends = np.array(
            [each.quantiles((0.005, 0.995)) for each in known if each.rows] or [[0.0, 1.0]]
        )
        low, high = float(ends[:, 0].min()), float(ends[:, 1].max())
        edges = np.linspace(low, high if high > low else low + 1, _BARS + 1)
        cells = np.clip(np.searchsorted(edges, one.values, side="right") - 1, 0, _BARS - 1)
        shares = np.bincount(cells, one.counts, minlength=_BARS) / max(one.rows, 1)
        return Distribution(
            one.mean if one.rows else None, one.std if one.rows else None,
            tuple(one.quantiles(QUANTILES)) if one.rows else (),
            tuple(f"{edge:.3g}" for edge in edges[:-1]), tuple(shares.tolist()),
        )  # fmt: skip
    summaries = [each for each in (own, theirs, old) if isinstance(each, CategoricalSummary)]
    shares_of = [each.cells() / max(each.rows, 1) for each in summaries]
    # The categories that most rows have on any side; the rest goes into one bar.
    top = np.argsort(-np.max(shares_of, axis=0)[:-1], kind="stable")[: _BARS - 2]
    own_shares = one.cells() / max(one.rows, 1)
    rest = float(1 - own_shares[top].sum() - own_shares[-1]) if one.rows else 0.0
    return Distribution(
        None, None, (),
        (*(column.label(int(cell)) for cell in top), column.word("other"), column.word("unseen")),
        (*own_shares[top].tolist(), max(rest, 0.0), float(own_shares[-1])),
    )  # fmt: skip


def verdict_of(columns: Mapping[str, ColumnDrift] | tuple[ColumnDrift, ...]) -> str:
    """Return one word for people: `drift`, `no drift` or why there is none."""
    found = tuple(columns.values()) if isinstance(columns, Mapping) else columns
    deciding = [one for one in found if one.decides]
    if any(one.drifted for one in deciding):
        return DRIFT
    if deciding:
        return NO_DRIFT
    return NOT_EVALUATED if any(one.score is not None for one in found) else NO_ROWS
