"""Spans of a process, and their way to a collector; `taxi_runtime.tracing` imports this if wanted.

Whatever the collector does, only spans are lost: they wait in a bounded queue, a thread of its own
sends them, and the end of the process waits for it a moment.
"""

import logging
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from hashlib import sha256
from typing import Final

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.semconv.attributes import error_attributes
from opentelemetry.trace import Link, Span, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from taxi_domain.errors import FieldError
from taxi_domain.logs import present

logger = logging.getLogger(__name__)

#: Before the names of attributes that no convention of OpenTelemetry has.
PREFIX: Final = "taxi."
TRACEPARENT: Final = "traceparent"
#: Spans that are sent at once: encoding more would be felt by the requests behind it, under gevent.
_BATCH_SPANS: Final = 128
#: At the end, s; spans that are not sent by then are lost.
_END_SECONDS: Final = 2.0
_PATH: Final = "/v1/traces"
#: What the exporter says again and again is told once here.
_TALKATIVE: Final = "opentelemetry.exporter"
_BY_TEXT: Final = TraceContextTextMapPropagator()
_TRACE_ID: Final[ContextVar[int]] = ContextVar("taxi_trace_id", default=0)

Attribute = str | int | float | bool


class Traces:
    """Makes spans, and sends those that are sampled.

    Args:
        collector: Base address.
        exporter: Takes spans in its place, None for the collector's.

    Attributes:
        tracer: Of OpenTelemetry, for who makes spans by hand.

    Raises:
        FieldError: a variable of OpenTelemetry's cannot be used.
    """

    def __init__(self, collector: str, exporter: SpanExporter | None = None) -> None:
        logging.getLogger(_TALKATIVE).setLevel(logging.CRITICAL)
        # Without its own handler of the end, which waits for half a minute.
        self._provider = TracerProvider(shutdown_on_exit=False, id_generator=_Ids())
        try:
            exporter = exporter or OTLPSpanExporter(collector.rstrip("/") + _PATH)
            processor = BatchSpanProcessor(
                _Told(exporter, collector), max_export_batch_size=_BATCH_SPANS
            )
        except ValueError as error:
            raise FieldError(
                "OTEL_*", f"cannot be used ({error})", "mend the variables of OpenTelemetry"
            ) from error
        self._provider.add_span_processor(processor)
        self.tracer = self._provider.get_tracer("taxi-monitoring")
        ids = _TraceFields()
        for handler in logging.getLogger().handlers:
            handler.addFilter(ids)

    @contextmanager
    def span(
        self,
        name: str,
        *,
        kind: SpanKind = SpanKind.INTERNAL,
        trace_of: str = "",
        after: Sequence[str] = (),
        **attributes: Attribute,
    ) -> Iterator[Span]:
        """Make a span of what is within; the class of an error in it is the span's too.

        Its text is not: that of a refused write has the rows.

        Fields of log lines are attributes of it.

        Args:
            name: Of few values.
            kind: OpenTelemetry's.
            trace_of: Without a span around it, it is in the trace of this, whenever that began.
            after: `traceparent` of spans that led to this one: it is a child of the first, without
                a span around it, and has links to the others.
            attributes: Their names get the prefix.
        """
        contexts = [one for one in map(_context_of, after) if one.is_valid]
        parent = None
        if contexts and not trace.get_current_span().get_span_context().is_valid:
            parent = trace.set_span_in_context(trace.NonRecordingSpan(contexts.pop(0)))
        token = _TRACE_ID.set(_trace_id_of(trace_of))
        try:
            span = self.tracer.start_span(
                name, parent, kind, _named({**present(), **attributes}), list(map(Link, contexts))
            )
        finally:
            _TRACE_ID.reset(token)
        with trace.use_span(
            span, end_on_exit=True, record_exception=False, set_status_on_exception=False
        ):
            try:
                yield span
            except BaseException as error:
                failed(span, type(error).__name__)
                raise

    def stop(self) -> None:
        """Send what waits, for a moment: the process ends."""
        # The SDK waits as long as the collector lets it.
        ends = threading.Thread(target=self._provider.shutdown, name="traces", daemon=True)
        ends.start()
        ends.join(_END_SECONDS)
        if ends.is_alive():
            logger.warning("the last spans are lost", extra={"seconds": _END_SECONDS})


def noted(**attributes: Attribute) -> str:
    """Give the present span attributes; return its `traceparent`, empty where none is sampled."""
    span = trace.get_current_span()
    if not span.is_recording():
        return ""
    span.set_attributes(_named(attributes))
    return headers().get(TRACEPARENT, "")


def failed(span: Span, error: str) -> None:
    """Make a span one of a failure.

    Args:
        span: The span.
        error: Class of the error, or status of the answer: of few values, and without any of a row.
    """
    span.set_status(Status(StatusCode.ERROR))
    span.set_attribute(error_attributes.ERROR_TYPE, error)


def headers() -> dict[str, str]:
    """Return the headers that let the server of a request go on with the present trace."""
    carrier: dict[str, str] = {}
    _BY_TEXT.inject(carrier)
    return carrier


class _Told(SpanExporter):
    """Tells once when spans are not taken, and how many were lost when they are taken again."""

    def __init__(self, exporter: SpanExporter, collector: str) -> None:
        self._exporter = exporter
        self._collector = collector
        self._lost = 0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = self._exporter.export(spans)
        if result is SpanExportResult.SUCCESS:
            if self._lost:
                logger.info("spans are taken again", extra={"lost": self._lost})
            self._lost = 0
            return result
        if not self._lost:
            told = {"collector": self._collector}
            logger.warning("spans are not taken, and are lost until they are", extra=told)
        self._lost += len(spans)
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()


class _Ids(RandomIdGenerator):
    """Random ids, but for traces that several processes' lives have a part in."""

    def generate_trace_id(self) -> int:
        return _TRACE_ID.get() or super().generate_trace_id()


class _TraceFields(logging.Filter):
    """Gives each log record the ids of the span that it is within."""

    def filter(self, record: logging.LogRecord) -> bool:
        context = trace.get_current_span().get_span_context()
        if context.is_valid:
            record.trace_id = trace.format_trace_id(context.trace_id)
            record.span_id = trace.format_span_id(context.span_id)
        return True


def _trace_id_of(text: str) -> int:
    return int.from_bytes(sha256(text.encode()).digest()[:16]) if text else 0


def _context_of(text: str) -> trace.SpanContext:
    found = _BY_TEXT.extract({TRACEPARENT: text})
    return trace.get_current_span(found).get_span_context()


def _named(attributes: Mapping[str, Attribute]) -> dict[str, Attribute]:
    return {PREFIX + name: value for name, value in attributes.items()}
