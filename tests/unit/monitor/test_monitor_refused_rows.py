"""Rows that are refused: metrics name fields of the schema, and not those of clients."""

import json
from types import SimpleNamespace
from typing import Any, cast

import pytest
from prometheus_client import CollectorRegistry
from support.taxi_columns import DISTANCE, DROPOFF, EVENT_TIME, PICKUP, SCHEMA

from taxi_domain.metrics import MONITOR_UNREADABLE
from taxi_monitor.http import row_routes
from taxi_monitor.http.routes import Parts
from taxi_monitor.metrics.counters import Counters
from taxi_runtime.refused_lines import RefusedLines

GOOD = {
    "ride_id": "r", PICKUP: 74, DROPOFF: 75, DISTANCE: 2.5, EVENT_TIME: "2021-03-01T10:00:00",
}  # fmt: skip


def test_fields_of_clients_are_one_series(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(row_routes, "insert_rows", lambda *_: frozenset())
    registry = CollectorRegistry()
    parts = SimpleNamespace(
        clock=lambda: 0.0, model="m", database=None, counters=Counters(registry),
        state=SimpleNamespace(schema_of=lambda _: SCHEMA, problem=""), refusals=RefusedLines(),
    )  # fmt: skip
    rows = [
        *({**GOOD, f"client-{number}": [number]} for number in range(50)),
        {**GOOD, DISTANCE: "far"}, {**GOOD, "ride_id": "a b"}, {**GOOD, EVENT_TIME: "noon"},
    ]  # fmt: skip

    told = row_routes._take(cast("Parts", parts), json.dumps({"rows": rows}).encode(), "")

    refused: list[dict[str, Any]] = cast("Any", told["refused"])
    # The answer still names them.
    assert [one["field"] for one in refused[:2]] == ["client-0", "client-1"]
    counted = {
        sample.labels["field"]: sample.value
        for metric in registry.collect()
        for sample in metric.samples
        if sample.name == MONITOR_UNREADABLE.name
    }
    assert counted == {"other": 50, DISTANCE: 1, "ride_id": 1, EVENT_TIME: 1}
    lines = {vars(one)["field"]: vars(one)["row_id"] for one in caplog.records}
    assert lines == {"other": "r", DISTANCE: "r", "ride_id": "a b", EVENT_TIME: "r"}
