"""Documents of the log as columns, without knowing any column's name."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from bson.datetime_ms import DatetimeMS
from bson.int64 import Int64
from numpy.typing import NDArray

from taxi_profiles.reference import PREDICTION
from taxi_report.rows import Rows
from taxi_store.log.partitions import EVENT_TIME, LARGEST, LabelValue

Floats = NDArray[np.float64]
Document = dict[str, Any]

_NUMBERS = {int, float, Int64, type(None)}
_HOUR = 3600.0


def rows_of(
    documents: Sequence[Document],
    names: Iterable[str],
    labels: Mapping[str, LabelValue],
    zone: ZoneInfo,
) -> Rows:
    """Return documents (`taxi_store.log.partitions.read`) of one version as columns.

    Args:
        documents: In any order.
        names: Inputs that are wanted; what a document lacks, or has as no number, is missing.
        labels: Labels by id.
        zone: Zone of local event times.
    """
    documents = sorted(documents, key=lambda one: (int(one["ts"]), one["_id"]))
    ids = [one["_id"] for one in documents]
    ts = np.array([int(one["ts"]) for one in documents], np.float64) / 1000
    moments = numbers([_milliseconds(one.get(EVENT_TIME)) for one in documents]) / 1000
    timed = np.isfinite(moments)
    known = [labels.get(one) for one in ids]
    label_ts = numbers([None if one is None else one.ts for one in known]) / 1000
    features = [one["features"] for one in documents]
    columns = {name: numbers([one.get(name) for one in features]) for name in names}
    return Rows(
        ids=ids,
        ts=ts,
        moments=np.where(timed, moments, local_seconds(ts, zone)),
        timed=timed,
        roles=[str(one.get("model_role")) for one in documents],
        columns={**columns, PREDICTION: numbers([one["prediction"] for one in documents])},
        labels=numbers([None if one is None else one.value for one in known]),
        lags=np.maximum(label_ts - ts, 0.0),
        latencies=numbers([one.get("latency_seconds") for one in documents]),
    )


def numbers(values: list[Any]) -> Floats:
    """Return values as floats, NaN for what is no number or beyond `LARGEST`.

    >>> numbers([1, None, 2.5, "3", True, 1e300]).tolist()
    [1.0, nan, 2.5, nan, nan, nan]
    """
    if not {type(one) for one in values} <= _NUMBERS:
        values = [one if type(one) in _NUMBERS else None for one in values]
    try:
        found = np.array(values, np.float64)
    except OverflowError:  # an integer that no float can hold
        found = np.array([_float(one) for one in values], np.float64)
    found[~(np.abs(found) <= LARGEST)] = np.nan
    return found


def local_seconds(ts: Floats, zone: ZoneInfo) -> Floats:
    """Return the local time of moments, seconds since 1970-01-01 00:00 local.

    An offset that is the same at both ends of an hour holds for all of it. Where it is not, the
    second in which it changes is looked for: clocks change at half hours too, and did a minute
    after midnight in St John's.
    """
    if not len(ts):
        return ts
    hours, places = np.unique(np.floor(ts / _HOUR), return_inverse=True)
    edges = np.union1d(hours, hours + 1)
    known = np.array([_offset(float(edge) * _HOUR, zone) for edge in edges])
    before = known[np.searchsorted(edges, hours)]
    after = known[np.searchsorted(edges, hours + 1)]
    changes = (hours + 1) * _HOUR
    for place in np.flatnonzero(before != after):
        changes[place] = _change(float(hours[place]) * _HOUR, float(before[place]), zone)
    local: Floats = ts + np.where(ts < changes[places], before[places], after[places])
    return local


def _change(start: float, before: float, zone: ZoneInfo) -> float:
    """Return the first second of an hour with another offset than its first has."""
    same, other = start, start + _HOUR
    while other - same > 1:
        middle = (same + other) // 2
        if _offset(middle, zone) == before:
            same = middle
        else:
            other = middle
    return other


def _offset(seconds: float, zone: ZoneInfo) -> float:
    offset = datetime.fromtimestamp(seconds, UTC).astimezone(zone).utcoffset()
    return offset.total_seconds() if offset is not None else 0.0


def _milliseconds(value: object) -> float | None:
    return float(int(value)) if type(value) is DatetimeMS else None


def _float(value: float | None) -> float | None:
    try:
        return None if value is None else float(value)
    except OverflowError:
        return None
