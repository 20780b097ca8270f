"""Distribution of a categorical column, bounded whatever clients send."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

#: Categories that the reference never had and that are told apart; beyond, only their rows count.
MAX_UNSEEN: Final = 1000


@dataclass(frozen=True, slots=True)
class CategoricalSummary:
    """One column of some rows.

    Attributes:
        known: Rows with each category of the reference, shape (k,).
        unseen: Categories that the reference never had, ascending, shape (u,).
        unseen_counts: Rows with each of them, shape (u,).
        crowd: Rows with such categories that are not told apart, because they are too many.
        missing: Rows without a category.
    """

    known: Floats
    unseen: Floats
    unseen_counts: Floats
    crowd: float
    missing: int

    @property
    def rows(self) -> int:
        """Rows with a category."""
        return int(self.known.sum() + self.unseen_rows)

    @property
    def unseen_rows(self) -> float:
        """Rows whose category the reference never had."""
        return float(self.unseen_counts.sum() + self.crowd)

    def cells(self) -> Floats:
        """Return the counts by cell, shape (k + 1,): the last has what the reference never had."""
        return np.append(self.known, self.unseen_rows)


def category_name(value: float) -> str:
    """Name a category, each with all of its digits: `1234567`, not `1.23457e+06`.

    >>> category_name(1234567.0), category_name(2.5), category_name(-0.0)
    ('1234567', '2.5', '0')
    """
    number = float(value)
    return str(int(number)) if number.is_integer() else repr(number)


def categorical_summary(column: Floats, categories: Floats) -> CategoricalSummary:
    """Summarise a column.

    Args:
        column: Categories as numbers, shape (n,); NaN and infinite ones count as missing.
        categories: Those of the reference, ascending, shape (k,).
    """
    finite = column[np.isfinite(column)]
    values, counts = np.unique(finite, return_counts=True)
    known = np.isin(values, categories)
    places = np.searchsorted(categories, values[known])
    summary = np.zeros(len(categories))
    summary[places] = counts[known]
    return _bounded(
        CategoricalSummary(
            summary, values[~known], counts[~known].astype(np.float64), 0.0,
            len(column) - len(finite),
        )
    )  # fmt: skip


def merge_categorical(first: CategoricalSummary, second: CategoricalSummary) -> CategoricalSummary:
    """Return the summary of the rows of both, made with the same categories."""
    unseen, places = np.unique(np.concatenate([first.unseen, second.unseen]), return_inverse=True)
    both = np.concatenate([first.unseen_counts, second.unseen_counts])
    return _bounded(
        CategoricalSummary(
            first.known + second.known,
            unseen,
            np.bincount(places, both, minlength=len(unseen)).astype(np.float64),
            first.crowd + second.crowd,
            first.missing + second.missing,
        )
    )


def _bounded(summary: CategoricalSummary) -> CategoricalSummary:
    """Stop telling unseen categories apart when there are too many.

    For ever: merging in any order then ends with the same.
    """
    if len(summary.unseen) <= MAX_UNSEEN and not summary.crowd:
        return summary
    return CategoricalSummary(
        summary.known, np.zeros(0), np.zeros(0), summary.unseen_rows, summary.missing
    )
