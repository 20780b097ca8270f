"""Profile of what one model version answered: made of parts, merged, the same in any order."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from taxi_profiles.reference import PREDICTION, TARGET
from taxi_profiles.strata import STRATA
from taxi_report.profile.categorical import (
    CategoricalSummary,
    categorical_summary,
    merge_categorical,
)
from taxi_report.profile.cells import table_of
from taxi_report.profile.column_layout import ColumnLayout
from taxi_report.profile.distinct import registers_of
from taxi_report.profile.layout import Layout
from taxi_report.profile.numeric import NumericSummary, merge_numeric, numeric_summary
from taxi_report.profile.sample import Sample, extremes_of, merge_samples, sample_of
from taxi_report.rows import Rows, kept

Floats = NDArray[np.float64]
Ids = NDArray[np.int64]

_Key = TypeVar("_Key", str, tuple[int, ...])
#: Seconds from a tenth of a millisecond to 300 years, 1 % apart.
SECONDS_GRID: Final = np.geomspace(1e-4, 1e10, 3240)

#: Places in `VersionProfile.relative_errors`: sum of |error| / |label| and rows, where the label is
#: not 0.
RELATIVE, RELATIVE_ROWS = range(2)
#: Places in `VersionProfile.sides`: rows and sum of errors above 0, then below 0.
OVER_ROWS, OVER, UNDER_ROWS, UNDER = range(4)


@dataclass(frozen=True, slots=True)
class VersionProfile:
    """What one version answered.

    Attributes:
        rows: Answered rows.
        first: First answer time, seconds since the epoch; infinity without rows.
        last: Last answer time.
        untimed: Rows whose event has no time.
        roles: Rows by role of the version.
        numeric: Inputs, prediction and target (labels within their limits), by name.
        error: Prediction minus label, in the target's unit.
        lag: From answer to label, seconds.
        latency: To answer, seconds.
        categorical: Inputs by name.
        texts: Texts that the reference never had and `categorical` tells apart, by column and code.
        stratified: Counts by cell of the reference's strata tables, by column.
        beside: Sum over the rows of what those cells do not show, by column.
        strata: Rows with a value by stratum, by column, each of shape (16,).
        labelled: Rows with a label.
        outside: Of these, labels outside of their limits.
        relative_errors: See `RELATIVE`.
        sides: See `OVER_ROWS`.
        tables: Rows and errors by cell of every slice and of crossed slices
            (`taxi_report.profile.cells`), by the slices' places in `Layout.slice_names`: one of
            them, or two.
        time: Rows and errors by bucket of time.
        registers: Estimates the distinct rows.
        sample: Rows chosen by chance.
        extremes: Rows with the smallest and largest values, by numeric column.
    """

    rows: int
    first: float
    last: float
    untimed: int
    roles: Mapping[str, int]
    numeric: Mapping[str, NumericSummary]
    error: NumericSummary
    lag: NumericSummary
    latency: NumericSummary
    categorical: Mapping[str, CategoricalSummary]
    texts: Mapping[str, Mapping[float, str]]
    stratified: Mapping[str, Floats]
    beside: Mapping[str, float]
    strata: Mapping[str, Floats]
    labelled: int
    outside: int
    relative_errors: Floats
    sides: Floats
    tables: Mapping[tuple[int, ...], Floats]
    time: Floats
    registers: NDArray[np.uint8]
    sample: Sample
    extremes: Mapping[str, Rows]


def profile_of(rows: Rows, layout: Layout) -> VersionProfile:
    """Profile some rows of the layout's version."""
    targets = rows.evaluated(layout.schema.target)
    errors = rows.columns[PREDICTION] - targets
    strata = layout.strata_of(rows.moments)
    values = {**rows.columns, TARGET: targets}
    columns = (*layout.columns, layout.target)
    known = errors[np.isfinite(errors)]
    categorical = {
        one.name: categorical_summary(values[one.name], one.points)
        for one in columns
        if not one.numeric
    }
    return VersionProfile(
        rows=len(rows),
        first=float(rows.ts.min()) if len(rows) else float("inf"),
        last=float(rows.ts.max()) if len(rows) else float("-inf"),
        untimed=int(len(rows) - rows.timed.sum()),
        roles={role: rows.roles.count(role) for role in sorted(set(rows.roles))},
        numeric={
            one.name: numeric_summary(values[one.name], one.points)
            for one in columns
            if one.numeric
        },
        error=numeric_summary(errors, layout.errors),
        lag=numeric_summary(rows.lags, SECONDS_GRID),
        latency=numeric_summary(rows.latencies, SECONDS_GRID),
        categorical=categorical,
        texts=_texts(rows.texts, categorical),
        stratified={one.name: one.stratified.counts(_finite(values[one.name])) for one in columns},
        beside={one.name: _beside(one, _finite(values[one.name])) for one in columns},
        strata={
            one.name: np.bincount(
                strata[np.isfinite(values[one.name])], minlength=STRATA
            ).astype(np.float64)
            for one in columns
        },
        labelled=int(np.isfinite(rows.labels).sum()),
        outside=int(np.isfinite(rows.labels).sum() - np.isfinite(targets).sum()),
        relative_errors=_relative(errors, targets),
        sides=np.array(
            [(known > 0).sum(), known[known > 0].sum(), (known < 0).sum(), known[known < 0].sum()],
            dtype=np.float64,
        ),
        tables=_tables(rows, errors, layout),
        time=table_of(layout.bucket_of(rows.ts), errors, layout.buckets),
        registers=registers_of([*(rows.columns[one] for one in _inputs(layout)), rows.moments]),
        sample=sample_of(rows, layout.sample_rows),
        extremes={
            one.name: extremes_of(rows, rows.columns[one.name])
            for one in layout.columns
            if one.numeric
        },
    )  # fmt: skip


