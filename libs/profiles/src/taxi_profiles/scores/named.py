"""Scores by name of a whole window."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from numpy.typing import NDArray

from taxi_profiles.categorical import categorical_profile
from taxi_profiles.numeric import numeric_profile
from taxi_profiles.reference import Reference
from taxi_profiles.scores.registry import SCORES, Direction, Score

Floats = NDArray[np.float64]

#: Column and name of a score.
Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class NamedScores:
    """Scores by column and name.

    Attributes:
        distances: Of 0 and more: large is far.
        p_values: Of 0 to 1: small is far.
        problems: Why others are not there.
    """

    distances: Mapping[Key, float] = field(default_factory=dict)
    p_values: Mapping[Key, float] = field(default_factory=dict)
    problems: Mapping[Key, str] = field(default_factory=dict)


def named_scores(
    reference: Reference, columns: Mapping[str, Floats], names: Iterable[str]
) -> NamedScores:
    """Score columns as Evidently does, each by all of the names that are for its kind.

    All categories of a column of strings that the reference never had count as one.

    Args:
        reference: Of the model version.
        columns: Any of the reference's columns, categories as codes (`Reference.codes`), shape
            (n,) each; NaN and infinite values are left out. Others are passed over.
        names: Of `SCORES`.

    Raises:
        KeyError: there is no score of a name.
    """
    scores = [SCORES[name] for name in names]
    by_direction: dict[Direction, dict[Key, float]] = {one: {} for one in Direction}
    problems: dict[Key, str] = {}
    if not scores:
        return NamedScores()
    for column in reference.columns:
        if column not in columns:
            continue
        values = columns[column]
        finite = values[np.isfinite(values)]
        for score, scored in _of_column(reference, column, finite, scores):
            try:
                by_direction[score.direction][column, score.name] = scored()
            except ValueError as error:
                problems[column, score.name] = str(error)
    return NamedScores(by_direction[Direction.DISTANCE], by_direction[Direction.P_VALUE], problems)


def _of_column(
    reference: Reference, column: str, finite: Floats, scores: Iterable[Score]
) -> Iterator[tuple[Score, Callable[[], float]]]:
    """Yield the scores that are for the column's kind, and what computes each."""
    if column in reference.numeric:
        known, window = reference.numeric[column], numeric_profile(finite)
        for score in scores:
            if score.of_numbers is not None:
                yield score, partial(score.of_numbers, known, window)
        return
    categories, new = reference.categorical[column], categorical_profile(finite.astype(np.int64))
    for score in scores:
        if score.of_categories is not None:
            yield score, partial(score.of_categories, categories, new)
