"""Which rows a request would refuse: training uses what the predictor accepts."""

from typing import NamedTuple

import numpy as np

from taxi_domain.numbers import MAX_NUMBER
from taxi_schema.column import Column, FeatureType, Kind
from taxi_schema.columns.arrays import Array, Columns, Mask, is_missing, length_of, scan, within
from taxi_schema.fitting import Reason
from taxi_schema.schema import Schema
from taxi_schema.target import Target


class Refused(NamedTuple):
    """Why rows are refused."""

    column: str
    reason: Reason


def refusals(schema: Schema, columns: Columns) -> dict[Refused, Mask]:
    """Return which rows a request would refuse, by column and reason; those of no row are absent.

    Booleans may be 0 and 1 here, as files have them.

    Args:
        schema: Of the model.
        columns: By name; one that is absent is missing.
    """
    rows = length_of(columns)
    found = {
        Refused(column.name, reason): mask
        for column in schema.columns
        for reason, mask in _refused(column, columns.get(column.name), rows).items()
    }
    return {refused: mask for refused, mask in found.items() if mask.any()}


def accepted(schema: Schema, columns: Columns) -> Mask:
    """Return which rows a request would accept, shape (n,)."""
    mask = np.ones(length_of(columns), np.bool_)
    for refused in refusals(schema, columns).values():
        mask &= ~refused
    return mask


def evaluated(target: Target, labels: Array) -> Mask:
    """Return which labels errors count, as `Target.is_evaluated`."""
    mask: Mask = np.abs(labels) <= MAX_NUMBER
    if target.minimum is not None:
        mask &= labels >= target.minimum
    if target.maximum is not None:
        mask &= labels <= target.maximum
    return mask


def _refused(column: Column, values: Array | None, rows: int) -> dict[Reason, Mask]:
    array, problems = scan(column, values, rows)
    missing = is_missing(column, array)
    absent = missing.copy()
    for mask in problems.values():
        absent &= ~mask
    refused = dict(problems)
    if not column.nullable:
        refused[Reason.MISSING] = absent
    if column.values:
        refused[Reason.UNKNOWN] = ~missing & ~_known(column, array)
    elif column.kind is not Kind.BOOLEAN and column.type is not FeatureType.STRING:
        outside = ~missing & ~within(column, array)
        refused[Reason.LIMITS] = outside | refused.get(Reason.LIMITS, outside)
    return refused


def _known(column: Column, array: Array) -> Mask:
    if column.type is FeatureType.INTEGER:
        return np.isin(array, np.array(column.values, np.int64))
    known = frozenset(column.values)
    return np.fromiter((value in known for value in array), np.bool_, len(array))
