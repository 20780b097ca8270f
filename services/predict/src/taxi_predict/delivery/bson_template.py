"""Entries of the spool as the documents of the log, in BSON.

Documents of rows of the same types differ in values and in a few lengths. The constant bytes
between them are put together once (https://bsonspec.org/spec.html) and compared with what the
library encodes; a row then costs one `struct.pack` of its values.
"""

import logging
import struct
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import bson

from taxi_predict.spool.record import Entry
from taxi_store.log.encoding import encoded

logger = logging.getLogger(__name__)

#: Clients make new types and lengths; beyond so many, all are forgotten.
_MAX_TEMPLATES: Final = 512
_MAX_LENGTHS: Final = 1024

_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001 - local times are stored as if they were UTC
_MILLISECOND: Final = timedelta(milliseconds=1)
_MIN_INT32: Final = -(2**31)
_MAX_INT32: Final = 2**31 - 1
_NULL: Final = type(None)
_ANY_LENGTH: Final = "%ds"
#: Bytes before and after the content of a document.
_LENGTH_BYTES: Final = 4
_END: Final = b"\0"


class _Wide(int):
    """The type of integers that need 64 bits."""


#: Type byte and `struct` code of a value; a string's length comes first.
_ELEMENTS: Final[dict[type, tuple[bytes, str]]] = {
    float: (b"\x01", "d"), str: (b"\x02", "i"), bool: (b"\x08", "?"), _NULL: (b"\x0a", ""),
    int: (b"\x10", "i"), _Wide: (b"\x12", "q"), datetime: (b"\x09", "q"), dict: (b"\x03", "i"),
}  # fmt: skip


class BsonTemplates:
    """Makes documents of entries; learns each template at its first row."""

    def __init__(self) -> None:
        self._templates: dict[tuple[Any, ...], Template | None] = {}

    def encoded(self, entry: Entry, columns: Sequence[str]) -> bytes:
        """Return the same bytes as encoding the entry's record.

        Args:
            entry: Of the spool.
            columns: Names of its values.
        """
        kinds = [
            _Wide if type(value) is int and not _MIN_INT32 <= value <= _MAX_INT32 else type(value)
            for value in entry.values
        ]
        shape = (
            entry.model_version, entry.model_role, entry.model, entry.event_time is None,
            entry.latency_seconds is None, not entry.extra, entry.caller, *kinds,
        )  # fmt: skip
        try:
            template = self._templates[shape]
        except KeyError:
            if len(self._templates) >= _MAX_TEMPLATES:
                self._templates.clear()
            template = self._templates[shape] = _learned(entry, columns, kinds)
        return encoded(entry.record(columns)) if template is None else template.fill(entry)


def _learned(entry: Entry, columns: Sequence[str], kinds: Sequence[type]) -> "Template | None":
    """Return the template, None when it is not as expected: the library then encodes each row."""
    template = Template(entry, columns, kinds)
    if template.fill(entry) == encoded(entry.record(columns)):
        return template
    logger.warning("records are encoded one by one", extra={"version": entry.model_version})
    return None


