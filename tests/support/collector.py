"""A collector of traces: a real receiver of OTLP over HTTP, which may hang."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

_ATTEMPT_SECONDS = 60


@dataclass(frozen=True)
class Span:
    """What a test asks of a span."""

    service: str
    name: str
    kind: str
    trace: str
    id: str
    parent: str
    links: tuple[str, ...]
    attributes: dict[str, Any]
    resource: dict[str, Any]


class Collector:
    """Keeps the spans that it is sent.

    Attributes:
        spans: In the order in which they came.
        headers: Of the requests.
        asked: Set when the first request has come.
        goes_on: While it is not set, requests get no answer.
    """

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.headers: list[dict[str, str]] = []
        self.asked = threading.Event()
        self.goes_on = threading.Event()
        self.goes_on.set()
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                collector.asked.set()
                if collector.goes_on.wait(_ATTEMPT_SECONDS):
                    collector.headers.append(dict(self.headers))
                    collector.spans += _spans_of(self.path, body)
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        """End it, and let go whoever waits."""
        self.goes_on.set()
        self._server.shutdown()
        self._server.server_close()

    def named(self, *names: str) -> list[Span]:
        """Return the spans that have one of these names."""
        return [one for one in list(self.spans) if one.name in names]


@contextmanager
def collecting() -> Iterator[Collector]:
    """Run a collector."""
    one = Collector()
    try:
        yield one
    finally:
        one.close()


def _spans_of(path: str, body: bytes) -> Iterator[Span]:
    assert path == "/v1/traces", path
    for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
        about = _plain(resource.resource.attributes)
        for scope in resource.scope_spans:
            for one in scope.spans:
                kind = one.SpanKind.Name(one.kind).removeprefix("SPAN_KIND_")
                links = tuple(link.trace_id.hex() for link in one.links)
                yield Span(
                    str(about["service.name"]), one.name, kind, one.trace_id.hex(),
                    one.span_id.hex(), one.parent_span_id.hex(), links,
                    _plain(one.attributes), about,
                )  # fmt: skip


def _plain(attributes: Any) -> dict[str, Any]:
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in attributes}
