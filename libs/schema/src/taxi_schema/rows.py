"""One row of a schema, the same from request to record."""

from datetime import datetime
from typing import NamedTuple

from taxi_schema.column import Value

#: A field of a request that the schema does not declare.
Scalar = float | int | str | bool | None


class Row(NamedTuple):
    """The values of one row.

    Attributes:
        values: In the order of `Schema.columns`; None is missing.
        id: Its key, 1..64 of ``[A-Za-z0-9._-]``; None when the client sent none.
        event_time: Naive local time of the schema's time zone; None when it is not known.
        extra: Fields that the schema does not declare, kept for the log.
        dropped: Reasons for which `extra` left fields out, each once.
    """

    values: tuple[Value, ...]
    id: str | None = None
    event_time: datetime | None = None
    extra: dict[str, Scalar] | None = None
    dropped: tuple[str, ...] = ()
