"""Rows of the prediction log as one profile, read by any reference's schema."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from pymongo.database import Database

from taxi_domain.errors import FieldError
from taxi_report.collect.columns import rows_of
from taxi_report.collect.file_rows import profile_all
from taxi_report.profile.layout import Layout
from taxi_report.profile.version import VersionProfile
from taxi_report.rows import Rows
from taxi_report.spans import Span
from taxi_store.connection import Document
from taxi_store.log.malformed import Unreadable
from taxi_store.log.partitions import label_values, plan, read

#: Operators that run code on the server.
_CODE: Final = frozenset({"$where", "$function", "$accumulator"})


@dataclass(frozen=True, slots=True)
class LogQuery:
    """Rows of the log.

    Attributes:
        model: Name of the model.
        span: Answer times.
        where: A filter of MongoDB on the records of the log.
    """

    model: str
    span: Span
    where: Mapping[str, Any] = field(default_factory=dict)


def where_of(text: str) -> dict[str, Any]:
    """Return a filter that was given as JSON; an empty text is none.

    Raises:
        FieldError: it is no object, or would run code.
    """
    try:
        found = json.loads(text or "{}")
    except (ValueError, RecursionError) as error:
        raise FieldError(
            "--where", f"is not JSON ({error})", """give a filter as '{"model_role": "champion"}'"""
        ) from error
    if not isinstance(found, dict):
        raise FieldError("--where", "is no object", """give a filter as '{"model_role": ...}'""")
    if code := _keys(found) & _CODE:
        raise FieldError("--where", f"has {min(code)}, which runs code", "use other operators")
    return found


def _keys(value: object) -> set[str]:
    if isinstance(value, dict):
        return set(value).union(*map(_keys, value.values()))
    return set().union(*map(_keys, value)) if isinstance(value, list) else set()


def profile_log(
    database: Database[Document], query: LogQuery, layout: Layout
) -> tuple[VersionProfile, dict[str, int]]:
    """Profile rows of the log; also return how many documents could not be read, by collection.

    Raises:
        StoreUnavailableError: MongoDB does not answer, or refuses the filter.
    """
    unreadable: dict[str, int] = {}

    def count(collection: str, _field: str) -> None:
        unreadable[collection] = unreadable.get(collection, 0) + 1

    profile = profile_all(_partitions(database, query, layout, Unreadable(count)), layout)
    return profile, dict(sorted(unreadable.items()))


def _partitions(
    database: Database[Document], query: LogQuery, layout: Layout, faults: Unreadable
) -> Iterator[Rows]:
    for partition in plan(database, query.model, query.span.start, query.span.end):
        documents = [
            one for chunk in read(database, partition, faults, query.where) for one in chunk
        ]
        if documents:
            labels = label_values(database, [one["_id"] for one in documents], faults)
            yield rows_of(documents, layout, labels)