def merge(first: VersionProfile, second: VersionProfile, layout: Layout) -> VersionProfile:
    """Return the profile of the rows of both."""
    grids = {one.name: one.points for one in (*layout.columns, layout.target) if one.numeric}
    roles = sorted({*first.roles, *second.roles})
    categorical = {
        name: merge_categorical(one, second.categorical[name])
        for name, one in first.categorical.items()
    }
    texts = {
        name: {**first.texts.get(name, {}), **second.texts.get(name, {})}
        for name in (*first.texts, *second.texts)
    }
    return VersionProfile(
        rows=first.rows + second.rows,
        first=min(first.first, second.first),
        last=max(first.last, second.last),
        untimed=first.untimed + second.untimed,
        roles={role: first.roles.get(role, 0) + second.roles.get(role, 0) for role in roles},
        numeric={
            name: merge_numeric(one, second.numeric[name], grids[name])
            for name, one in first.numeric.items()
        },
        error=merge_numeric(first.error, second.error, layout.errors),
        lag=merge_numeric(first.lag, second.lag, SECONDS_GRID),
        latency=merge_numeric(first.latency, second.latency, SECONDS_GRID),
        categorical=categorical,
        texts=_texts(texts, categorical),
        stratified=_added(first.stratified, second.stratified),
        beside={name: one + second.beside[name] for name, one in first.beside.items()},
        strata=_added(first.strata, second.strata),
        labelled=first.labelled + second.labelled,
        outside=first.outside + second.outside,
        relative_errors=first.relative_errors + second.relative_errors,
        sides=first.sides + second.sides,
        tables=_added(first.tables, second.tables),
        time=first.time + second.time,
        registers=np.maximum(first.registers, second.registers),
        sample=merge_samples(first.sample, second.sample, layout.sample_rows),
        extremes={
            name: _extremes(one.joined(second.extremes[name]), name)
            for name, one in first.extremes.items()
        },
    )


def merged(profiles: list[VersionProfile], layout: Layout) -> VersionProfile:
    """Merge profiles as a tree, so that rounding does not grow with their number.

    Args:
        profiles: At least one.
        layout: Their layout.
    """
    while len(profiles) > 1:
        pairs = [profiles[place : place + 2] for place in range(0, len(profiles), 2)]
        profiles = [reduce(lambda one, other: merge(one, other, layout), pair) for pair in pairs]
    return profiles[0]


def _tables(rows: Rows, errors: Floats, layout: Layout) -> dict[tuple[int, ...], Floats]:
    sizes = layout.slice_sizes()
    cells = layout.slices(rows)
    tables: dict[tuple[int, ...], Floats] = {
        (place,): table_of(cells[place], errors, size) for place, size in enumerate(sizes)
    }
    for first, second in layout.crossed():
        both = cells[first] * sizes[second] + cells[second]
        tables[first, second] = table_of(both, errors, sizes[first] * sizes[second])
    return tables


def _texts(
    texts: Mapping[str, Mapping[float, str]], categorical: Mapping[str, CategoricalSummary]
) -> dict[str, dict[float, str]]:
    return {name: kept(found, categorical[name].unseen) for name, found in texts.items()}


def _inputs(layout: Layout) -> list[str]:
    return [one.name for one in layout.columns if one.name != PREDICTION]


def _extremes(rows: Rows, name: str) -> Rows:
    return extremes_of(rows, rows.columns[name])


def _finite(column: Floats) -> Floats:
    return column[np.isfinite(column)]


def _beside(layout: ColumnLayout, values: Floats) -> float:
    return layout.stratified.beside(values) * len(values)


def _relative(errors: Floats, targets: Floats) -> Floats:
    known = np.isfinite(errors) & (targets != 0)
    shares = np.abs(errors[known] / targets[known])
    return np.array([shares.sum(), known.sum()], dtype=np.float64)


def _added(first: Mapping[_Key, Floats], second: Mapping[_Key, Floats]) -> dict[_Key, Floats]:
    return {name: one + second[name] for name, one in first.items()}
