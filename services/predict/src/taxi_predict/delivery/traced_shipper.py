"""A shipper that makes spans of what it delivers; used where traces are made.

Records wait in the spool, so a batch has answers to many requests. Its spans are in the trace of
the first request that is sampled, and have links to the others; a batch without one has none.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

from opentelemetry.trace import SpanKind

from taxi_predict.delivery.shipper import NamedEntry, Shipper, Sink
from taxi_runtime.traces import Traces

#: The SDK keeps as many links of a span.
_MAX_REQUESTS: Final = 128


class TracedShipper(Shipper):
    """Moves records on as the base does.

    Args:
        traces: Makes the spans.
        spool: As of the base, with all that follows.
        log: Likewise.
        listener: Likewise.
        rest: Likewise.
        more: Likewise.
    """

    def __init__(
        self, traces: Traces, spool: Any, log: Sink, listener: Sink | None, *rest: Any, **more: Any
    ) -> None:
        #: `traceparent` of the requests whose records the listener is not told yet.
        self._untold: list[str] = []
        #: And of those whose records are written now.
        self._requests: list[str] = []
        logged = _TracedSink(log, traces, lambda: self._requests, self._written)
        told = None if listener is None else _TracedSink(listener, traces, lambda: self._untold)
        super().__init__(spool, logged, told, *rest, **more)

    def _encoded(self, entries: Sequence[NamedEntry]) -> list[bytes]:
        self._requests = [entry.trace for entry, _ in entries if entry.trace][:_MAX_REQUESTS]
        return super()._encoded(entries)

    def _written(self) -> None:
        self._untold = (self._untold + self._requests)[:_MAX_REQUESTS]

    def _notify_listener(self) -> None:
        super()._notify_listener()
        self._untold = []


class _TracedSink:
    """Writes within a span, where a request that led to the records is sampled.

    Args:
        sink: Takes the records.
        traces: Makes the spans.
        requests: Returns the `traceparent` of the requests.
        written: Called when the records of such requests are written.
    """

    def __init__(
        self,
        sink: Sink,
        traces: Traces,
        requests: Callable[[], list[str]],
        written: Callable[[], None] = lambda: None,
    ) -> None:
        self.name = sink.name
        self._sink = sink
        self._traces = traces
        self._requests = requests
        self._written = written

    def write(self, records: Sequence[bytes]) -> None:
        """Write all, as the sink does."""
        requests = self._requests()
        if not requests:
            self._sink.write(records)
            return
        with self._traces.span(
            f"deliver to {self.name}", kind=SpanKind.CLIENT, after=requests, rows=len(records)
        ):
            self._sink.write(records)
        self._written()
