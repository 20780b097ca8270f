"""Rows of a block: their columns, and the stratum of each."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from taxi_profiles.reference import MOMENT
from taxi_profiles.strata import STRATA, strata_of

Floats = NDArray[np.float64]
Ids = NDArray[np.int64]
Mask = NDArray[np.bool_]

#: Stratum of rows whose event time is not known: they are compared with the whole reference.
UNTIMED: Final = STRATA
ALL_STRATA: Final = STRATA + 1


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows, as columns of n values.

    Attributes:
        columns: Numbers and codes by name; NaN is missing. `PREDICTION`, and `TARGET` where
            labels are known, are among them.
        strata: 0..16, shape (n,).
        slices: Members by `slice=group`, each of shape (n,).
    """

    columns: Mapping[str, Floats]
    strata: Ids
    slices: Mapping[str, Mask] = field(default_factory=dict)

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.strata)

    def part(self, chosen: slice) -> "Rows":
        """Return some of the rows."""
        return Rows(
            {name: column[chosen] for name, column in self.columns.items()},
            self.strata[chosen],
            {name: mask[chosen] for name, mask in self.slices.items()},
        )


def rows_of(
    columns: Mapping[str, Floats], timed: bool, slices: Mapping[str, Mask] | None = None
) -> Rows:
    """Put rows together.

    Args:
        columns: As `taxi_profiles.verdict.evaluate` takes them; where rows have event times
            `MOMENT` is among them, NaN where one is not known.
        timed: Whether the reference's rows have event times.
        slices: Members by `slice=group`.

    Raises:
        ValueError: there is no row, or columns are of other lengths.
    """
    lengths = {len(column) for column in columns.values()}
    if len(lengths) != 1 or not max(lengths):
        raise ValueError(f"block: columns of {sorted(lengths)} rows; give equally many, at least 1")
    rows = lengths.pop()
    strata = np.zeros(rows, np.int64)
    if timed:
        moments = columns.get(MOMENT, np.full(rows, np.nan))
        known = np.isfinite(moments)
        strata = np.full(rows, UNTIMED)
        strata[known] = strata_of(moments[known])
    return Rows(columns, strata, slices or {})
