"""Spans of the delivery: in the trace of a request behind the records, and linked to others."""

from collections.abc import Sequence
from pathlib import Path

import bson
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import format_trace_id
from pymongo.errors import BulkWriteError

from taxi_domain.errors import NotAvailableError
from taxi_predict.delivery.traced_shipper import TracedShipper
from taxi_predict.metrics import Metrics
from taxi_predict.spool.reader import SpoolReader
from taxi_predict.spool.record import Entry, decode, encode
from taxi_predict.spool.writer import SpoolWriter
from taxi_runtime.traces import Traces, headers
from taxi_store.connection import StoreUnavailableError


class Taker:
    """A destination that fails some times."""

    def __init__(self, name: str, failures: int = 0) -> None:
        self.name = name
        self._failures = failures
        self.row_ids: list[str] = []
        self.sent: list[str] = []

    def write(self, records: Sequence[bytes]) -> None:
        if self._failures:
            self._failures -= 1
            raise NotAvailableError(f"{self.name} is away")
        self.row_ids += [bson.decode(one)["_id"] for one in records]
        self.sent.append(headers().get("traceparent", ""))


def trace(number: int) -> str:
    return f"{number:032x}"


def entry(number: int, traced: bool, zone: str | int = 1) -> Entry:
    parent = f"00-{trace(number)}-b7ad6b7169203331-01" if traced else ""
    return Entry(f"r{number}", 0, "m", "v", "champion", None, (zone,), 4.0, 0.1, trace=parent)


def delivered(
    folder: Path, entries: Sequence[Entry], log: Taker, listener: Taker | None
) -> list[ReadableSpan]:
    """Deliver entries; return the spans in the order of their ends."""
    spool = SpoolWriter(folder, 1 << 20)
    spool.columns.keep("v", ("zone",))
    spool.append([encode(one) for one in entries])
    spool.close()
    exporter = InMemorySpanExporter()
    traces = Traces("http://nowhere", exporter)
    shipper = TracedShipper(traces, SpoolReader(folder), log, listener, None, Metrics())
    while shipper.batch(100) or shipper.pause:
        pass
    traces.stop()
    return list(exporter.get_finished_spans())


def links(span: ReadableSpan) -> list[str]:
    return [format_trace_id(one.context.trace_id) for one in span.links]


def test_a_batch_goes_on_with_the_first_sampled_request(tmp_path: Path) -> None:
    log, listener = Taker("mongodb"), Taker("monitor")
    entries = [entry(1, False), entry(2, True), entry(3, True), entry(4, False)]
    logged, told = delivered(tmp_path, entries, log, listener)

    assert log.row_ids == listener.row_ids == ["r1", "r2", "r3", "r4"]
    assert (logged.name, told.name) == ("deliver to mongodb", "deliver to monitor")
    for span in (logged, told):
        assert span.context is not None
        assert format_trace_id(span.context.trace_id) == trace(2)
        assert links(span) == [trace(3)]
        assert (span.attributes or {})["taxi.rows"] == 4
    assert listener.sent[0].split("-")[1] == trace(2)


def test_records_of_no_sampled_request_make_no_span(tmp_path: Path) -> None:
    log = Taker("mongodb")

    assert not delivered(tmp_path, [entry(1, False)], log, None)
    assert (log.row_ids, log.sent) == (["r1"], [""])


def test_a_batch_that_comes_again_is_linked_once(tmp_path: Path) -> None:
    log, listener = Taker("mongodb", failures=2), Taker("monitor")
    *refused, logged, told = delivered(tmp_path, [entry(1, True), entry(2, True)], log, listener)

    assert [one.status.is_ok for one in [*refused, logged]] == [False, False, True]
    assert links(told) == [trace(2)]


class Refusing(Taker):
    """MongoDB's log when all writes are refused: pymongo's error has what it was to write."""

    def write(self, records: Sequence[bytes]) -> None:
        if self._failures:
            self._failures -= 1
            refused = [
                {"index": place, "code": 121, "errmsg": "never", "op": bson.decode(one)}
                for place, one in enumerate(records)
            ]
            cause = BulkWriteError({"writeErrors": refused})
            raise StoreUnavailableError(f"MongoDB refused: {cause}") from cause
        super().write(records)


def test_spans_of_a_failed_delivery_have_no_value_of_a_row(tmp_path: Path) -> None:
    log = Refusing("mongodb", failures=1)
    refused, logged = delivered(tmp_path, [entry(1, True, "SECRET")], log, None)

    assert (refused.status.is_ok, logged.status.is_ok) == (False, True)
    assert dict(refused.attributes or {}) == {
        "taxi.rows": 1, "error.type": "StoreUnavailableError"
    }  # fmt: skip
    assert "SECRET" not in refused.to_json()


def test_the_spool_of_another_release_can_be_read() -> None:
    without, with_trace = encode(entry(1, False)), encode(entry(1, True))

    assert len(without) < len(with_trace)
    assert decode(without).trace == ""
