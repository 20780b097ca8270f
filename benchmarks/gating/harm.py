"""Candidates that were trained on the wrong rows: what a gate is there to refuse."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from taxi_schema.column import Kind
from taxi_schema.columns.rows import LabelledRows
from taxi_schema.schema import Schema

#: Rows of a candidate that hardly saw any.
FEW = 300
#: The storm's share of the spans of six hours, and fewest rows of one: stray event times are none.
STORM, MIN_SPAN = 0.2, 50
#: Labels of a clock that goes wrong, as a multiple.
LARGER = 1.25
#: A number that a client sends in another unit, and how much larger it is then.
UNITS = {"trip_distance": 1.609, "dep_delay": 60.0}


@dataclass(frozen=True)
class Training:
    """What a candidate is trained on, before something goes wrong.

    Attributes:
        schema: Of the rows.
        rows: Those before the gate's.
        champion: The champion's answers for them, in the target's unit, shape (n,).
    """

    schema: Schema
    rows: LabelledRows
    champion: np.ndarray


def wrong_labels(training: Training) -> LabelledRows:
    """Give half of the rows the label of another row."""
    rng = np.random.default_rng(5)
    target = training.rows.target.copy()
    chosen = rng.permutation(len(target))[: len(target) // 2]
    target[chosen] = target[rng.permutation(chosen)]
    return replace(training.rows, target=target)


def larger_labels(training: Training) -> LabelledRows:
    """Make all labels 25 % larger, within the limits."""
    limits = training.schema.target
    target = np.clip(training.rows.target * LARGER, limits.minimum, limits.maximum)
    return replace(training.rows, target=target)


def one_place(training: Training) -> LabelledRows:
    """Keep the most frequent value of the first category alone: a zone, a carrier."""
    column = next(each for each in training.schema.columns if each.kind is Kind.CATEGORY)
    values, counts = np.unique(training.rows.columns[column.name], return_counts=True)
    return training.rows[training.rows.columns[column.name] == values[np.argmax(counts)]]


def other_unit(training: Training) -> LabelledRows:
    """Multiply a number: kilometres for miles, seconds for minutes."""
    columns = {
        name: column * UNITS[name] if name in UNITS else column
        for name, column in training.rows.columns.items()
    }
    return replace(training.rows, columns=columns)


def storm(training: Training) -> LabelledRows:
    """Keep the fifth of the six-hour spans whose labels are the farthest above the answers."""
    spans = (training.rows.moments // (6 * 3600)).astype(np.int64)
    above = training.rows.target - training.champion
    _, places, counts = np.unique(spans, return_inverse=True, return_counts=True)
    means = np.where(counts < MIN_SPAN, -np.inf, np.bincount(places, above) / counts)
    worst = np.argsort(-means)[: max(round(np.sum(counts >= MIN_SPAN) * STORM), 1)]
    return training.rows[np.isin(places, worst)]


def few(training: Training) -> LabelledRows:
    """Keep the newest few."""
    return training.rows[-FEW:]


#: By name: what is done to the new rows, and whether the champion's rows are trained on, too,
#: which makes less of it.
HARM: Mapping[str, tuple[Callable[[Training], LabelledRows], bool]] = {
    "half of the labels of other rows": (wrong_labels, False),
    "half of the labels of other rows, old rows": (wrong_labels, True),
    "labels 25 % larger": (larger_labels, False),
    "labels 25 % larger, old rows": (larger_labels, True),
    "one place alone": (one_place, False),
    "one place alone, old rows": (one_place, True),
    "a number in another unit": (other_unit, False),
    "a number in another unit, old rows": (other_unit, True),
    "a storm alone": (storm, False),
    "a storm alone, old rows": (storm, True),
    "300 rows": (few, False),
}
