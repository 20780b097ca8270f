"""Labelled rows of a schema: from the log, within the limits, as the model sees them."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from taxi_domain.figures import rounded
from taxi_schema.columns.arrays import columns_of
from taxi_schema.columns.features import derive_columns
from taxi_schema.columns.limits import accepted, evaluated
from taxi_schema.columns.rows import LabelledRows
from taxi_schema.columns.slices import slices_of
from taxi_schema.records import row_of
from taxi_schema.schema import Schema
from taxi_store.log.labelled import NEWEST_SHARE, LabelledRow

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

_FLOAT32 = np.finfo(np.float32)


def of_log(schema: Schema, labelled: Sequence[LabelledRow]) -> LabelledRows:
    """Turn rows of the log, in its order, into columns.

    Records may be of another schema: what is absent or does not fit is missing. A column that is
    new in the schema may have been sent before, as a field that was not declared.
    """
    records = (row.record for row in labelled)
    rows = [
        row_of(schema, {**record.extra, **record.inputs}, record.event_time)[0]
        for record in records
    ]
    columns, event_times = columns_of(schema, rows)
    return LabelledRows(
        columns,
        event_times,
        np.array([row.label for row in labelled], np.float64),
        np.full(len(rows), np.nan),
        np.array([row.record.ts.timestamp() for row in labelled], np.float64),
    )


def within_limits(schema: Schema, rows: LabelledRows) -> Mask:
    """Tell which rows the predictor would accept and whose labels errors count, shape (n,)."""
    mask: Mask = accepted(schema, rows.columns) & evaluated(schema.target, rows.target)
    return mask


def features_of(schema: Schema, rows: LabelledRows) -> pd.DataFrame:
    """Return the model's features, one column each, in the order of `schema.features`.

    Numbers are within 32-bit floats, which graphs have.
    """
    features = derive_columns(schema, rows.columns, rows.event_times)
    return pd.DataFrame(
        {
            name: pd.Series(
                np.clip(array, _FLOAT32.min, _FLOAT32.max) if array.dtype.kind == "f" else array,
                dtype=array.dtype,
            )
            for name, array in features.items()
        }
    )


def mostly_newest(rows: LabelledRows, most: int) -> LabelledRows:
    """Return at most so many rows, in their order.

    Like a sample of the log: mostly the newest, and of all before some at even distances.
    """
    if len(rows) <= most:
        return rows
    newest = int(most * NEWEST_SHARE)
    first = len(rows) - newest
    before = np.linspace(0, first - 1, most - newest).astype(np.int64)
    return rows[np.concatenate([before, np.arange(first, len(rows))])]


def errors_by_slice(schema: Schema, rows: LabelledRows) -> dict[str, dict[str, float]]:
    """Return count and RMSE (in the target's unit) of each slice that has rows.

    Args:
        schema: Of the rows.
        rows: With predictions.
    """
    squares = (rows.prediction - rows.target) ** 2
    slices = slices_of(schema, rows.columns, rows.event_times)
    return {
        name: {"rows": int(mask.sum()), "rmse": rounded(float(np.sqrt(squares[mask].mean())))}
        for name, mask in slices.items()
        if mask.any()
    }
