"""How large a row of a schema is in a request."""

import json
from typing import Final

from taxi_schema import extra
from taxi_schema.column import MAX_TEXT, FeatureType
from taxi_schema.schema import Schema

#: Quotes, colon, comma and a space around a name and its value.
_FRAME_BYTES: Final = 6
#: A 64-bit integer, a number as the shortest text that gives it back, or a word such as `false`.
_NUMBER_BYTES: Final = 25
_QUOTES_BYTES: Final = 2
#: Of a character that JSON escapes as two surrogates, as many clients do with what is not ASCII;
#: and of a byte of an undeclared field, whose text may have control characters.
_ESCAPED_BYTES: Final = 12
_ESCAPED_EXTRA_BYTES: Final = 6


def row_bytes(schema: Schema) -> int:
    """Return the bytes that a row with texts of ASCII takes at most as JSON, and its extra fields.

    Longer texts of other characters fit, too, unless all rows of a full batch have them.
    """
    return _framed(schema, MAX_TEXT) + extra.MAX_BYTES


def widest_row_bytes(schema: Schema) -> int:
    """Return the bytes that any row takes at most as JSON, however its texts are escaped."""
    return _framed(schema, _ESCAPED_BYTES * MAX_TEXT) + _ESCAPED_EXTRA_BYTES * extra.MAX_BYTES


def _framed(schema: Schema, text_bytes: int) -> int:
    """Return the bytes of names and values when each text has so many."""
    names = [schema.id, *(column.name for column in schema.columns)]
    texts = 1 + sum(column.type is FeatureType.STRING for column in schema.columns)
    if schema.event_time is not None:
        names.append(schema.event_time.name)
        texts += 1
    values = texts * (text_bytes + _QUOTES_BYTES) + (len(names) - texts) * _NUMBER_BYTES
    framed = sum(len(json.dumps(name)) + _FRAME_BYTES for name in names)
    return framed + values
