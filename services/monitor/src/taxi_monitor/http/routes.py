"""HTTP of the monitor: parse, call, answer.

One thread serves all connections and must never wait: what takes the state's lock, MongoDB or
much time is done in other threads.
"""

import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Final, TypeVar

import msgspec
from flask import Blueprint, Response, request
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from pymongo.database import Database

from taxi_domain.documents import record_of
from taxi_domain.errors import FieldError, NotAvailableError
from taxi_domain.metrics import (
    MONITOR_LABELS,
    MONITOR_RECORDS,
    MONITOR_UNREADABLE,
)
from taxi_domain.models import Alias
from taxi_domain.mongodb import LABELS, PREDICTIONS
from taxi_domain.records import MAX_PUSHED, Label
from taxi_monitor.http import forms
from taxi_monitor.http.evidence_forms import with_evidence
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
from taxi_runtime.problems import ProblemError
from taxi_runtime.threads import Threads
from taxi_schema.labels import LabelParser
from taxi_store.connection import Document
from taxi_store.log.encoding import CONTENT_TYPE
from taxi_store.log.prediction_log import insert_labels

RETRY_SECONDS: Final = 5

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Parts:
    """What the routes call."""

    state: State
    tailer: LogTailer
    evidence: EvidenceThread
    counters: Counters
    registry: CollectorRegistry
    database: Database[Document]
    model: str
    token: str
    bodies: Bodies
    writers: Threads
    readers: Threads
    stale_after_seconds: float
    clock: Callable[[], float]
    events: Sequence[KnownEvent]
    newest: Callable[[str], Newest]


def blueprint(parts: Parts) -> Blueprint:  # noqa: C901 - one small function a route
    """Return the routes."""
    routes = Blueprint("monitor", __name__)

    @routes.post("/v1/predictions")
    def predictions() -> Response:
        return posted(
            parts, lambda data, kind: _take_records(parts, data, kind == CONTENT_TYPE),
            JSON, CONTENT_TYPE,
        )  # fmt: skip

    @routes.post("/v1/labels")
    def labels() -> Response:
        return posted(parts, lambda data, _: _take_labels(parts, data), JSON)

    @routes.get("/v1/drift")
    def drift() -> Response:
        now = datetime.fromtimestamp(parts.clock(), UTC)
        known = parts.readers.run(lambda: forms.drift(parts.state, parts.model, parts.newest))
        return json_of(with_evidence(known, parts.evidence.views, parts.events, now))

    @routes.get("/v1/performance")
    def performance() -> Response:
        return json_of(parts.readers.run(lambda: forms.performance(parts.state, parts.model)))

    @routes.get("/healthz")
    def healthz() -> Response:
        threads = {
            "evaluation": (parts.tailer.is_alive(), parts.tailer.finished_at),
            "evidence": (parts.evidence.is_alive(), parts.evidence.moved_at),
        }
        for name, (is_alive, at) in threads.items():
            age = parts.clock() - at
            if not is_alive or age > parts.stale_after_seconds:
                raise ProblemError(
                    HTTPStatus.INTERNAL_SERVER_ERROR, f"no {name} for {age:.0f} s; restart the pod"
                )
        return json_of({"status": "alive"})

    @routes.get("/readyz")
    def readyz() -> Response:
        # Without a first model there is nothing to rebuild, so the monitor is ready and says it.
        if parts.state.problem and not parts.readers.run(parts.state.watched):
            raise ProblemError(HTTPStatus.SERVICE_UNAVAILABLE, parts.state.problem)
        return json_of({"status": "ready"})

    @routes.get("/metrics")
    def metrics() -> Response:
        text = parts.readers.run(lambda: generate_latest(parts.registry))
        return Response(text, content_type=CONTENT_TYPE_LATEST)

    return routes


def _take_records(parts: Parts, data: bytes, encoded: bool) -> dict[str, object]:
    """Put posted records into the windows; return what became of them."""
    batch, refused = _encoded_records(data) if encoded else _json_records(data)
    done = parts.state.ingest(batch)
    parts.counters[MONITOR_RECORDS].labels(PUSH, "new").inc(done.new)
    parts.counters[MONITOR_RECORDS].labels(PUSH, "repeated").inc(done.other)
    parts.counters[MONITOR_RECORDS].labels(PUSH, "refused").inc(len(refused))
    for refusal in refused:
        parts.counters[MONITOR_UNREADABLE].labels(PUSH, PREDICTIONS, refusal["field"]).inc()
    return {"accepted": done.new, "repeated": done.other, "refused": refused}


