"""Tests of the counts of categories; p-values."""

import math

import numpy as np

from taxi_profiles.categorical import CategoricalProfile
from taxi_profiles.scores.binned import value_counts
from taxi_profiles.scores.special import chi_square_above


def chi_square(reference: CategoricalProfile, window: CategoricalProfile) -> float:
    """P-value of Pearson's chi-square test, with the reference's shares taken for exact.

    As Evidently has it: a category that the reference never had makes it 0.

    Raises:
        ValueError: one side has no rows, or both have the same single category.
    """
    _check(reference, window)
    expected, observed = value_counts(reference, window)
    if len(expected) < 2:
        raise ValueError("there is a single category, and nothing that could differ")
    if not expected.all():
        return 0.0
    expected = expected * (window.rows / reference.rows)
    statistic = float(((observed - expected) ** 2 / expected).sum())
    return chi_square_above(statistic, len(expected) - 1)


def proportions(reference: CategoricalProfile, window: CategoricalProfile) -> float:
    """P-value of the z-test of the smallest category's share against that of all others.

    Meant for columns of two categories; as Evidently has it, also for others.

    Raises:
        ValueError: one side has no rows.
    """
    _check(reference, window)
    first, second = value_counts(reference, window)
    if len(first) == 1:
        return 1.0
    rows, new = reference.rows, window.rows
    one, two = 1 - first[0] / rows, 1 - second[0] / new
    both = (rows - first[0] + new - second[0]) / (rows + new)
    z = (one - two) / np.sqrt(both * (1 - both) * (1 / rows + 1 / new))
    return math.erfc(abs(float(z)) / math.sqrt(2))


def _check(reference: CategoricalProfile, window: CategoricalProfile) -> None:
    if not reference.rows or not window.rows:
        raise ValueError("a test needs rows on both sides")
