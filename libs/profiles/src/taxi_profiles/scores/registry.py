"""Names of scores, what kind of column each is for, and which way it points."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from taxi_profiles.categorical import CategoricalProfile
from taxi_profiles.numeric import NumericProfile, wasserstein
from taxi_profiles.scores import binned, counted, ranked

OfNumbers = Callable[[NumericProfile, NumericProfile], float]
OfCategories = Callable[[CategoricalProfile, CategoricalProfile], float]


class Direction(StrEnum):
    """What a large value means."""

    #: 0 is the same; large is far.
    DISTANCE = "distance"
    #: 0 to 1; small is far.
    P_VALUE = "pvalue"


@dataclass(frozen=True, slots=True)
class Score:
    """A score by name; both functions take the reference first.

    Attributes:
        name: As Evidently has it.
        direction: Distance or p-value.
        of_numbers: For a number; None where there is none.
        of_categories: For a category or boolean; None where there is none.
    """

    name: str
    direction: Direction
    of_numbers: OfNumbers | None = None
    of_categories: OfCategories | None = None


def _all() -> Iterable[Score]:
    far, chance = Direction.DISTANCE, Direction.P_VALUE
    yield Score("wasserstein", far, wasserstein)
    yield Score(
        "jensenshannon", far, binned.jensen_shannon_distance, binned.jensen_shannon_distance
    )
    yield Score("psi", far, binned.psi, binned.psi)
    yield Score("kl_div", far, binned.kl_divergence, binned.kl_divergence)
    yield Score("hellinger", far, binned.hellinger, binned.hellinger)
    yield Score("tvd", far, None, binned.total_variation)
    yield Score("ed", far, ranked.energy_distance)
    yield Score("ks", chance, ranked.kolmogorov_smirnov)
    yield Score("cramer_von_mises", chance, ranked.cramer_von_mises)
    yield Score("anderson", chance, ranked.anderson_darling)
    yield Score("mannw", chance, ranked.mann_whitney)
    yield Score("chisquare", chance, None, counted.chi_square)
    yield Score("z", chance, None, counted.proportions)


#: All scores by name.
SCORES: Final[Mapping[str, Score]] = MappingProxyType({one.name: one for one in _all()})
