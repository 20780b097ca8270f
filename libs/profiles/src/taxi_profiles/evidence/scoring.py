"""Scores of one block, from counts that merge."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from taxi_profiles.evidence.calibration import Calibration
from taxi_profiles.evidence.cells import column_scores, expected_shares
from taxi_profiles.evidence.gain import MIN_HISTORY, harmful_gain
from taxi_profiles.evidence.rows import ALL_STRATA, UNTIMED, Mask, rows_of
from taxi_profiles.evidence.signals import (
    BIAS,
    GAIN,
    HARM,
    HARMFUL_BIAS,
    Means,
    harmful_bias,
    label_signals,
    means_of,
    row_signals,
)
from taxi_profiles.evidence.streams import Side
from taxi_profiles.reference import PREDICTION

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Refused:
    """Requests that were refused while the rows of a block came in.

    Attributes:
        requests: Rows that were refused.
        fields: Of these, how often a field was the reason.
    """

    requests: int = 0
    fields: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class BlockScores:
    """What a block says, before any evidence.

    Attributes:
        side: Whose order the block is of.
        rows: Rows of the block.
        scores: By stream.
        problems: By stream or column, why a score is not there.
        cells: By stream `cell:...`, lowest and highest value of the cell that it is about; a
            category's code twice.
    """

    side: Side
    rows: int
    scores: Mapping[str, float]
    problems: Mapping[str, str] = field(default_factory=dict)
    cells: Mapping[str, tuple[float, float]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RowCounts:
    """Counts of rows; those of parts add up to those of the whole.

    Attributes:
        strata: Rows by stratum, shape (17,).
        cells: Rows by cell, by column.
        means: Sums of signals.
        refused: Requests that were refused beside.
    """

    strata: Floats
    cells: Mapping[str, Floats]
    means: Means
    refused: Refused

    def __add__(self, other: "RowCounts") -> "RowCounts":
        """Return the counts of both; both have the same columns."""
        fields = {*self.refused.fields, *other.refused.fields}
        return RowCounts(
            self.strata + other.strata,
            {name: counts + other.cells[name] for name, counts in self.cells.items()},
            self.means + other.means,
            Refused(
                self.refused.requests + other.refused.requests,
                {
                    name: self.refused.fields.get(name, 0) + other.refused.fields.get(name, 0)
                    for name in fields
                },
            ),
        )


def count_rows(
    calibration: Calibration,
    columns: Mapping[str, Floats],
    *,
    slices: Mapping[str, Mask] | None = None,
    refused: Refused | None = None,
) -> RowCounts:
    """Count rows, in any order.

    Args:
        calibration: Of the model version.
        columns: As `taxi_profiles.verdict.evaluate` takes them, `MOMENT` may be NaN; columns of
            the reference that are absent have no scores.
        slices: Members by `slice=group`.
        refused: Requests that were refused meanwhile.
    """
    rows = rows_of(columns, calibration.timed, slices)
    placed, coarse = calibration.models.place(rows)
    signals = row_signals(calibration.models, rows, placed, coarse)
    return RowCounts(
        np.bincount(rows.strata, minlength=ALL_STRATA).astype(np.float64),
        {
            name: np.bincount(placed[name], minlength=cells.size).astype(np.float64)
            for name, cells in calibration.models.cells.items()
            if name in columns
        },
        means_of(signals, rows.strata),
        refused or Refused(),
    )


def score_rows(
    calibration: Calibration,
    columns: Mapping[str, Floats],
    *,
    slices: Mapping[str, Mask] | None = None,
    refused: Refused | None = None,
) -> BlockScores:
    """Score a block of rows; see `count_rows` for what it takes."""
    return score_counts(calibration, count_rows(calibration, columns, slices=slices,
                                                refused=refused))  # fmt: skip


def score_counts(calibration: Calibration, counts: RowCounts) -> BlockScores:
    """Score the counts of a block."""
    rows = float(counts.strata.sum())
    scores: dict[str, float] = {}
    problems = dict(calibration.problems)
    named: dict[str, tuple[float, float]] = {}
    for name, table in calibration.tables.items():
        if name not in counts.cells:
            problems[f"column:{name}"] = "the block has no such column"
            continue
        cells = calibration.models.cells[name]
        expected = expected_shares(table, counts.strata)
        found = column_scores(cells, counts.cells[name], expected, calibration.largest[name])
        scores |= renamed(name, found.scores)
        if "column" not in found.scores:
            problems[f"column:{name}"] = "no row of the block has a value"
        if found.largest is not None and name != PREDICTION:
            named[f"cell:{name}"] = cells.value(found.largest)
    scores |= calibration.row_means.scores(counts.means, counts.strata)
    if calibration.timed:
        scores["untimed"] = float(counts.strata[UNTIMED]) / rows
    scores["refused"] = counts.refused.requests / (counts.refused.requests + rows)
    for name in calibration.models.cells:
        number = counts.refused.fields.get(name, 0)
        if name != PREDICTION:
            scores[f"refused:{name}"] = number / (number + rows)
    return BlockScores(Side.ROWS, int(rows), scores, problems, named)


def renamed(column: str, scores: Mapping[str, float]) -> dict[str, float]:
    """Return the scores of a column by stream."""
    if column != PREDICTION:
        return {f"{score}:{column}": value for score, value in scores.items()}
    streams = {"column": "prediction", "rank": "prediction_rank"}
    return {streams[score]: value for score, value in scores.items() if score in streams}


def score_labels(
    calibration: Calibration,
    columns: Mapping[str, Floats],
    *,
    history: Mapping[str, Floats] | None = None,
    slices: Mapping[str, Mask] | None = None,
    outside: int = 0,
) -> BlockScores:
    """Score a block of labelled rows, whose labels are within the target's limits.

    Args:
        calibration: Of the model version.
        columns: `PREDICTION`, `TARGET`, `MOMENT` where rows have event times, and the numbers of
            the reference that there are.
        history: The labelled rows right before the block, likewise, up to 3,000; without at least
            1,500 there is no `gain`.
        slices: Members by `slice=group`.
        outside: Labels outside of the limits that came meanwhile.
    """
    rows = rows_of(columns, calibration.timed, slices)
    strata = np.bincount(rows.strata, minlength=ALL_STRATA).astype(np.float64)
    means = means_of(label_signals(calibration.models, rows), rows.strata)
    scores = calibration.label_means.scores(means, strata)
    bias = harmful_bias(scores[BIAS], scores[HARM], calibration.small_harm)
    scores[HARMFUL_BIAS] = float(bias)
    scores["labels_outside"] = outside / (outside + len(rows))
    problems = dict(calibration.problems)
    saved = None if history is None else calibration.correction.saving(history, rows.columns)
    if saved is None:
        problems[GAIN] = f"fewer than {MIN_HISTORY} labelled rows came before the block"
    else:
        scores[GAIN] = harmful_gain(saved, scores[HARM])
    return BlockScores(Side.LABELS, len(rows), scores, problems)
