"""A server span for each request: of our own, and not opentelemetry-instrumentation-wsgi's.

That one costs a request that is not sampled several times as much, names spans by paths, of which
there is no end, and counts by the metrics of another convention (ADR 50 has the figures).
"""

from collections.abc import Callable, Iterable
from typing import Any, Final

from flask import Flask
from opentelemetry import context, trace
from opentelemetry.propagators.textmap import Getter
from opentelemetry.semconv.attributes import (
    client_attributes,
    http_attributes,
    url_attributes,
    user_agent_attributes,
)
from opentelemetry.trace import Span, SpanKind
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from werkzeug.exceptions import HTTPException

from taxi_runtime.bodies import Environ
from taxi_runtime.traces import TRACEPARENT, Traces, failed

Application = Callable[[Environ, Any], Iterable[bytes]]

#: Methods that are named; of others there is no end.
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_OTHER: Final = "_OTHER"
_FAILED: Final = 500
_HEADER: Final = "HTTP_TRACEPARENT"
#: Of version 00, the only one that there is.
_HEADER_LENGTH: Final = 55
_BY_TEXT: Final = TraceContextTextMapPropagator()


class TracedApplication:
    """WSGI application with a span for each request; it ends with the call, not with the body.

    Args:
        app: Gives the answers.
        routes: Whose routes name the spans.
        traces: Makes them.
    """

    def __init__(self, app: Application, routes: Flask, traces: Traces) -> None:
        self._app = app
        self._routes = routes.url_map.bind("")
        self._tracer = traces.tracer

    def __call__(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
        """Answer a request, within the trace of who asks."""
        parent = _BY_TEXT.extract(environ, getter=_HEADERS)
        given = environ["REQUEST_METHOD"]
        method = given if given in _METHODS else _OTHER
        span = self._tracer.start_span(
            method, parent, SpanKind.SERVER, {http_attributes.HTTP_REQUEST_METHOD: method}
        )
        if span.is_recording():
            self._describe(span, method, environ)
            start_response = _noting(span, start_response)
        token = context.attach(trace.set_span_in_context(span, parent))
        try:
            return self._app(environ, start_response)
        except BaseException as error:
            failed(span, type(error).__name__)
            raise
        finally:
            context.detach(token)
            span.end()

    def _describe(self, span: Span, method: str, environ: Environ) -> None:
        path = environ["PATH_INFO"]
        told = {
            url_attributes.URL_SCHEME: environ.get("wsgi.url_scheme", "http"),
            url_attributes.URL_PATH: path,
            client_attributes.CLIENT_ADDRESS: environ.get("REMOTE_ADDR", ""),
            user_agent_attributes.USER_AGENT_ORIGINAL: environ.get("HTTP_USER_AGENT", ""),
        }
        span.set_attributes({name: value for name, value in told.items() if value})
        route = self._route(path, method)
        if route:
            span.set_attribute(http_attributes.HTTP_ROUTE, route)
            span.update_name(f"{method} {route}")

    def _route(self, path: str, method: str) -> str:
        try:
            rule, _ = self._routes.match(path, method, return_rule=True)
        except HTTPException:
            return ""
        return rule.rule


class _Headers(Getter[Environ]):
    """Reads `traceparent` where WSGI has it, if it is as long as one.

    Of longer ones, and of a `tracestate` that it cannot read, OpenTelemetry logs a line each, with
    the client's text; nothing here uses a state.
    """

    def get(self, carrier: Environ, key: str) -> list[str] | None:
        value = carrier.get(_HEADER) if key == TRACEPARENT else None
        return [value] if value is not None and len(value) == _HEADER_LENGTH else None

    def keys(self, carrier: Environ) -> list[str]:
        return [TRACEPARENT] if _HEADER in carrier else []


_HEADERS: Final = _Headers()


def _noting(span: Span, start_response: Any) -> Any:
    def start(status: str, headers: list[tuple[str, str]], *error: Any) -> Any:
        code = int(status[:3])
        span.set_attribute(http_attributes.HTTP_RESPONSE_STATUS_CODE, code)
        if code >= _FAILED:
            failed(span, str(code))
        return start_response(status, headers, *error)

    return start
