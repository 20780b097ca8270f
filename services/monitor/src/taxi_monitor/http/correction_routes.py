"""HTTP for corrections of labels: the only way to change one, by who may post them."""

from datetime import UTC, datetime

from flask import Blueprint, Response, g

from taxi_domain.errors import FieldError, NotAvailableError
from taxi_domain.metrics import MONITOR_LABELS, MONITOR_LATE_CORRECTIONS
from taxi_domain.models import Alias
from taxi_domain.records import Label
from taxi_domain.verdicts import Side
from taxi_monitor.http.access import Token, sender_of
from taxi_monitor.http.items import each, items_of, refusal
from taxi_monitor.http.record_log import away
from taxi_monitor.http.routes import LISTS, Parts, champions_schema, posted
from taxi_runtime.bodies import JSON
from taxi_runtime.doors import Door
from taxi_schema.labels import LabelParser
from taxi_schema.schema import Schema
from taxi_store.log.corrections import Corrected, UnconfirmedError, correct_labels
from taxi_store.verdicts.verdicts import newest_verdict


def correction_blueprint(parts: Parts) -> Blueprint:
    """Return the route."""
    routes = Blueprint("corrections", __name__)

    @routes.post("/v1/labels/corrections")
    @Door("senders of labels", Token.LABELS, LISTS)
    def corrections() -> Response:
        by, token = sender_of(g.sender), g.sender
        return posted(parts, lambda data, _: _take(parts, data, by, token), JSON)

    return routes


def _take(parts: Parts, data: bytes, by: str, token: str) -> dict[str, object]:
    """Correct labels, in the log and then in the windows; return what became of them.

    Raises:
        ProblemError: there is no model yet, or MongoDB does not take them now.
    """
    now = datetime.fromtimestamp(parts.clock(), UTC)
    items = items_of(data, "labels")
    schema = champions_schema(parts, "labels")
    parser = LabelParser(schema)
    read, refused = each(items, lambda body: Label(*parser.parse(body), now))
    at = {one["index"] for one in refused}
    places = [place for place in range(len(items)) if place not in at]
    # Of a row that is named twice the last one counts.
    labels = {one.row_id: (place, one) for place, one in zip(places, read, strict=True)}
    try:
        done = correct_labels(parts.database, [one for _, one in labels.values()], now, by)
        # Before all that can fail: to the post that comes again these are unchanged.
        parts.corrections.note(by or token, list(done.changed))
        parts.counters[MONITOR_LABELS].labels("corrected").inc(len(done.changed))
        late = _late(parts, done)
        # What the windows have follows the log also where an answer of before was lost.
        parts.tailer.correct_labels([*done.changed, *done.same])
    except NotAvailableError as error:
        if isinstance(error, UnconfirmedError):
            parts.corrections.note(by or token, error.row_ids, f"may be done: {error}")
        raise away("labels", error) from error
    parts.counters[MONITOR_LATE_CORRECTIONS].inc(late)
    return {
        "corrected": len(done.changed), "unchanged": len(done.same), "late": late,
        "refused": refused + [_unknown(labels[one][0], one, schema) for one in done.unknown],
    }  # fmt: skip


def _late(parts: Parts, done: Corrected) -> int:
    """Return how many are of blocks that the champion's verdict judged already."""
    version = parts.state.version_of(Alias.CHAMPION)
    if not done.changed or version is None:
        return 0
    newest = newest_verdict(parts.database, parts.model, version, Side.LABELS)
    if newest is None:
        return 0
    end = (newest.cursor.stored_at, newest.cursor.row_id)
    return sum((stored_at, row_id) <= end for row_id, stored_at in done.changed.items())


def _unknown(index: int, row_id: str, schema: Schema) -> dict[str, object]:
    problem = f"{row_id} has no label"
    return refusal(index, FieldError(schema.id, problem, "post it to /v1/labels"))
