"""Event times of files as local times of the schema's zone."""

from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from taxi_domain.errors import FieldError
from taxi_files.numbers import nulls_in, numbers_in
from taxi_schema.target import EventTime
from taxi_schema.times import LocalTimes

Times = NDArray[np.datetime64]
Mask = NDArray[np.bool_]

_US: Final = np.dtype("datetime64[us]")
_NAT: Final = np.datetime64("NaT", "us")
#: Units of Arrow in a second.
_PER_SECOND: Final = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
#: Python's years, two days short of both ends so that no zone leads beyond them.
_FIRST: Final = int(np.datetime64("0001-01-03", "s").astype(np.int64))
_LAST: Final = int(np.datetime64("9999-12-30", "s").astype(np.int64))
#: Offsets of zones change at multiples of this, seconds.
_STEP: Final = 900


def is_time(kind: pa.DataType) -> bool:
    """Tell whether event times can be read from a column of this type."""
    return bool(
        pa.types.is_timestamp(kind) or pa.types.is_date(kind) or pa.types.is_null(kind)
        or pa.types.is_string(kind) or pa.types.is_large_string(kind)
    )  # fmt: skip


def local_times(time: EventTime, array: pa.Array) -> tuple[Times, Mask]:
    """Return local times, NaT where missing, and where there is something else.

    Timestamps with a zone are converted, others are local; parts of a microsecond are cut off.

    Args:
        time: The schema's event time.
        array: Of a type that `is_time` accepts.
    """
    if pa.types.is_string(array.type) or pa.types.is_large_string(array.type):
        return _of_texts(LocalTimes(time), array.to_pylist())
    missing = nulls_in(array)
    if pa.types.is_null(array.type):
        return np.full(len(array), _NAT), np.zeros(len(array), np.bool_)
    if pa.types.is_date(array.type):
        array = array.cast(pa.timestamp("ms"))
    numbers = numbers_in(array.cast(pa.int64()), 0)
    per_second = _PER_SECOND[array.type.unit]
    seconds = numbers // per_second
    bad = ~missing & ((seconds < _FIRST) | (seconds > _LAST))
    seconds = np.where(missing | bad, 0, seconds)
    parts = (numbers - numbers // per_second * per_second) * 10**6 // per_second
    if array.type.tz is not None:
        seconds = seconds + _offsets(time.zone, seconds)
    times = (seconds * 10**6 + parts).astype(_US)
    times[missing | bad] = _NAT
    return times, bad


def _of_texts(reader: LocalTimes, texts: list[str | None]) -> tuple[Times, Mask]:
    times: list[datetime | None] = []
    bad = np.zeros(len(texts), np.bool_)
    for place, text in enumerate(texts):
        try:
            times.append(reader.parse(text or None))
        except FieldError:
            times.append(None)
            bad[place] = True
    return np.array(times, _US), bad


def _offsets(zone: ZoneInfo, seconds: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return what local time is ahead of UTC at instants (seconds since the epoch), seconds."""
    steps, places = np.unique(seconds // _STEP, return_inverse=True)
    offsets = []
    for step in steps.tolist():
        instant = np.datetime64(step * _STEP, "s").astype(datetime)
        offset = instant.replace(tzinfo=UTC).astimezone(zone).utcoffset()
        assert offset is not None
        offsets.append(int(offset.total_seconds()))
    return np.array(offsets, np.int64)[places.reshape(-1)]
