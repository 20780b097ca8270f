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
_TEXT_BYTES: Final = MAX_TEXT + 2


def row_bytes(schema: Schema) -> int:
    """Return the bytes that a row with texts of ASCII takes at most as JSON, and its extra fields.

    Longer texts of other characters fit, too, unless all rows of a full batch have them.
    """
    names = [schema.id, *(column.name for column in schema.columns)]
    texts = 1 + sum(column.type is FeatureType.STRING for column in schema.columns)
    if schema.event_time is not None:
        names.append(schema.event_time.name)
        texts += 1
    values = texts * _TEXT_BYTES + (len(names) - texts) * _NUMBER_BYTES
    framed = sum(len(json.dumps(name)) + _FRAME_BYTES for name in names)
    return framed + values + extra.MAX_BYTES
