"""HTTP of the monitor: parse, call, answer."""

import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Final, TypeVar

import msgspec
from flask import Blueprint, Response, render_template, request
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from pymongo.database import Database

from taxi_domain.documents import record_of
from taxi_domain.errors import FieldError, NotAvailableError
from taxi_domain.records import Label, label_of
from taxi_monitor import reports
from taxi_monitor.counters import Counters
from taxi_monitor.follower import Follower
from taxi_monitor.problems import ProblemError
from taxi_monitor.state import State
from taxi_store.connection import Document
from taxi_store.encoding import CONTENT_TYPE, decoded_all
from taxi_store.log import insert_labels

_JSON: Final = "application/json"
_MOST_ITEMS: Final = 10_000
_RETRY_SECONDS: Final = 5

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Parts:
    """What the routes call."""

    state: State
    follower: Follower
    counters: Counters
    registry: CollectorRegistry
    database: Database[Document]
    model: str
    token: str
    stale_after_seconds: float
    clock: Callable[[], float]


def blueprint(parts: Parts) -> Blueprint:  # noqa: C901 - one small function a route
    """Return the routes."""
    routes = Blueprint("monitor", __name__)

    @routes.post("/v1/predictions")
    def predictions() -> Response:
        _authorize(parts.token)
        encoded = request.mimetype == CONTENT_TYPE
        items = decoded_all(request.get_data(cache=False)) if encoded else _items("records")
        records, refused = _each(_few(items, "records"), record_of)
        done = parts.state.ingest(records)
        parts.counters.records.labels("push", "new").inc(done.new)
        parts.counters.records.labels("push", "repeated").inc(done.other)
        parts.counters.records.labels("push", "refused").inc(len(refused))
        return _json({"accepted": done.new, "repeated": done.other, "refused": refused})

    @routes.post("/v1/labels")
    def labels() -> Response:
        _authorize(parts.token)
        now = datetime.fromtimestamp(parts.clock(), UTC)
        found, refused = _each(_few(_items("labels"), "labels"), lambda body: label_of(body, now))
        stored = _store(parts, found, now)
        parts.counters.labels.labels("new").inc(stored["accepted"])
        parts.counters.labels.labels("repeated").inc(stored["repeated"])
        parts.counters.labels.labels("refused").inc(len(refused))
        return _json({**stored, "refused": refused})

    @routes.get("/v1/drift")
    def drift() -> Response:
        return _json(reports.drift(parts.state, parts.model))

    @routes.get("/v1/performance")
    def performance() -> Response:
        return _json(reports.performance(parts.state, parts.model))

    @routes.get("/")
    def page() -> str:
        return render_template(
            "verdict.html",
            drift=reports.drift(parts.state, parts.model),
            performance=reports.performance(parts.state, parts.model),
        )

    @routes.get("/healthz")
    def healthz() -> Response:
        age = parts.clock() - parts.follower.finished_at
        if not parts.follower.is_alive() or age > parts.stale_after_seconds:
            raise ProblemError(
                HTTPStatus.INTERNAL_SERVER_ERROR, f"no evaluation for {age:.0f} s; restart the pod"
            )
        return _json({"status": "alive"})

    @routes.get("/readyz")
    def readyz() -> Response:
        # Without a first model there is nothing to rebuild, so the monitor is ready and says it.
        if parts.state.problem and not parts.state.watched():
            raise ProblemError(HTTPStatus.SERVICE_UNAVAILABLE, parts.state.problem)
        return _json({"status": "ready"})

    @routes.get("/metrics")
    def metrics() -> Response:
        return Response(generate_latest(parts.registry), content_type=CONTENT_TYPE_LATEST)

    return routes


def _store(parts: Parts, labels: list[Label], now: datetime) -> dict[str, int]:
    """Store labels and join them; an error leaves them to be posted again.

    Raises:
        ProblemError: MongoDB does not take them now.
    """
    try:
        done, kept = insert_labels(parts.database, labels, now)
        lags = parts.follower.take_labels(kept)
    except NotAvailableError as error:
        raise ProblemError(
            HTTPStatus.SERVICE_UNAVAILABLE, f"labels: are not stored ({error}); post them again",
            retry_after=_RETRY_SECONDS,
        ) from error  # fmt: skip
    for lag in lags:
        parts.counters.label_lag.observe(lag)
    return {"accepted": done.inserted, "repeated": done.repeated}


def _authorize(token: str) -> None:
    given = request.headers.get("Authorization", "")
    if not hmac.compare_digest(given.encode(), f"Bearer {token}".encode()):
        raise ProblemError(
            HTTPStatus.UNAUTHORIZED, "Authorization: send `Bearer` and the monitor's token"
        )


def _items(name: str) -> list[object]:
    if request.mimetype != _JSON:
        raise ProblemError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"Content-Type: send {_JSON}")
    try:
        body = msgspec.json.decode(request.get_data(cache=False))
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


def _few(items: Sequence[object], name: str) -> Sequence[object]:
    if len(items) > _MOST_ITEMS:
        raise ProblemError(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            f"{name}: {len(items)} items; send at most {_MOST_ITEMS} at once",
            field=name,
        )
    return items


def _each(
    items: Sequence[object], read: Callable[[Any], Item]
) -> tuple[list[Item], list[dict[str, object]]]:
    """Read every item; the bad ones are reported by index and do not fail the others."""
    good: list[Item] = []
    refused: list[dict[str, object]] = []
    for index, item in enumerate(items):
        try:
            good.append(read(item if isinstance(item, dict) else {}))
        except FieldError as error:
            refused.append({"index": index, "field": error.field, "problem": str(error)})
    return good, refused


def _json(value: object) -> Response:
    return Response(msgspec.json.encode(value), content_type=_JSON)
