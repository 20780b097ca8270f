"""Entries of the spool as the documents of the log, in BSON.

A document's template follows from a few lengths and from what is missing. The BSON library
encodes each template once, with values that can be found again in the bytes; a ride then costs
one `struct.pack` of its own values, a quarter of what encoding it costs.
"""

import logging
import math
import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from msgspec.structs import replace

from taxi_domain.errors import TaxiError
from taxi_domain.features import PAIR_FACTOR
from taxi_predict.spool.record import Entry
from taxi_store.log.encoding import encoded

Shape = tuple[Any, ...]

logger = logging.getLogger(__name__)

_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001 - local times are stored as if they were UTC
_MILLISECOND: Final = timedelta(milliseconds=1)
#: Values that stand for a ride's own; their bytes are in no constant part of a document.
_SAMPLE: Final = {
    "milliseconds": 1_234_567_890_123, "pickup_zone": 1_234_567, "dropoff_zone": 1_654_321,
    "trip_distance_miles": math.pi, "prediction": math.e,
    "latency_seconds": math.sqrt(5),
}  # fmt: skip
_SAMPLE_HOUR: Final = math.sqrt(2)
_SAMPLE_WEEKDAY: Final = math.sqrt(3)
_SAMPLE_TIME: Final = datetime(2001, 2, 3, 4, 5, 6)  # noqa: DTZ001 - local, as a ride's
_ID_LETTER: Final = "~"  # in no id


class TemplateError(TaxiError):
    """A value does not stand in a document where it is expected, or something looks like it."""


@dataclass(frozen=True, slots=True)
class Template:
    """Where the values stand in the documents of one shape.

    Attributes:
        whole: All pieces, constant ones and those of a ride.
        pieces: The constants, with slots for the values.
        slots: Indexes of the slots and of the value that belongs into each.
    """

    whole: struct.Struct
    pieces: tuple[Any, ...]
    slots: tuple[tuple[int, int], ...]

    def fill(self, values: Sequence[Any]) -> bytes:
        """Return the document with these values."""
        pieces = list(self.pieces)
        for slot, value in self.slots:
            pieces[slot] = values[value]
        return self.whole.pack(*pieces)


class BsonTemplates:
    """Makes documents of entries; learns each template at its first ride."""

    def __init__(self) -> None:
        self._templates: dict[Shape, Template | None] = {}

    def encoded(self, entry: Entry) -> bytes:
        """Return the same bytes as encoding the entry's record."""
        pickup_at, written = entry.pickup_at, ""
        if pickup_at is not None:
            written = pickup_at.isoformat()
        shape = (
            len(entry.ride_id), len(written), entry.hour == entry.hour,
            entry.weekday == entry.weekday, entry.model, entry.model_version, entry.model_role,
        )  # fmt: skip
        if shape not in self._templates:
            self._templates[shape] = _learned(entry)
        template = self._templates[shape]
        if template is None:
            return encoded(entry.record())
        return template.fill(_values(entry, written))


def _values(entry: Entry, written: str) -> tuple[Any, ...]:
    pickup_at = entry.pickup_at
    return (
        entry.ride_id.encode(), entry.milliseconds, entry.pickup_zone, entry.dropoff_zone,
        entry.pickup_zone * PAIR_FACTOR + entry.dropoff_zone, entry.trip_distance_miles,
        entry.hour, entry.weekday, entry.prediction, entry.latency_seconds,
        0 if pickup_at is None else (pickup_at - _EPOCH) // _MILLISECOND, written.encode(),
    )  # fmt: skip


def _learned(entry: Entry) -> Template | None:
    """Return the template, None when it cannot be learned: the library then encodes each ride."""
    try:
        return _learn(entry)
    except TemplateError as error:
        logger.warning("records are encoded one by one", extra={"reason": str(error)})
        return None


def _learn(entry: Entry) -> Template:
    """Encode a sample of an entry's shape and find its values."""
    pickup_at = None
    if entry.pickup_at is not None:
        pickup_at = _SAMPLE_TIME.replace(microsecond=123_456 if entry.pickup_at.microsecond else 0)
    sample = replace(
        entry, ride_id=_ID_LETTER * len(entry.ride_id), pickup_at=pickup_at,
        hour=_SAMPLE_HOUR if entry.hour == entry.hour else math.nan,
        weekday=_SAMPLE_WEEKDAY if entry.weekday == entry.weekday else math.nan, **_SAMPLE,
    )  # fmt: skip
    data = encoded(sample.record())
    values = _values(sample, pickup_at.isoformat() if pickup_at else "")
    found = sorted(_places(data, values, sample))
    pieces: list[Any] = []
    codes, slots, end = "<", [], 0
    for position, code, index in found:
        codes += f"{position - end}s{code}"
        pieces += [data[end:position], None]
        slots.append((len(pieces) - 1, index))
        end = position + struct.calcsize(f"<{code}")
    codes += f"{len(data) - end}s"
    template = Template(struct.Struct(codes), (*pieces, data[end:]), tuple(slots))
    if template.fill(values) != data:
        raise TemplateError(f"documents: the template of {sample} cannot be learned")
    return template


def _places(data: bytes, values: Sequence[Any], sample: Entry) -> list[tuple[int, str, int]]:
    """Return where each value stands, with its `struct` code and its index in the values."""
    wanted = [
        ("q", 1, 1),
        ("i", 2, 2),
        ("i", 3, 2),
        ("i", 4, 1),
        ("d", 5, 2),
        ("d", 8, 1),
        ("d", 9, 1),
    ]
    wanted += [("d", 6, 1)] if sample.hour == sample.hour else []
    wanted += [("d", 7, 1)] if sample.weekday == sample.weekday else []
    wanted += [("q", 10, 1)] if sample.pickup_at else []
    found = [
        (position, code, index)
        for code, index, times in wanted
        for position in _positions(data, struct.pack(f"<{code}", values[index]), times)
    ]
    for index in (0, 11) if sample.pickup_at else (0,):
        text: bytes = values[index]
        # A short text alone could be a part of something else; with its length it is not.
        whole = struct.pack("<i", len(text) + 1) + text + b"\0"
        (position,) = _positions(data, whole, 1)
        found.append((position + 4, f"{len(text)}s", index))
    return found


def _positions(data: bytes, pattern: bytes, times: int) -> list[int]:
    if data.count(pattern) != times:
        raise TemplateError(f"documents: {pattern!r} is not {times} times in {data!r}")
    return [one.start() for one in re.finditer(re.escape(pattern), data)]
