"""The model's error with an interval, on the whole and by slice.

Rows that follow each other are alike, so that an interval from independent rows would be too
narrow: means of contiguous batches are taken instead (Student's t of the batch means; Schmeiser,
"Batch size effects in the analysis of simulation output", 1982).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import numpy as np
from numpy.typing import NDArray

from taxi_monitor.windows.window import Snapshot
from taxi_profiles.reference import MOMENT, PREDICTION, TARGET, Reference
from taxi_schema.column import FeatureType
from taxi_schema.columns.arrays import Array
from taxi_schema.columns.slices import slices_of
from taxi_schema.schema import Schema

Floats = NDArray[np.float64]

#: Batches of an interval, and the 97.5 % quantile of Student's t with one degree less.
_BATCHES: Final = 10
_T: Final = 2.262
#: Fewest rows of a batch, and of a slice that is shown.
_MIN_BATCH: Final = 5
MIN_SLICE: Final = 30
_MAX_SLICES: Final = 40


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean with its interval.

    Attributes:
        rows: Rows of the mean.
        mean: The mean.
        low: Lower end of the 95 % interval; None with too few rows.
        high: Its upper end.
    """

    rows: int
    mean: float
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class SliceError:
    """The error of a slice's rows.

    Attributes:
        name: `slice=group`.
        mae: Mean absolute error, in the target's unit.
        bias: Mean of prediction minus label.
        ratio: Mean absolute error over that of all rows.
        is_worse: Whether its interval lies above the error of all rows.
    """

    name: str
    mae: Estimate
    bias: float
    ratio: float
    is_worse: bool


def mean_with_interval(values: Floats) -> Estimate:
    """Return the mean of values in the order of time, with its 95 % interval.

    >>> mean_with_interval(np.ones(100))
    Estimate(rows=100, mean=1.0, low=1.0, high=1.0)
    """
    rows = len(values)
    mean = float(values.mean()) if rows else math.nan
    if rows < _BATCHES * _MIN_BATCH:
        return Estimate(rows, mean, None, None)
    means = np.array([part.mean() for part in np.array_split(values, _BATCHES)])
    half = _T * float(means.std(ddof=1)) / math.sqrt(_BATCHES)
    return Estimate(rows, mean, mean - half, mean + half)


def absolute_error(labelled: Snapshot) -> Estimate:
    """Return the mean absolute error of the labelled rows, in the target's unit."""
    return mean_with_interval(np.abs(_errors(labelled)))


def slice_errors(schema: Schema, reference: Reference, labelled: Snapshot) -> list[SliceError]:
    """Return the error by slice of the schema, the worst first.

    Args:
        schema: Of the version.
        reference: Of the version.
        labelled: The labelled rows that are evaluated.
    """
    if not labelled.rows or not schema.slices:
        return []
    columns, times = _as_sent(schema, reference, labelled.columns)
    errors = _errors(labelled)
    sizes = np.abs(errors)
    everywhere = float(sizes.mean())
    found = []
    for name, mask in slices_of(schema, columns, times).items():
        if mask.sum() < MIN_SLICE:
            continue
        mae = mean_with_interval(sizes[mask])
        ratio = mae.mean / everywhere if everywhere > 0 else math.nan
        is_worse = mae.low is not None and mae.low > everywhere
        found.append(SliceError(name, mae, float(errors[mask].mean()), ratio, is_worse))
    return sorted(found, key=_badness)[:_MAX_SLICES]


def _badness(one: SliceError) -> tuple[bool, float]:
    return not one.is_worse, -one.mae.mean


def _errors(labelled: Snapshot) -> Floats:
    found: Floats = labelled.columns[PREDICTION] - labelled.columns[TARGET]
    return found


def _as_sent(
    schema: Schema, reference: Reference, columns: Mapping[str, Floats]
) -> tuple[dict[str, Array], Array]:
    """Return columns as files have them, and the local event times."""
    sent: dict[str, Array] = {}
    for column in schema.columns:
        if column.name not in columns:
            continue
        values = columns[column.name]
        is_text = column.type is FeatureType.STRING
        texts = reference.categories.get(column.name, ())
        sent[column.name] = _texts(texts, values) if is_text else values
    return sent, _times(columns[MOMENT])


def _texts(names: Sequence[str], codes: Floats) -> NDArray[np.object_]:
    """Return texts of codes; None where there is none, or training never had it."""
    places = np.where(np.isfinite(codes), codes, len(names)).astype(np.int64)
    found: NDArray[np.object_] = np.array([*names, None], object)[np.minimum(places, len(names))]
    return found


def _times(moments: Floats) -> NDArray[np.datetime64]:
    start = np.datetime64(datetime(1970, 1, 1, tzinfo=UTC).replace(tzinfo=None), "us")
    return start + (moments * 1e6).astype("timedelta64[us]")
