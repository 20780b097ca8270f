"""HTTP for rows that nobody predicts: their drift is watched beside that of what is served."""

from datetime import UTC, datetime
from typing import Final

from flask import Blueprint, Response, g

from taxi_domain.errors import FieldError, NotAvailableError
from taxi_domain.metrics import MONITOR_RECORDS, MONITOR_UNREADABLE
from taxi_domain.mongodb import ROWS
from taxi_monitor.http.access import Token, sender_of
from taxi_monitor.http.items import each, items_of
from taxi_monitor.http.record_log import away
from taxi_monitor.http.routes import LISTS, Parts, champions_schema, name_refused, posted
from taxi_monitor.windows.misfits import UNSERVED
from taxi_runtime.bodies import JSON
from taxi_runtime.doors import Door
from taxi_schema.records import inputs_of
from taxi_schema.requests import RequestParser
from taxi_schema.schema import Schema
from taxi_store.log.rows import UnservedRow, insert_rows

#: Series of fields that the schema does not have.
OTHER: Final = "other"
_ITEM: Final = "item"


def row_blueprint(parts: Parts) -> Blueprint:
    """Return the route."""
    routes = Blueprint("rows", __name__)

    @routes.post("/v1/rows")
    @Door("senders of rows that nobody predicts", Token.INGEST, LISTS)
    def rows() -> Response:
        by = sender_of(g.sender)
        return posted(parts, lambda data, _: _take(parts, data, by), JSON)

    return routes


def _take(parts: Parts, data: bytes, by: str) -> dict[str, object]:
    """Store posted rows; return what became of them. The windows find them there.

    Raises:
        ProblemError: there is no model yet, or MongoDB does not take them now.
    """
    now = datetime.fromtimestamp(parts.clock(), UTC)
    items = items_of(data, "rows")
    schema = champions_schema(parts, "rows")
    parser = RequestParser(schema)
    rows, refused = each(items, lambda body: _row(parser, schema, body, parts.model, now))
    try:
        there = insert_rows(parts.database, rows, now, by)
    except NotAvailableError as error:
        raise away("rows", error) from error
    counts = {"new": len(rows) - len(there), "repeated": len(there), "refused": len(refused)}
    for result, count in counts.items():
        parts.counters[MONITOR_RECORDS].labels(UNSERVED, result).inc(count)
    counted = [{**one, "field": _counted(str(one["field"]), schema)} for one in refused]
    for one in counted:
        parts.counters[MONITOR_UNREADABLE].labels(UNSERVED, ROWS, one["field"]).inc()
    name_refused(parts, "row", items, counted, schema.id)
    return {"accepted": counts["new"], "repeated": counts["repeated"], "refused": refused}


def _counted(field: str, schema: Schema) -> str:
    """Return a field at fault for the metrics: of clients' own names there is no end."""
    return field if field in {_ITEM, *schema.names} else OTHER


def _row(
    parser: RequestParser, schema: Schema, body: object, model: str, now: datetime
) -> UnservedRow:
    row = parser.parse(body)
    if row.id is None:
        # A repeat after an answer that was lost would double it.
        raise FieldError(schema.id, "is missing", "send an id, so that a repeat changes nothing")
    return UnservedRow(row.id, now, row.event_time, model, inputs_of(schema, row), row.extra or {})
