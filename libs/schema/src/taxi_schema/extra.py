"""Fields of a request that the schema does not declare: scalars are kept for the log."""

import sys
from collections.abc import Iterable
from enum import StrEnum
from typing import Final

from taxi_domain.errors import FieldError
from taxi_schema.column import MAX_INTEGER
from taxi_schema.errors import shown
from taxi_schema.names import MAX_NAME
from taxi_schema.rows import Scalar

#: Of one row; bytes are those of names and values in UTF-8, 8 for what is no string.
MAX_FIELDS: Final = 32
MAX_BYTES: Final = 1024
_SCALAR_BYTES: Final = 8
_NESTED: Final = (list, dict)


class Dropped(StrEnum):
    """Why a field was not kept."""

    #: BSON cannot hold it, or it would read as an operator.
    NAME = "name"
    #: BSON or JSON cannot hold it.
    VALUE = "value"
    TOO_MANY = "too_many"
    TOO_LARGE = "too_large"


Kept = tuple[dict[str, Scalar] | None, tuple[str, ...]]


def keep(fields: Iterable[tuple[object, object]]) -> Kept:
    """Return what is kept, None when nothing is, and the reasons of what is not, each once.

    Args:
        fields: Names and values that the schema does not declare.

    Raises:
        FieldError: a value is nested.
    """
    kept: dict[str, Scalar] = {}
    dropped: dict[str, None] = {}
    room = MAX_BYTES
    for name, value in fields:
        if isinstance(value, _NESTED):
            raise FieldError(
                field_of(name), "is not a scalar", "send numbers, strings or null only"
            )
        if len(kept) >= MAX_FIELDS:
            dropped[Dropped.TOO_MANY] = None
            continue
        reason, size = _measure(name, value)
        if reason is None and size > room:
            reason = Dropped.TOO_LARGE
        if reason is not None:
            dropped[reason] = None
            continue
        room -= size
        kept[name] = value  # type: ignore[index,assignment]  # measured: a string and a scalar
    return kept or None, tuple(dropped)


def field_of(name: object) -> str:
    """Return a client's field name for a text: as it is, or cut and escaped."""
    text = name if isinstance(name, str) else shown(name)
    return text if len(text) <= MAX_NAME and _bytes(text) is not None else shown(text)


def _measure(name: object, value: object) -> tuple[Dropped | None, int]:
    """Return why it cannot be kept, and its bytes."""
    size = _bytes(name)
    if size is None or "\0" in str(name) or str(name).startswith("$"):
        return Dropped.NAME, 0
    if isinstance(value, str):
        length = _bytes(value)
        return (Dropped.VALUE, 0) if length is None else (None, size + length)
    if isinstance(value, float):
        finite = -sys.float_info.max <= value <= sys.float_info.max
        return None if finite else Dropped.VALUE, size + _SCALAR_BYTES
    if isinstance(value, int):
        fits = -MAX_INTEGER - 1 <= value <= MAX_INTEGER
        return None if fits else Dropped.VALUE, size + _SCALAR_BYTES
    return None if value is None else Dropped.VALUE, size + _SCALAR_BYTES


def _bytes(text: object) -> int | None:
    """Return the length in UTF-8, None when it has none; a long text is not encoded."""
    if not isinstance(text, str):
        return None
    if len(text) > MAX_BYTES:
        return len(text)
    try:
        return len(text.encode())
    except UnicodeEncodeError:
        return None
