"""Spans: what they are called, where they belong, and what becomes of them without a collector."""

import json
import logging
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from flask import Flask
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanContext, StatusCode, format_span_id, format_trace_id

from taxi_domain.errors import FieldError
from taxi_domain.logs import JsonFormatter, about
from taxi_runtime import traces as module
from taxi_runtime.traced_http import TracedApplication
from taxi_runtime.traces import Traces, headers, noted

TRACE, CALLER = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SAMPLED = f"00-{TRACE}-{CALLER}-01"


class Kept:
    """Spans that are kept, once what makes them was stopped."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        self.traces = Traces("http://nowhere", self._exporter)

    def __iter__(self) -> Iterator[ReadableSpan]:
        self.traces.stop()
        return iter(self._exporter.get_finished_spans())


@pytest.fixture
def kept() -> Kept:
    return Kept()


def ids_of(span: ReadableSpan) -> SpanContext:
    found = span.get_span_context()
    assert found is not None
    return found


def trace_of(span: ReadableSpan) -> str:
    return format_trace_id(ids_of(span).trace_id)


def test_span_has_what_log_lines_have(kept: Kept) -> None:
    with about(decision="d"), kept.traces.span("effect CreateJob", job="j"):
        pass

    (span,) = kept
    assert dict(span.attributes or {}) == {"taxi.decision": "d", "taxi.job": "j"}


def test_what_is_of_one_thing_is_in_one_trace_in_every_process(kept: Kept) -> None:
    other = Kept()
    span = kept.traces.span
    with span("decision Retrain", trace_of="p/7"), span("effect CreateJob", trace_of="p/7"):
        pass
    with kept.traces.span("decision Retrain", trace_of="p/8"):
        pass
    with other.traces.span("effect MoveAlias", trace_of="p/7"):
        pass

    effect, decision, eighth = kept
    (later,) = other
    assert trace_of(effect) == trace_of(decision) == trace_of(later) != trace_of(eighth)
    assert effect.parent is not None
    assert effect.parent.span_id == ids_of(decision).span_id
    assert later.parent is None


def test_batch_is_in_the_trace_of_the_first_request_and_linked_to_the_others(kept: Kept) -> None:
    second = SAMPLED.replace("0af7", "1af7")
    with kept.traces.span("deliver", after=[SAMPLED, second, "nonsense"]):
        sent = headers()["traceparent"]

    (span,) = kept
    assert trace_of(span) == TRACE
    assert span.parent is not None
    assert format_span_id(span.parent.span_id) == CALLER
    assert [format_trace_id(one.context.trace_id) for one in span.links] == [
        TRACE.replace("0af7", "1af7")
    ]
    assert sent.split("-")[1] == TRACE


def test_class_of_an_error_within_is_the_spans_too_and_its_text_is_not(kept: Kept) -> None:
    with pytest.raises(RuntimeError), kept.traces.span("deliver"):
        raise RuntimeError("away")

    (span,) = kept
    assert (span.status.status_code, span.status.description) == (StatusCode.ERROR, None)
    assert dict(span.attributes or {}) == {"error.type": "RuntimeError"}
    assert not span.events


def test_log_lines_within_a_span_have_its_ids(kept: Kept) -> None:
    handler = logging.Handler()
    logging.getLogger().addHandler(handler)
    lines: list[dict[str, Any]] = []
    handler.emit = lambda record: lines.append(  # type: ignore[method-assign]
        json.loads(JsonFormatter().format(record))
    )
    one = Kept()
    logger = logging.getLogger("taxi")
    try:
        with one.traces.span("deliver"):
            logger.warning("within")
        logger.warning("after")
    finally:
        logging.getLogger().removeHandler(handler)

    (span,) = one
    within, after = lines
    assert within["trace_id"] == trace_of(span)
    assert within["span_id"] == format_span_id(ids_of(span).span_id)
    assert "trace_id" not in after


class Failing(SpanExporter):
    """Takes spans, or not."""

    def __init__(self, *takes: bool) -> None:
        self._takes = list(takes)

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        return SpanExportResult.SUCCESS if self._takes.pop(0) else SpanExportResult.FAILURE


def test_lost_spans_are_told_once_and_counted(caplog: pytest.LogCaptureFixture, kept: Kept) -> None:
    caplog.set_level(logging.INFO)
    for _ in range(2):
        with kept.traces.span("deliver"):
            pass
    spans = list(kept)
    told = module._Told(Failing(False, False, True, True), "http://collector")
    for _ in range(4):
        told.export(spans)

    away, back = caplog.records
    assert away.getMessage() == "spans are not taken, and are lost until they are"
    assert (back.getMessage(), vars(back)["lost"]) == ("spans are taken again", 4)


class Hanging(SpanExporter):
    """Takes spans when it is let."""

    def __init__(self) -> None:
        self.goes_on = threading.Event()

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.goes_on.wait(60)
        return SpanExportResult.SUCCESS


def test_a_collector_that_hangs_holds_up_no_end(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_END_SECONDS", 0.05)
    exporter = Hanging()
    traces = Traces("http://nowhere", exporter)
    with traces.span("deliver"):
        pass
    traces.stop()  # it would wait for half a minute, and fail by the time-out of tests
    exporter.goes_on.set()

    assert [one.getMessage() for one in caplog.records] == ["the last spans are lost"]


def test_variables_that_cannot_be_used_stop_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "1")

    with pytest.raises(FieldError, match="OTEL_"):
        Traces("http://nowhere", InMemorySpanExporter())


class Served:
    """A traced application, asked as a server asks."""

    def __init__(self, kept: Kept) -> None:
        app = Flask("test")
        self.noted = ""

        @app.post("/v1/reports/<name>")
        def report(name: str) -> str:
            self.noted = noted(row_id=name)
            return name

        @app.get("/fails")
        def fails() -> str:
            raise ValueError

        app.testing = False
        app.logger.disabled = True
        self._app = TracedApplication(app, app, kept.traces)

    def ask(self, method: str, path: str, traceparent: str = "", tracestate: str = "") -> str:
        """Return the status."""
        found = []
        environ: dict[str, Any] = {
            "REQUEST_METHOD": method, "PATH_INFO": path, "SERVER_NAME": "x", "SERVER_PORT": "80",
            "wsgi.url_scheme": "http", "REMOTE_ADDR": "10.0.0.1",
        }  # fmt: skip
        if traceparent:
            environ["HTTP_TRACEPARENT"] = traceparent
        if tracestate:
            environ["HTTP_TRACESTATE"] = tracestate
        list(self._app(environ, lambda status, _headers, *_error: found.append(status)))
        return str(found[0])


def test_request_goes_on_with_its_callers_trace_and_is_named_by_its_route(kept: Kept) -> None:
    served = Served(kept)
    assert served.ask("POST", "/v1/reports/row-1", SAMPLED) == "200 OK"

    (span,) = kept
    assert (span.name, trace_of(span)) == ("POST /v1/reports/<name>", TRACE)
    assert dict(span.attributes or {}) == {
        "http.request.method": "POST", "http.route": "/v1/reports/<name>",
        "url.path": "/v1/reports/row-1", "url.scheme": "http", "client.address": "10.0.0.1",
        "http.response.status_code": 200, "taxi.row_id": "row-1",
    }  # fmt: skip
    assert served.noted.split("-")[1] == TRACE


def test_request_that_is_not_sampled_makes_no_span(kept: Kept) -> None:
    served = Served(kept)
    assert served.ask("POST", "/v1/reports/row-1", SAMPLED[:-1] + "0") == "200 OK"

    assert not list(kept)
    assert served.noted == ""


def test_what_a_client_sends_as_its_trace_fills_no_log(
    kept: Kept, caplog: pytest.LogCaptureFixture
) -> None:
    served = Served(kept)
    members = ",".join(f"k{number}=v" for number in range(33))
    for state in ("no member", "a=1,a=2", "A=1", "\xff=1", members, "a=" + "x" * 600):
        assert served.ask("POST", "/v1/reports/row-1", SAMPLED, state) == "200 OK"
    for parent in (SAMPLED + "-" + "x" * 600, "x" * 8000, SAMPLED[:-1], "x" * 55, "00-" * 18 + "0"):
        assert served.ask("POST", "/v1/reports/row-1", parent, "a=1") == "200 OK"

    assert not caplog.records
    spans = list(kept)
    assert [trace_of(one) == TRACE for one in spans] == [True] * 6 + [False] * 5


@pytest.mark.parametrize(
    ("method", "path", "name", "status"),
    [
        ("GET", "/of/no/route", "GET", 404), ("BREW", "/fails", "_OTHER", 405),
        ("GET", "/fails", "GET /fails", 500),
    ],
)  # fmt: skip
def test_names_are_few_and_failures_are_errors(
    kept: Kept, method: str, path: str, name: str, status: int
) -> None:
    Served(kept).ask(method, path)

    (span,) = kept
    assert span.attributes is not None
    assert (span.name, span.attributes["http.response.status_code"]) == (name, status)
    assert (span.status.status_code is StatusCode.ERROR) == (status == 500)