def _encoded_records(data: bytes) -> tuple[RecordBatch, list[dict[str, object]]]:
    documents = documents_of(data)
    few(len(documents), "records")
    # Layouts that were learnt are not shared between threads: one is learnt in no time.
    batch, refused = Decoder().decoded(documents)
    return batch, [_refusal(one.place, one.error) for one in refused]


def _json_records(data: bytes) -> tuple[RecordBatch, list[dict[str, object]]]:
    items = items_of(data, "records")
    few(len(items), "records")
    records, refused = each(items, record_of)
    return batch_of(records), refused


def _take_labels(parts: Parts, data: bytes) -> dict[str, object]:
    """Store posted labels and join them; return what became of them."""
    now = datetime.fromtimestamp(parts.clock(), UTC)
    items = items_of(data, "labels")
    parser = _label_parser(parts)
    few(len(items), "labels")
    labels, refused = each(items, lambda body: Label(*parser.parse(body), now))
    stored = _store(parts, labels, now)
    parts.counters[MONITOR_LABELS].labels("new").inc(stored["accepted"])
    parts.counters[MONITOR_LABELS].labels("repeated").inc(stored["repeated"])
    parts.counters[MONITOR_LABELS].labels("refused").inc(len(refused))
    for refusal in refused:
        parts.counters[MONITOR_UNREADABLE].labels(PUSH, LABELS, refusal["field"]).inc()
    return {**stored, "refused": refused}


def _label_parser(parts: Parts) -> LabelParser:
    """Return the parser of labels: by the champion's schema.

    Raises:
        ProblemError: there is no champion yet.
    """
    schema = parts.state.schema_of(Alias.CHAMPION)
    if schema is None:
        reason = f" ({parts.state.problem})" if parts.state.problem else ""
        raise ProblemError(
            HTTPStatus.SERVICE_UNAVAILABLE,
            f"labels: no model yet{reason}; post them again", retry_after=RETRY_SECONDS,
        )  # fmt: skip
    return LabelParser(schema)


def _store(parts: Parts, labels: list[Label], now: datetime) -> dict[str, int]:
    """Store labels and join them; an error leaves them to be posted again.

    Raises:
        ProblemError: MongoDB does not take them now.
    """
    try:
        done, kept = insert_labels(parts.database, labels, now, parts.tailer.unreadable)
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
    """Answer a post: its rights, type and body are checked, and a thread works on it.

    Args:
        parts: Of the monitor.
        work: Takes the body and its media type; returns what became of it.
        accepted: Media types.
    """
    _authorize(parts.token)
    kind = media_type(request.environ, *accepted)
    with parts.bodies.read(request.environ) as data:
        return json_of(parts.writers.run(lambda: work(data, kind)))


def _authorize(token: str) -> None:
    """Let the monitor's token pass.

    Raises:
        ProblemError: the request has another one, or none.
    """
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    known = hmac.compare_digest(given.strip().encode(), token.encode())
    if scheme.lower() != "bearer" or not known:
        raise ProblemError(
            HTTPStatus.UNAUTHORIZED, "Authorization: send `Bearer` and the monitor's token",
            headers={"WWW-Authenticate": "Bearer"},
        )  # fmt: skip


def items_of(data: bytes, name: str) -> list[object]:
    """Return the list that a JSON body has under a name.

    Raises:
        ProblemError: there is none.
    """
    try:
        body = msgspec.json.decode(data)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise ProblemError(HTTPStatus.BAD_REQUEST, f"body: is not JSON ({error})") from error
    items = body.get(name) if isinstance(body, dict) else None
    if not isinstance(items, list):
        raise ProblemError(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            f"{name}: is no list; send {{{name!r}: [...]}}",
            field=name,
        )
    return items


def few(number: int, name: str) -> None:
    """Let a number of items pass.

    Raises:
        ProblemError: they are too many for one request.
    """
    if number > MAX_PUSHED:
        raise ProblemError(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            f"{name}: {number} items; send at most {MAX_PUSHED} at once",
            field=name,
        )


def each(
    items: Sequence[object], read: Callable[[Any], Item]
) -> tuple[list[Item], list[dict[str, object]]]:
    """Read every item; the bad ones are reported by index and do not fail the others."""
    good: list[Item] = []
    refused: list[dict[str, object]] = []
    for index, item in enumerate(items):
        try:
            good.append(read(item if isinstance(item, dict) else {}))
        except FieldError as error:
            refused.append(_refusal(index, error))
    return good, refused


def _refusal(index: int, error: FieldError) -> dict[str, object]:
    return {"index": index, "field": error.field, "problem": str(error)}


def json_of(value: object) -> Response:
    """Return an answer of JSON."""
    return Response(msgspec.json.encode(value), content_type=JSON)
