"""HTTP for predictors that are not this project's: their records go into the log, then the windows.

This project's predictors write the log themselves, from a spool that outlives MongoDB's outages;
for all others an answer of this route says that the records are stored.
"""

from dataclasses import asdict

from flask import Blueprint, Response, g

from taxi_monitor.http.access import Token, sender_of
from taxi_monitor.http.items import field_values, items_of
from taxi_monitor.http.record_log import log_records
from taxi_monitor.http.routes import LISTS, Parts, posted
from taxi_monitor.windows.misfits import RECORDS
from taxi_runtime.bodies import JSON
from taxi_runtime.doors import Door


def record_blueprint(parts: Parts) -> Blueprint:
    """Return the route."""
    routes = Blueprint("records", __name__)

    @routes.post("/v1/records")
    @Door("predictors of one's own", Token.INGEST, LISTS)
    def records() -> Response:
        by = sender_of(g.sender)
        return posted(parts, lambda data, _: _log(parts, data, by), JSON)

    return routes


def _log(parts: Parts, data: bytes, by: str) -> dict[str, object]:
    items = items_of(data, "records")
    versions = set(field_values(items, "model_version"))
    return asdict(log_records(parts, RECORDS, items, versions, by))
