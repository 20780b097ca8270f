"""Many BSON documents walked through at once: a step reads the same element of all of them.

Documents of one predictor have the same names in the same order; types, and lengths of texts, may
differ from row to row. A document that has another element than is expected drops out of the
walk, and is for a decoder that takes any. https://bsonspec.org/spec.html has the layout.
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float64]
Ids = NDArray[np.int64]
Mask = NDArray[np.bool_]

DOUBLE: Final = 0x01
TEXT: Final = 0x02
OBJECT: Final = 0x03
ARRAY: Final = 0x04
BOOLEAN: Final = 0x08
TIME: Final = 0x09
NULL: Final = 0x0A
INTEGER: Final = 0x10
LONG: Final = 0x12
#: How a type's value is read, and how long it is.
_NUMBERS: Final = {DOUBLE: ("<f8", 8), BOOLEAN: ("u1", 1), INTEGER: ("<i4", 4), LONG: ("<i8", 8)}
_LENGTH: Final = "<i4"
#: Longest name that is expected. So many bytes are put behind the last document: a read of a fixed
#: size never goes beyond.
MAX_NAME_BYTES: Final = 255
_SMALLEST_LONG: Final = -(2**63)


class Walk:
    """Documents of a buffer, and where in each of them the walk is.

    Args:
        data: BSON documents that follow each other.
        starts: Where they begin, shape (n,).
        ends: Where they end, shape (n,).

    Attributes:
        on: Documents that were as expected so far, shape (n,).
        at: The place of the next byte, shape (n,); of those that dropped out it means nothing.
    """

    def __init__(self, data: bytes, starts: Ids, ends: Ids) -> None:
        self._data = data
        self._padded = b"".join((data, bytes(MAX_NAME_BYTES + 1)))
        self._size = len(data)
        self._ends = ends
        self.on: Mask = np.ones(len(starts), np.bool_)
        self.at: Ids = starts + 4

    def __len__(self) -> int:
        """Return the number of documents."""
        return len(self.at)

    def drop(self, others: Mask) -> None:
        """Let documents drop out."""
        self.on &= ~others
        # They stand at a place that can always be read.
        self.at[others] = 0

    def read(self, layout: str, where: Mask | None = None) -> NDArray[Any]:
        """Return the value of a layout of numpy at each place, without going on."""
        at = self.at if where is None else self.at[where]
        view: NDArray[Any] = np.ndarray(
            (self._size + 1,), layout, self._padded, strides=(1,)
        )[np.minimum(at, self._size)]  # fmt: skip
        return view

    def element(self, name: str) -> Bytes:
        """Expect an element of this name; return the types, and go on to the values."""
        key = name.encode() + b"\0"
        types: Bytes = self.read("u1")
        self.at = self.at + 1
        self.literal(key)
        return types

    def literal(self, expected: bytes) -> None:
        """Expect these bytes, and go on behind them."""
        self.drop(self.at + len(expected) > self._ends)
        found = np.ascontiguousarray(self.read(f"V{len(expected)}"))
        letters = found.view(np.uint8).reshape(len(self), len(expected))
        self.at = self.at + len(expected)
        self.drop(~(letters == np.frombuffer(expected, np.uint8)).all(axis=1))

    def numbers(self, types: Bytes, found: Floats) -> None:
        """Read numbers, booleans and nulls of any row, go on, and let all other types drop out.

        Args:
            types: Of the values, shape (n,).
            found: Gets the values, shape (n,); where there is null it is left as it is.
        """
        for kind in self._kinds(types):
            where = self._where(types, kind)
            if kind == NULL:
                continue
            if kind not in _NUMBERS:
                self.drop(types == kind)
                continue
            layout, size = _NUMBERS[kind]
            values = self.read(layout, where)
            if kind == LONG:
                self._drop_some(where, values == _SMALLEST_LONG)
            elif kind == BOOLEAN:
                self._drop_some(where, values > 1)
            found[slice(None) if where is None else where] = values
            self._advance(where, size)

    def scalars(self, types: Bytes, found: Floats) -> list[bytes | None] | None:
        """Read numbers, booleans, nulls and texts; return the texts, None when there are none.

        Args:
            types: Of the values, shape (n,).
            found: Gets the numbers, shape (n,); where there are none it is left as it is.
        """
        texts = (types == TEXT) & self.on
        if not texts.any():
            self.numbers(types, found)
            return None
        if texts.all():
            return list(self.texts(types))
        read = self.texts(np.where(texts, types, np.uint8(0)), others=True)
        self.numbers(np.where(texts, np.uint8(NULL), types), found)
        return [text if here else None for text, here in zip(read, texts.tolist(), strict=True)]

    def texts(self, types: Bytes, *, others: bool = False) -> list[bytes]:
        """Read texts and go on; documents with another type drop out, unless others may be."""
        here = (types == TEXT) & self.on
        if not others:
            self.drop(~here)
        sizes = self.read(_LENGTH).astype(np.int64)
        begin = self.at + 4
        end = begin + sizes - 1
        wrong = here & ((sizes < 1) | (end >= self._ends))
        here &= ~wrong
        data = self._data
        found = [
            data[first:last] if use else b""
            for first, last, use in zip(begin.tolist(), end.tolist(), here.tolist(), strict=True)
        ]
        self.at = np.where(here, end + 1, self.at)
        self.drop(wrong)
        return found

    def times(self, types: Bytes, found: Ids) -> None:
        """Read times (milliseconds) and nulls, go on, and let all other types drop out.

        Args:
            types: Of the values, shape (n,).
            found: Gets the times, shape (n,); where there is null it is left as it is.
        """
        self.drop((types != TIME) & (types != NULL))
        where = self._where(types, TIME)
        found[slice(None) if where is None else where] = self.read("<i8", where)
        self._advance(where, 8)

    def inner(self) -> Ids:
        """Go into a document or array; return where each ends."""
        ends: Ids = self.at + self.read(_LENGTH)
        self.drop((ends < self.at + 5) | (ends > self._ends))
        self.at = self.at + 4
        return ends

    def skip(self) -> None:
        """Go on behind a document or array, whatever is in it."""
        ends = self.inner()
        self.at = np.where(self.on, ends, 0)

    def leave(self, ends: Ids) -> None:
        """Expect the end of a document or array, and go on behind it."""
        self.drop((self.at + 1 != ends) | (self.read("u1") != 0))
        self.at = self.at + 1

    def end(self) -> None:
        """Expect the end of the documents."""
        self.leave(self._ends)

    def _kinds(self, types: Bytes) -> list[int]:
        """Return the types of documents that are still on the walk."""
        counts = np.bincount(types if self.on.all() else types[self.on], minlength=256)
        return np.flatnonzero(counts).tolist()

    def _where(self, types: Bytes, kind: int) -> Mask | None:
        """Return where documents on the walk have a type, None for everywhere."""
        where = (types == kind) & self.on
        return None if where.all() else where

    def _drop_some(self, where: Mask | None, wrong: Mask) -> None:
        if wrong.any():
            others = np.zeros(len(self), np.bool_)
            others[slice(None) if where is None else where] = wrong
            self.drop(others)

    def _advance(self, where: Mask | None, size: int) -> None:
        self.at = self.at + (size if where is None else size * where)
