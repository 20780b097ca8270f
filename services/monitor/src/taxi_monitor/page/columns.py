"""Columns of a version: scores, evidence, and the window over the reference."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from taxi_domain.verdicts import Side
from taxi_monitor.page.charts.bars import Bars
from taxi_monitor.page.distributions import (
    Category,
    categories,
    category_bars,
    mixture_of,
    number_bars,
)
from taxi_monitor.page.evidence import Meter, meter_of, state_at
from taxi_monitor.page.streams import stream_of
from taxi_monitor.page.words import number, share
from taxi_monitor.windows.versions import Evaluation, WatchedVersion
from taxi_profiles.reference import PREDICTION, TARGET
from taxi_profiles.verdict import FeatureVerdict
from taxi_schema.column import Drift
from taxi_store.verdicts.block_verdict import BlockVerdict

Floats = NDArray[np.float64]

#: Bins of the small charts in the table.
_SMALL_BINS: Final = 20
#: A bar of score over threshold ends here.
_MAX_RATIO: Final = 2.0
_METHODS: Final[Mapping[str, str]] = {
    "wasserstein": "Wasserstein", "jensenshannon": "Jensen-Shannon",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class ColumnRow:
    """A column as a row of the table.

    Attributes:
        name: Its name, `prediction` or `target`.
        role: What it is for: input, context, answer, label; with its unit.
        decides: Whether it takes part in the verdict.
        method: Name of the distance.
        score: Distance from the whole reference.
        stratified: Distance from the reference at like hours.
        threshold: Score from which on the window exceeds it.
        ratio: Score at like hours over the threshold, as a text.
        bar: The same as a percentage of a bar whose middle is the threshold; None without.
        exceeded: Whether it is at the threshold or above.
        meter: Evidence of its stream with most of it; None without any.
        state: Of that evidence.
        missing: Share of rows without a value.
        unseen: Share of rows with a category that training never had; empty for numbers.
        problem: Why it has no threshold or no score; empty when it has.
        bars: The window over the reference; None without rows.
    """

    name: str
    role: str
    decides: bool
    method: str
    score: str
    stratified: str
    threshold: str
    ratio: str
    bar: float | None
    exceeded: bool
    meter: Meter | None
    state: str
    missing: str
    unseen: str
    problem: str
    bars: Bars | None


@dataclass(frozen=True, slots=True)
class Moved:
    """A category that moved, with its column."""

    column: str
    category: Category


def column_rows(
    watched: WatchedVersion, evaluation: Evaluation, newest: Mapping[Side, BlockVerdict]
) -> list[ColumnRow]:
    """Return the columns with a score or a problem, the worst first."""
    verdicts = {
        one.feature: one
        for part in (evaluation.inputs, evaluation.errors) if part is not None
        for one in part.features
    }  # fmt: skip
    problems = evaluation.inputs.problems if evaluation.inputs else {}
    unscored = evaluation.unscored
    rows = []
    for name in watched.reference.columns:
        verdict = verdicts.get(name)
        if verdict is None and name not in problems:
            continue
        bars = column_bars(watched, evaluation, name, _SMALL_BINS)
        top = top_stream(name, newest)
        meter, state = (None, "none") if top is None else (
            meter_of(*top), state_at(top[1], top[0].threshold)
        )  # fmt: skip
        if verdict is None:
            rows.append(
                ColumnRow(
                    name, role_of(watched, name), False, "", "–", "–", "–", "–", None, False, meter,
                    state, share(unscored.get(name)), "", problems[name], bars,
                )
            )  # fmt: skip
        else:
            rows.append(_row(watched, verdict, meter, state, bars))
    return sorted(rows, key=_badness)


def top_stream(
    column: str, newest: Mapping[Side, BlockVerdict]
) -> tuple[BlockVerdict, float] | None:
    """Return the most evidence that a column's streams have, with its block; None without any."""
    found = [
        (block, value)
        for block in newest.values()
        for key, value in block.evidence.items()
        if is_of(key, column) and math.isfinite(value)
    ]
    return max(found, key=lambda one: one[1], default=None)


def is_of(key: str, column: str) -> bool:
    """Tell whether a stream is about a column; `prediction` and `target` have streams, too."""
    stream = stream_of(key)
    if column == PREDICTION:
        return stream.score in {"prediction", "prediction_rank"} and not stream.column
    return stream.column == column


def role_of(watched: WatchedVersion, name: str) -> str:
    """Return what a column is for, with its unit."""
    target = watched.schema.target
    if name in {PREDICTION, TARGET}:
        text, unit = ("answer" if name == PREDICTION else "label"), target.unit
    else:
        (column,) = [one for one in watched.schema.columns if one.name == name]
        text, unit = str(column.role), column.unit
        if column.drift is not Drift.DECIDES:
            text = f"{text}, {column.drift}"
    return f"{text}, {unit}" if unit else text


def column_bars(
    watched: WatchedVersion, evaluation: Evaluation, name: str, bins: int
) -> Bars | None:
    """Return the window's values of a column over the reference's, None without rows."""
    rows = evaluation.labelled if name == TARGET else evaluation.window
    if not rows.rows or name not in rows.columns:
        return None
    mixture = mixture_of(watched.reference, rows.columns)
    if name in watched.reference.categorical:
        found = categories(watched.reference, name, rows.columns[name], mixture)
        return category_bars(name, found, bins)
    return number_bars(watched.reference, name, rows.columns[name], mixture, bins)


def moved(watched: WatchedVersion, evaluation: Evaluation, most: int) -> list[Moved]:
    """Return the categories that moved most, of all columns together."""
    window = evaluation.window
    if not window.rows:
        return []
    mixture = mixture_of(watched.reference, window.columns)
    found = [
        Moved(name, one)
        for name in watched.reference.categorical
        if name in window.columns
        for one in categories(watched.reference, name, window.columns[name], mixture)[:most]
    ]
    found.sort(key=lambda one: (-abs(one.category.surprise), one.column))
    return found[:most]


def _row(
    watched: WatchedVersion, verdict: FeatureVerdict, meter: Meter | None, state: str,
    bars: Bars | None,
) -> ColumnRow:  # fmt: skip
    ratio = verdict.score_ratio
    categorical = verdict.feature in watched.reference.categorical
    return ColumnRow(
        name=verdict.feature,
        role=role_of(watched, verdict.feature),
        decides=verdict.decides,
        method=_METHODS.get(verdict.method, verdict.method),
        score=number(verdict.score),
        stratified=number(verdict.stratified_score),
        threshold=number(verdict.threshold),
        ratio="–" if ratio is None else f"{ratio:.2f}",
        bar=None if ratio is None else round(100 * min(ratio, _MAX_RATIO) / _MAX_RATIO, 1),
        exceeded=verdict.exceeded,
        meter=meter,
        state=state,
        missing=share(verdict.missing_ratio),
        unseen=share(verdict.unseen_ratio) if categorical else "",
        problem=verdict.problem,
        bars=bars,
    )


def _badness(row: ColumnRow) -> tuple[bool, float, float, str]:
    return (
        not row.decides,
        -(row.meter.place if row.meter else -1.0),
        -(row.bar if row.bar is not None else -1.0),
        row.name,
    )
