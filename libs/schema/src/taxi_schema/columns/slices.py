"""The slices of a schema as masks."""

import numpy as np

from taxi_schema.columns.arrays import Array, Columns, Mask, array_of, length_of, times_of
from taxi_schema.columns.features import hours_of, weekdays_of
from taxi_schema.derived import HourOf
from taxi_schema.schema import Schema
from taxi_schema.slices import Bands, Groups, Slice


def slices_of(
    schema: Schema, columns: Columns, event_times: Array | None = None
) -> dict[str, Mask]:
    """Return a mask, shape (n,), for each `slice=group`, in the order of the file.

    A row whose value is missing or in no group is in none of the slice's masks.

    Args:
        schema: Of the model.
        columns: By name; one that is absent is missing.
        event_times: Local times, datetime64; None when none is known.
    """
    rows = length_of(columns, event_times)
    masks = {}
    for part in schema.slices:
        values = _values(schema, part, columns, times_of(event_times, rows))
        named = _bands(part, values) if isinstance(part, Bands) else _groups(part, values)
        masks.update({f"{part.name}={group}": mask for group, mask in named.items()})
    return masks


def _values(schema: Schema, part: Slice, columns: Columns, times: Array) -> Array:
    for column in schema.columns:
        if column.name == part.column:
            return array_of(column, columns, len(times))
    derived = {derived.name: derived for derived in schema.derived}[part.column]
    return hours_of(times) if isinstance(derived, HourOf) else weekdays_of(times)


def _bands(part: Bands, values: Array) -> dict[str, Mask]:
    # searchsorted counts the bounds that are not above; NaN would be above them all.
    bands = np.where(np.isnan(values), -1, np.searchsorted(part.bounds, values, side="right"))
    return {label: bands == band for band, label in enumerate(part.labels)}


def _groups(part: Groups, values: Array) -> dict[str, Mask]:
    numbers = {
        value: number for number, (_, grouped) in enumerate(part.groups) for value in grouped
    }
    groups = np.fromiter((numbers.get(value, -1) for value in values.tolist()), int, len(values))
    return {group: groups == number for number, (group, _) in enumerate(part.groups)}
