"""Conditions on scores by Evidently's names: `max_psi` of a distance, `min_ks` of a p-value."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import numpy as np

from taxi_profiles.categorical import CategoricalProfile
from taxi_profiles.numeric import NumericProfile
from taxi_profiles.reference import Reference
from taxi_profiles.scores.registry import SCORES, Direction, Score
from taxi_report.profile.categorical import CategoricalSummary
from taxi_report.profile.numeric import NumericSummary

#: Scores by the conditions on them.
NAMED: Final[Mapping[str, Score]] = MappingProxyType({
    ("max_" if score.direction is Direction.DISTANCE else "min_") + name: score
    for name, score in SCORES.items()
})  # fmt: skip
#: Those of p-values, which are met from the limit on.
P_VALUES: Final = frozenset(
    name for name, score in NAMED.items() if score.direction is Direction.P_VALUE
)


def is_for(condition: str, number: bool) -> bool:
    """Tell whether a condition is for numbers, or for categories; all other conditions are."""
    score = NAMED.get(condition)
    if score is None:
        return True
    return (score.of_numbers if number else score.of_categories) is not None


def named_score(
    condition: str, reference: Reference, name: str, own: NumericSummary | CategoricalSummary
) -> float | str:
    """Return the score of a column, or why there is none.

    Args:
        condition: Of `NAMED`.
        reference: Of the version; has the column.
        name: Of the column.
        own: The data's.
    """
    score = NAMED[condition]
    try:
        if isinstance(own, NumericSummary):
            if own.by_cells:
                return "the data has too many different values for a score of each"
            assert score.of_numbers is not None
            window = NumericProfile(own.values, own.counts, own.std, own.missing)
            return score.of_numbers(reference.numeric[name], window)
        if own.crowd:
            return "the data has too many categories that the reference never had"
        assert score.of_categories is not None
        return score.of_categories(reference.categorical[name], _categories(reference, name, own))
    except ValueError as error:
        return str(error)


def _categories(reference: Reference, name: str, own: CategoricalSummary) -> CategoricalProfile:
    known = own.known > 0
    ids = np.concatenate([reference.categorical[name].ids[known], own.unseen.astype(np.int64)])
    counts = np.concatenate([own.known[known], own.unseen_counts])
    order = np.argsort(ids)
    return CategoricalProfile(ids[order], counts[order])
