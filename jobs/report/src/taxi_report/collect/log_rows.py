"""Rows of the prediction log as one profile, read by any reference's schema."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import bson
from bson import json_util
from pymongo.database import Database
from pymongo.errors import CursorNotFound, ExecutionTimeout, OperationFailure

from taxi_domain.errors import FieldError
from taxi_report.collect.columns import rows_of
from taxi_report.collect.file_rows import profile_all
from taxi_report.profile.layout import Layout
from taxi_report.profile.version import VersionProfile
from taxi_report.rows import Rows
from taxi_report.spans import Span
from taxi_store.connection import Document, StoreUnavailableError
from taxi_store.log.malformed import Unreadable
from taxi_store.log.partitions import label_values, plan, read

#: Operators and values that run code on the server.
_CODE: Final = frozenset({"$where", "$function", "$accumulator", "$code"})
_MAX_TEXT: Final = 300
_EXAMPLE: Final = """give a filter as '{"model_role": "champion"}'"""


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

    Values that JSON does not have are written as MongoDB's extended JSON: {"$date": ...}.

    Raises:
        FieldError: it is no object, has what MongoDB cannot store, or would run code.
    """
    try:
        found = json.loads(text or "{}", object_hook=_extended, parse_constant=_no_constant)
        if isinstance(found, dict):
            bson.encode(found)
    except FieldError:
        raise
    except Exception as error:  # readers of extended JSON raise errors without a base in common
        problem = " ".join(str(error).split())[:_MAX_TEXT]
        raise FieldError("--where", f"is no filter in JSON ({problem})", _EXAMPLE) from error
    if not isinstance(found, dict):
        raise FieldError("--where", "is no object", _EXAMPLE)
    return found


def json_of_where(where: Mapping[str, Any]) -> dict[str, Any]:
    """Return a filter as JSON has it."""
    found: dict[str, Any] = json.loads(
        json_util.dumps(where, json_options=json_util.RELAXED_JSON_OPTIONS)
    )
    return found


def _extended(document: dict[str, Any]) -> Any:
    """Return what an object of JSON stands for."""
    if code := document.keys() & _CODE:
        raise FieldError("--where", f"has {min(code)}, which runs code", "use other operators")
    if "$regex" in document:
        return document  # an operator, which may have others beside it
    return json_util.object_hook(document)


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


@contextmanager
def _refusals() -> Iterator[None]:
    """Tell a filter that MongoDB refuses from a MongoDB that is away.

    Raises:
        FieldError: it refuses the filter.
        StoreUnavailableError: it does not answer.
    """
    try:
        yield
    except StoreUnavailableError as error:
        cause = error.__cause__
        # The rows were planned before, without the filter: the user may read.
        if not isinstance(cause, OperationFailure) or isinstance(
            cause, CursorNotFound | ExecutionTimeout
        ):
            raise
        problem = cause.details.get("errmsg", "") if cause.details else str(cause)
        raise FieldError(
            "--where", f"is refused by MongoDB ({problem[:_MAX_TEXT]})", _EXAMPLE
        ) from error


def profile_log(
    database: Database[Document], query: LogQuery, layout: Layout
) -> tuple[VersionProfile, dict[str, int]]:
    """Profile rows of the log; also return how many documents could not be read, by collection.

    Raises:
        FieldError: MongoDB refuses the filter.
        StoreUnavailableError: MongoDB does not answer.
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
        with _refusals():
            documents = [
                one for chunk in read(database, partition, faults, query.where) for one in chunk
            ]
        if documents:
            labels = label_values(database, [one["_id"] for one in documents], faults)
            yield rows_of(documents, layout, labels)
