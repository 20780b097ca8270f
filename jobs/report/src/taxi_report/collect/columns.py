"""Documents of the log as columns, by the version's own schema."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from bson.datetime_ms import DatetimeMS
from bson.int64 import Int64
from numpy.typing import NDArray

from taxi_domain.numbers import MAX_NUMBER
from taxi_domain.records import EVENT_TIME, INPUTS
from taxi_profiles.reference import PREDICTION
from taxi_report.profile.codes import Codes
from taxi_report.profile.layout import Layout
from taxi_report.rows import Rows
from taxi_schema.column import MAX_INTEGER, Column, FeatureType, Kind
from taxi_store.log.partitions import LabelValue

Floats = NDArray[np.float64]
Document = dict[str, Any]

_NUMBERS = {int, float, Int64, type(None)}
_HOUR = 3600.0


def rows_of(
    documents: Sequence[Document], layout: Layout, labels: Mapping[str, LabelValue]
) -> Rows:
    """Return documents (`taxi_store.log.partitions.read`) of one version as columns.

    Args:
        documents: In any order; what one lacks, or has of another type than its column, is missing.
        layout: Of the version.
        labels: Labels by id.
    """
    documents = sorted(documents, key=lambda document: (int(document["ts"]), document["_id"]))
    ids = [document["_id"] for document in documents]
    ts = np.array([int(document["ts"]) for document in documents], np.float64) / 1000
    moments, timed = _event_times(documents, layout, ts)
    known = [labels.get(row_id) for row_id in ids]
    label_ts = numbers([None if label is None else label.ts for label in known]) / 1000
    inputs = [document[INPUTS] for document in documents]
    columns: dict[str, Floats] = {}
    texts = {}
    for column, own in layout.inputs:
        values = [row.get(column.name) for row in inputs]
        columns[column.name], unseen = coded(column, own.names, values)
        if unseen:
            texts[column.name] = unseen
    columns[PREDICTION] = numbers([document["prediction"] for document in documents])
    return Rows(
        ids=ids,
        ts=ts,
        moments=moments,
        timed=timed,
        roles=[str(document.get("model_role")) for document in documents],
        columns=columns,
        labels=numbers([None if label is None else label.value for label in known]),
        lags=np.maximum(label_ts - ts, 0.0),
        latencies=numbers([document.get("latency_seconds") for document in documents]),
        texts=texts,
    )


def _event_times(
    documents: Sequence[Document], layout: Layout, ts: Floats
) -> tuple[Floats, NDArray[np.bool_]]:
    """Return local event times, those of the answer where there is none, and which there are."""
    time = layout.schema.event_time
    if time is None:
        return ts, np.zeros(len(ts), np.bool_)
    values = [_milliseconds(document.get(EVENT_TIME)) for document in documents]
    moments = numbers(values) / 1000
    timed = np.isfinite(moments)
    return np.where(timed, moments, local_seconds(ts, time.zone)), timed


def coded(
    column: Column, texts: tuple[str, ...], values: Sequence[Any]
) -> tuple[Floats, dict[float, str]]:
    """Return values of a column as numbers or codes, and texts that the reference never had.

    What is of another type than the column is NaN, as for `taxi_schema.records.row_of`.

    Args:
        column: Of the schema.
        texts: Those of the reference, by code, of a column of texts.
        values: As documents or a reference have them.
    """
    if column.type is FeatureType.STRING:
        return Codes(texts).encode(values)
    if column.kind is Kind.BOOLEAN:
        return numbers([int(value) if type(value) is bool else None for value in values]), {}
    found = numbers(list(values))
    if column.type is FeatureType.INTEGER:
        found[(np.floor(found) != found) | (np.abs(found) > MAX_INTEGER)] = np.nan
    return found, {}


def numbers(values: list[Any]) -> Floats:
    """Return values as floats, NaN for what is no number or beyond `MAX_NUMBER`.

    >>> numbers([1, None, 2.5, "3", True, 1e300]).tolist()
    [1.0, nan, 2.5, nan, nan, nan]
    """
    if not {type(one) for one in values} <= _NUMBERS:
        values = [one if type(one) in _NUMBERS else None for one in values]
    try:
        found = np.array(values, np.float64)
    except OverflowError:  # an integer that no float can hold
        found = np.array([_float(one) for one in values], np.float64)
    found[~(np.abs(found) <= MAX_NUMBER)] = np.nan
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
