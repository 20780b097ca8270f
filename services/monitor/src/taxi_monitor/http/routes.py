"""HTTP of the monitor: parse, call, answer.

One thread serves all connections and must never wait: what takes the state's lock, MongoDB or
much time is done in other threads.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from http import HTTPStatus
from typing import Any, Final

import msgspec
from flask import Blueprint, Response, g, request
from prometheus_client import CollectorRegistry
from pymongo.database import Database

from taxi_domain.documents import record_of
from taxi_domain.errors import NotAvailableError
from taxi_domain.metrics import (
    MONITOR_LABELS,
    MONITOR_RECORDS,
    MONITOR_UNREADABLE,
)
from taxi_domain.models import Alias
from taxi_domain.mongodb import LABELS, PREDICTIONS
from taxi_domain.records import MAX_PUSHED, MAX_PUSHED_BYTES, Label
from taxi_monitor.http import forms
from taxi_monitor.http.access import Token, sender_of
from taxi_monitor.http.correction_notes import CorrectionNotes
from taxi_monitor.http.evidence_forms import judging_of, with_evidence
from taxi_monitor.http.items import each, few, id_of, items_of, refusal
from taxi_monitor.http.verdict_forms import Newest
from taxi_monitor.metrics.counters import Counters
from taxi_monitor.records.batch import RecordBatch, batch_of
from taxi_monitor.records.bson import Decoder, documents_of
from taxi_monitor.settings import KnownEvent
from taxi_monitor.tailer.evidence_thread import EvidenceThread
from taxi_monitor.tailer.log_tailer import LogTailer
from taxi_monitor.windows.misfits import PUSH
from taxi_monitor.windows.state import State
from taxi_runtime.bodies import JSON, Bodies, media_type
from taxi_runtime.doors import Door
from taxi_runtime.problems import ProblemError
from taxi_runtime.refused_lines import RefusedLines
from taxi_runtime.threads import Threads
from taxi_schema.labels import LabelParser
from taxi_schema.schema import Schema
from taxi_store.connection import Document
from taxi_store.log.encoding import CONTENT_TYPE
from taxi_store.log.prediction_log import insert_labels

RETRY_SECONDS: Final = 5
#: What a post of many items may have.
LISTS: Final = f"{MAX_PUSHED:,} items, {MAX_PUSHED_BYTES // 1024:,} KiB"


@dataclass(frozen=True, slots=True)
class Parts:
    """What the routes call."""

    state: State
    rows: State
    tailer: LogTailer
    evidence: EvidenceThread
    counters: Counters
    registry: CollectorRegistry
    database: Database[Document]
    model: str
    bodies: Bodies
    writers: Threads
    readers: Threads
    probes: Threads
    stale_after_seconds: float
    clock: Callable[[], float]
    events: Sequence[KnownEvent]
    newest: Callable[[str], Newest]
    refusals: RefusedLines
    corrections: CorrectionNotes


def blueprint(parts: Parts) -> Blueprint:
    """Return the routes."""
    routes = Blueprint("monitor", __name__)

    @routes.post("/v1/predictions")
    @Door("this project's predictors", Token.INGEST, LISTS)
    def predictions() -> Response:
        return posted(
            parts, lambda data, kind: _take_records(parts, data, kind == CONTENT_TYPE),
            JSON, CONTENT_TYPE,
        )  # fmt: skip

    @routes.post("/v1/labels")
    @Door("senders of labels", Token.LABELS, LISTS)
    def labels() -> Response:
        by = sender_of(g.sender)
        return posted(parts, lambda data, _: _take_labels(parts, data, by), JSON)

    @routes.get("/v1/drift")
    @Door("readers", Token.READ)
    def drift() -> Response:
        now = datetime.fromtimestamp(parts.clock(), UTC)
        known = parts.readers.run(lambda: forms.drift(parts.state, parts.model, parts.newest))
        form = with_evidence(known, parts.evidence.views, parts.events, now)

        def of_rows(version: str) -> dict[str, Any] | None:
            return judging_of(parts.evidence.views, version, parts.events)

        return json_of(
            parts.readers.run(lambda: forms.with_rows(form, parts.rows, parts.newest, of_rows))
        )

    @routes.get("/v1/performance")
    @Door("readers", Token.READ)
    def performance() -> Response:
        return json_of(parts.readers.run(lambda: forms.performance(parts.state, parts.model)))

    return routes


def _take_records(parts: Parts, data: bytes, encoded: bool) -> dict[str, object]:
    """Put posted records into the windows; return what became of them."""
    batch, refused = _encoded_records(data) if encoded else _json_records(data)
    done = parts.state.ingest(batch)
    parts.counters[MONITOR_RECORDS].labels(PUSH, "new").inc(done.new)
    parts.counters[MONITOR_RECORDS].labels(PUSH, "repeated").inc(done.other)
    parts.counters[MONITOR_RECORDS].labels(PUSH, "refused").inc(len(refused))
    for one in refused:
        parts.counters[MONITOR_UNREADABLE].labels(PUSH, PREDICTIONS, one["field"]).inc()
    return {"accepted": done.new, "repeated": done.other, "refused": refused}


def _encoded_records(data: bytes) -> tuple[RecordBatch, list[dict[str, object]]]:
    documents = documents_of(data)
    few(len(documents), "records")
    # Layouts that were learnt are not shared between threads: one is learnt in no time.
    batch, refused = Decoder().decoded(documents)
    return batch, [refusal(one.place, one.error) for one in refused]


def _json_records(data: bytes) -> tuple[RecordBatch, list[dict[str, object]]]:
    records, refused = each(items_of(data, "records"), record_of)
    return batch_of(records), refused


def _take_labels(parts: Parts, data: bytes, by: str) -> dict[str, object]:
    """Store posted labels and join them; return what became of them."""
    now = datetime.fromtimestamp(parts.clock(), UTC)
    items = items_of(data, "labels")
    schema = champions_schema(parts, "labels")
    parser = LabelParser(schema)
    labels, refused = each(items, lambda body: Label(*parser.parse(body), now))
    stored = _store(parts, labels, now, by)
    parts.counters[MONITOR_LABELS].labels("new").inc(stored["accepted"])
    parts.counters[MONITOR_LABELS].labels("repeated").inc(stored["repeated"])
    parts.counters[MONITOR_LABELS].labels("refused").inc(len(refused))
    for one in refused:
        parts.counters[MONITOR_UNREADABLE].labels(PUSH, LABELS, one["field"]).inc()
    name_refused(parts, "label", items, refused, schema.id)
    return {**stored, "refused": refused}


def name_refused(
    parts: Parts, what: str, items: Sequence[object], refused: Sequence[dict[str, Any]], id_: str
) -> None:
    """Name refused items in the log, seldom.

    Args:
        parts: Of the monitor.
        what: One of them is.
        items: All that were posted.
        refused: What is told of those that were refused.
        id_: Field that has their id.
    """
    for one in refused:
        # Without a client's own names, of which there is no end.
        field = str(one["field"]).partition(".")[0]
        parts.refusals.tell(what, field, partial(id_of, items[one["index"]], id_))


def champions_schema(parts: Parts, what: str) -> Schema:
    """Return the schema that posts are read by.

    Raises:
        ProblemError: there is no champion yet.
    """
    schema = parts.state.schema_of(Alias.CHAMPION)
    if schema is None:
        raise no_model(parts, what)
    return schema


def no_model(parts: Parts, what: str) -> ProblemError:
    """Return the answer to posts that come before the first model."""
    reason = f" ({parts.state.problem})" if parts.state.problem else ""
    return ProblemError(
        HTTPStatus.SERVICE_UNAVAILABLE, f"{what}: no model yet{reason}; post them again",
        retry_after=RETRY_SECONDS,
    )  # fmt: skip


def _store(parts: Parts, labels: list[Label], now: datetime, by: str) -> dict[str, int]:
    """Store labels and join them; an error leaves them to be posted again.

    Raises:
        ProblemError: MongoDB does not take them now.
    """
    try:
        done, kept = insert_labels(parts.database, labels, now, parts.tailer.unreadable, by)
        parts.tailer.take_labels(kept)
    except NotAvailableError as error:
        raise ProblemError(
            HTTPStatus.SERVICE_UNAVAILABLE, f"labels: are not stored ({error}); post them again",
            retry_after=RETRY_SECONDS,
        ) from error  # fmt: skip
    return {"accepted": done.inserted, "repeated": done.repeated}


def posted(
    parts: Parts, work: Callable[[bytes, str], dict[str, object]], *accepted: str
) -> Response:
    """Answer a post: its type and body are checked, and a thread works on it.

    Args:
        parts: Of the monitor.
        work: Takes the body and its media type; returns what became of it.
        accepted: Media types.
    """
    kind = media_type(request.environ, *accepted)
    with parts.bodies.read(request.environ) as data:
        return json_of(parts.writers.run(lambda: work(data, kind)))


def json_of(value: object) -> Response:
    """Return an answer of JSON."""
    return Response(msgspec.json.encode(value), content_type=JSON)