class Template:
    """The documents of one shape.

    Args:
        entry: Of this shape.
        columns: Names of its values.
        kinds: Types of its values.
    """

    def __init__(self, entry: Entry, columns: Sequence[str], kinds: Sequence[type]) -> None:
        document = _Pieces()
        document.slot("i")
        document.element("_id", str)
        document.element("ts", datetime)
        document.element("event_time", _NULL if entry.event_time is None else datetime)
        for name in ("model", "model_version", "model_role"):
            document.text(name, getattr(entry, name))
        document.element("inputs", dict)
        begin = document.size - _LENGTH_BYTES
        for name, kind in zip(columns, kinds, strict=True):
            document.element(name, kind)
        document.constant(_END)
        #: Length of the inputs but for that of the strings among them.
        self._inputs_size = document.size - begin
        document.element("prediction", float)
        document.element("latency_seconds", _NULL if entry.latency_seconds is None else float)
        document.constant(b"\x04shadow\0\x05\0\0\0\0")
        if entry.caller:
            document.text("caller", entry.caller)
        if entry.extra:
            document.constant(b"\x03extra\0")
            document.slot(_ANY_LENGTH)
        document.constant(_END)
        self._size = document.size
        self._pieces, self._codes = document.closed()
        self._structs: dict[tuple[int, ...], struct.Struct] = {}
        self._has_texts = str in kinds
        self._has_nulls = _NULL in kinds

    def fill(self, entry: Entry) -> bytes:
        """Return an entry's document."""
        key = entry.row_id.encode()
        moment = entry.event_time
        values: Sequence[Any] = entry.values
        if self._has_nulls:
            values = [value for value in values if value is not None]
        texts = 0
        lengths: tuple[int, ...] = (len(key),)
        if self._has_texts:
            values, lengths = _with_texts(values, lengths)
            texts = sum(lengths) - len(key)
        slots = [
            len(key) + 1, key, entry.milliseconds,
            *(() if moment is None else ((moment - _EPOCH) // _MILLISECOND,)),
            self._inputs_size + texts, *values, entry.prediction,
            *(() if entry.latency_seconds is None else (entry.latency_seconds,)),
        ]  # fmt: skip
        if entry.extra:
            # As a part of a document: alone, its `_id` would come first.
            extra = bson.encode({"": entry.extra})[6:-1]
            slots.append(extra)
            lengths = (*lengths, len(extra))
        pieces = self._pieces.copy()
        pieces[1] = self._size + sum(lengths)
        pieces[3::2] = slots
        return self._struct(lengths).pack(*pieces)

    def _struct(self, lengths: tuple[int, ...]) -> struct.Struct:
        layout = self._structs.get(lengths)
        if layout is None:
            if len(self._structs) >= _MAX_LENGTHS:
                self._structs.clear()
            layout = self._structs[lengths] = struct.Struct(self._codes % lengths)
        return layout


def _with_texts(
    values: Sequence[Any], lengths: tuple[int, ...]
) -> tuple[list[Any], tuple[int, ...]]:
    """Return the values with strings as their length and bytes, and the lengths with theirs."""
    slots: list[Any] = []
    sizes = [*lengths]
    for value in values:
        if type(value) is str:
            data = value.encode()
            sizes.append(len(data))
            slots += (len(data) + 1, data)
        else:
            slots.append(value)
    return slots, tuple(sizes)


class _Pieces:
    """Puts a document together: constants and slots by turns, each with its `struct` code.

    Attributes:
        size: Bytes so far, without the content of strings.
    """

    def __init__(self) -> None:
        self.size = 0
        self._pieces: list[Any] = []
        self._codes = ["<"]
        self._constant = b""

    def constant(self, data: bytes) -> None:
        """Add bytes that are always the same."""
        self._constant += data
        self.size += len(data)

    def slot(self, code: str) -> None:
        """Add the place of a value."""
        self._codes.append(f"{len(self._constant)}s{code}")
        self._pieces += [self._constant, None]
        self._constant = b""
        self.size += 0 if code == _ANY_LENGTH else struct.calcsize(f"<{code}")

    def text(self, name: str, value: str) -> None:
        """Add a string that is always the same."""
        data = value.encode()
        self.constant(b"\x02%b\0%b%b\0" % (name.encode(), struct.pack("<i", len(data) + 1), data))

    def element(self, name: str, kind: type) -> None:
        """Add a named value of a type."""
        mark, code = _ELEMENTS[kind]
        self.constant(b"%b%b\0" % (mark, name.encode()))
        if code:
            self.slot(code)
        if kind is str:
            self.slot(_ANY_LENGTH)
            self.constant(_END)

    def closed(self) -> tuple[list[Any], str]:
        """Return all pieces and the code of them."""
        return [*self._pieces, self._constant], f"{''.join(self._codes)}{len(self._constant)}s"
