"""HTTP for inference loggers: their events become records of the log.

Senders of single events read no answer, and a Knative broker takes a body for an event and its
delivery for failed: such an answer is empty unless it is a problem.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from functools import partial
from http import HTTPStatus
from typing import Any, Final

from flask import Blueprint, Response, g, request

from taxi_domain.errors import FieldError
from taxi_domain.metrics import MONITOR_EVENTS
from taxi_domain.records import MAX_PUSHED_BYTES
from taxi_monitor.events.cloudevents import (
    ATTRIBUTES,
    BATCHED,
    STRUCTURED,
    Event,
    binary,
    structured,
)
from taxi_monitor.http.access import Token, sender_of
from taxi_monitor.http.event_log import EventLog, Joined
from taxi_monitor.http.items import listed
from taxi_monitor.http.routes import Parts, json_of
from taxi_runtime.bodies import media_type
from taxi_runtime.doors import Door
from taxi_runtime.problems import ProblemError

#: Of one batch.
MAX_EVENTS: Final = 100
_BODY: Final = f"{MAX_EVENTS:,} events, {MAX_PUSHED_BYTES // 1024:,} KiB"
_OTHER: Final = "other"
_TAKEN, _REPEATED, _IGNORED, _REFUSED = "taken", "repeated", "ignored", "refused"

Reader = Callable[[], Event]


def event_blueprint(parts: Parts, log: EventLog) -> Blueprint:
    """Return the route."""
    routes = Blueprint("events", __name__)

    @routes.post("/v1/events")
    @Door("inference loggers", Token.INGEST, _BODY)
    def events() -> Response:
        by = sender_of(g.sender)
        attributes = {
            name: value for name in ATTRIBUTES if (value := request.headers.get(f"Ce-{name}"))
        }
        # In binary mode the body has the type that the inference's had, which curl calls a form.
        kind = "" if attributes else media_type(request.environ, STRUCTURED, BATCHED)
        with parts.bodies.read(request.environ) as data:
            if kind == BATCHED:
                return json_of(parts.writers.run(lambda: _batch(parts, log, data, by)))
            read = partial(structured, data) if kind else partial(binary, attributes, data)
            parts.writers.run(lambda: _single(parts, log, read, by))
        answer = Response(status=HTTPStatus.OK)
        del answer.headers["Content-Type"]
        return answer

    return routes


def _single(parts: Parts, log: EventLog, read: Reader, by: str) -> None:
    """Take one event.

    Raises:
        ProblemError: it cannot be taken, or nothing of its inference can be logged.
    """
    refused = _take(parts, log, [read], by)["refused"]
    if refused:
        raise ProblemError(
            HTTPStatus.UNPROCESSABLE_ENTITY, str(refused[0]["problem"]),
            field=str(refused[0]["field"]),
        )  # fmt: skip


def _batch(parts: Parts, log: EventLog, data: bytes, by: str) -> dict[str, object]:
    items = listed(data, "events", MAX_EVENTS)
    return _take(parts, log, [partial(structured, one) for one in items], by)


def _take(parts: Parts, log: EventLog, readers: Iterable[Reader], by: str) -> dict[str, Any]:
    """Take events; return what became of them, those that cannot be taken by index."""
    good: dict[int, Event] = {}
    refused: list[dict[str, object]] = []
    results: Counter[tuple[str, str]] = Counter()
    for index, read in enumerate(readers):
        half = _OTHER
        try:
            event = read()
            half = event.half or _OTHER
            log.check(event)
        except FieldError as error:
            refused.append({"index": index, "field": error.field, "problem": str(error)})
            results[half, _REFUSED] += 1
            continue
        if event.half is None:
            results[half, _IGNORED] += 1
        else:
            good[index] = event
    joined = log.take(list(good.values()), by) if good else {}
    for index, event in good.items():
        pair = joined.get(event.id, Joined(1, []))
        result = _result(pair)
        results[str(event.half), result] += 1
        if result == _REFUSED and pair is not None:
            refused.append({**pair.refused[0], "index": index})
    told = _counted(parts, results)
    return {**{one: told[one] for one in (_TAKEN, _REPEATED, _IGNORED)}, "refused": refused}


def _counted(parts: Parts, results: Counter[tuple[str, str]]) -> Counter[str]:
    """Count events; return them by result."""
    told: Counter[str] = Counter()
    for (half, result), count in results.items():
        parts.counters[MONITOR_EVENTS].labels(half, result).inc(count)
        told[result] += count
    return told


def _result(pair: Joined | None) -> str:
    """Return what became of an event: the first half of a pair, or what the pair became."""
    if pair is None:
        return _REPEATED
    return _REFUSED if pair.refused and not pair.stored else _TAKEN
