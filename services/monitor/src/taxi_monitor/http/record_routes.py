"""HTTP for predictors that are not this project's: their records go into the log, then the windows.

This project's predictors write the log themselves, from a spool that outlives MongoDB's outages;
for all others an answer of this route says that the records are stored.
"""

from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from flask import Blueprint, Response

from taxi_domain.errors import NotAvailableError
from taxi_domain.metrics import MONITOR_RECORDS, MONITOR_UNREADABLE
from taxi_domain.mongodb import PREDICTIONS
from taxi_monitor.http.record_checks import checked
from taxi_monitor.http.routes import (
    RETRY_SECONDS,
    Parts,
    each,
    few,
    items_of,
    posted,
)
from taxi_monitor.windows.misfits import RECORDS
from taxi_runtime.bodies import JSON
from taxi_runtime.problems import ProblemError
from taxi_store.log.prediction_log import repeats_of
from taxi_store.registry.registry import Registry


def record_blueprint(parts: Parts) -> Blueprint:
    """Return the route."""
    routes = Blueprint("records", __name__)

    @routes.post("/v1/records")
    def records() -> Response:
        return posted(parts, lambda data, _: _log(parts, data), JSON)

    return routes


def _log(parts: Parts, data: bytes) -> dict[str, object]:
    """Store posted records, put the new ones into the windows; return what became of them.

    Raises:
        ProblemError: MongoDB does not take them now; those that it took are repeats the next time.
    """
    items: list[Any] = items_of(data, "records")
    few(len(items), "records")
    now = datetime.fromtimestamp(parts.clock(), UTC)
    try:
        versions = Registry(parts.database).known(parts.model, _versions_of(items))
        read, refused = each(items, lambda item: checked(item, parts.model, versions, now))
        there = repeats_of(parts.database, [document for _, document in read], now)
    except NotAvailableError as error:
        raise ProblemError(
            HTTPStatus.SERVICE_UNAVAILABLE, f"records: are not stored ({error}); post them again",
            retry_after=RETRY_SECONDS,
        ) from error  # fmt: skip
    # What the log had before is put right by the tailer, should the windows have another answer.
    new = [record for place, (record, _) in enumerate(read) if place not in there]
    # Labels that came before are joined when the tailer meets the records.
    parts.state.ingest(new)
    parts.counters[MONITOR_RECORDS].labels(RECORDS, "new").inc(len(new))
    parts.counters[MONITOR_RECORDS].labels(RECORDS, "repeated").inc(len(there))
    parts.counters[MONITOR_RECORDS].labels(RECORDS, "refused").inc(len(refused))
    for refusal in refused:
        parts.counters[MONITOR_UNREADABLE].labels(RECORDS, PREDICTIONS, _head(refusal)).inc()
    return {"accepted": len(new), "repeated": len(there), "refused": refused}


def _versions_of(items: list[Any]) -> set[str]:
    given = (item.get("model_version") for item in items if isinstance(item, dict))
    return {version for version in given if isinstance(version, str)}


def _head(refusal: dict[str, object]) -> str:
    """Return the field at fault without a client's own names, of which there is no end."""
    return str(refusal["field"]).partition(".")[0]
