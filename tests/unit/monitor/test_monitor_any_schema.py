"""Whatever the schema: windows hold what columns hold, and records of others are taken too."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.artifacts import random_rows
from support.monitor_windows import NOW, watched
from support.references import reference_for
from support.schemas import documents, rows, schemas

from taxi_domain.documents import record_of
from taxi_domain.models import Alias
from taxi_domain.records import Label, PredictionRecord
from taxi_monitor.http import forms
from taxi_monitor.metrics.gauges import StateCollector
from taxi_monitor.windows.misfits import Misfits
from taxi_monitor.windows.reader import RowReader
from taxi_monitor.windows.state import State
from taxi_monitor.windows.versions import watched_version
from taxi_profiles.reference import MOMENT, PREDICTION, Reference
from taxi_profiles.verdict import evaluate
from taxi_schema.column import Kind
from taxi_schema.columns.arrays import columns_of, is_missing
from taxi_schema.reading import schema_of
from taxi_schema.records import inputs_of
from taxi_schema.rows import Row
from taxi_schema.schema import Schema

some_examples = settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)


def record_for(schema: Schema, row: Row, number: int) -> PredictionRecord:
    """Return a row's record as it comes out of the log."""
    record = PredictionRecord(
        f"r{number}", NOW + timedelta(seconds=number), row.event_time, "m", "v1", "champion",
        inputs_of(schema, row), float(number % 5),
    )  # fmt: skip
    return record_of(record.to_document())


def columns_for(
    schema: Schema, reference: Reference, served: Sequence[Row]
) -> Mapping[str, np.ndarray]:
    """Return what is evaluated, made of whole columns."""
    arrays, _ = columns_of(schema, served)
    columns: dict[str, Any] = {}
    for column in schema.columns:
        array = arrays[column.name]
        if column.name not in reference.columns:
            continue  # ignored
        if column.kind is Kind.NUMBER:
            columns[column.name] = array
        else:
            values = array.astype(object)
            values[is_missing(column, array)] = None
            columns[column.name] = reference.codes(column.name, values.tolist())
    zone = None if schema.event_time is None else schema.event_time.zone
    moments = []
    for number, row in enumerate(served):
        answered = NOW + timedelta(seconds=number)
        local = row.event_time or (answered.astimezone(zone) if zone else answered)
        first = datetime(1970, 1, 1)  # noqa: DTZ001 - local
        moments.append((local.replace(tzinfo=None) - first).total_seconds())
    predictions = np.array([float(number % 5) for number in range(len(served))])
    return {**columns, PREDICTION: predictions, MOMENT: np.array(moments)}


@some_examples
@given(st.data())
def test_windows_hold_what_columns_hold(data: st.DataObject) -> None:
    schema = data.draw(schemas())
    reference = reference_for(schema)
    served = [*random_rows(schema, 20, seed=2), *data.draw(st.lists(rows(schema), max_size=5))]
    version = watched(reference, 100, schema=schema)

    for number, row in enumerate(served):
        version.add(record_for(schema, row, number))

    columns = version.window.snapshot().columns
    expected = columns_for(schema, reference, served)
    for name, column in expected.items():
        np.testing.assert_array_equal(columns[name], column, name)
    found = evaluate(reference, {name: columns[name] for name in expected})
    assert found == evaluate(reference, expected)
    scored = {verdict.feature for verdict in found.features} | set(found.problems)
    assert scored == set(reference.columns) - {"target"}


@some_examples
@given(st.data())
def test_records_of_other_schemas_are_counted_with_mercy(data: st.DataObject) -> None:
    document = data.draw(documents())
    schema, other = schema_of(document), schema_of(data.draw(_changed(document)))
    reference = reference_for(schema)
    problems: list[tuple[str, str]] = []
    misfits = Misfits(lambda source, field: problems.append((source, field)))
    version = watched_version(
        Alias.CHAMPION, RowReader("v1", schema, reference, misfits), window_rows=50,
        error_window_rows=50,
    )  # fmt: skip
    state = State(50, 10)
    state.watch(Alias.CHAMPION, version)
    served = [*random_rows(other, 20, seed=3), *data.draw(st.lists(rows(other), max_size=5))]
    records = [record_for(other, row, number) for number, row in enumerate(served)]

    assert state.ingest(records).new == len(records)
    state.join([Label(record.row_id, 1.0, NOW) for record in records])
    state.evaluate(NOW.timestamp)

    assert version.window.snapshot().rows == len(records)
    same = {
        column.name
        for column in schema.columns
        for sent in other.columns
        if (column.name, column.kind, column.type) == (sent.name, sent.kind, sent.type)
    }
    assert {source for source, _ in problems} <= {"push"}
    assert not same & {field for _, field in problems}
    snapshot = version.window.snapshot()
    names = {column.name for column in other.columns}
    assert all(
        np.isnan(snapshot.columns[name]).all() for name in reference.columns[:-2]
        if name not in names
    )  # fmt: skip
    (form,) = forms.drift(state, "m")["versions"]
    assert form["window"]["rows"] == len(records)
    assert list(StateCollector(state, "m", {}, NOW.timestamp).collect())


@st.composite
def _changed(draw: Any, document: dict[str, Any]) -> dict[str, Any]:
    """Draw the schema of another version: a column less, one more, or of another type."""
    columns = [dict(column) for column in document["columns"]]
    match draw(st.sampled_from(["less", "more", "type"])):
        case "less":
            columns = columns[1:] or [{"name": "only", "kind": "number"}]
        case "more":
            columns.append({"name": "new", "kind": "category"})
        case _:
            kind = "number" if columns[0]["kind"] == "boolean" else "boolean"
            columns[0] = {"name": columns[0]["name"], "kind": kind}
    columns[0]["role"] = "input"
    kept: dict[str, Any] = {
        key: document[key] for key in ("id", "target", "event_time") if key in document
    }
    return {**kept, "columns": columns}


def test_a_value_that_does_not_fit_is_counted_once_and_named_once(caplog: Any) -> None:
    schema = schema_of({
        "target": {"name": "y"}, "columns": [{"name": "x", "kind": "number", "nullable": True}]
    })  # fmt: skip
    counted: list[tuple[str, str]] = []
    misfits = Misfits(lambda source, field: counted.append((source, field)))
    reader = RowReader("v1", schema, reference_for(schema), misfits)
    version = watched_version("champion", reader, window_rows=50, error_window_rows=50)
    state = State(50, 10)
    state.watch(Alias.CHAMPION, version)
    good = record_for(schema, Row((1.0,)), 0)
    bad = [good._replace(row_id=f"b{number}", inputs={"x": "far"}) for number in range(3)]

    state.ingest([good, *bad])
    state.put_right(bad)

    assert version.window.snapshot().rows == 4
    assert counted == [("push", "x")] * 3
    assert [record.field for record in caplog.records] == ["x"]


def test_a_column_without_values_has_no_score_and_its_share_is_exported() -> None:
    schema = schema_of({
        "target": {"name": "y"},
        "columns": [{"name": name, "kind": "number", "nullable": True} for name in ("x", "z")],
    })  # fmt: skip
    state = State(50, 10)
    state.watch(Alias.CHAMPION, watched(reference_for(schema), 50, schema=schema))
    state.ingest(record_for(schema, Row((1.0, None)), number) for number in range(20))
    state.evaluate(NOW.timestamp)

    collector = StateCollector(state, "m", {}, NOW.timestamp)
    shares = {
        sample.labels["feature"]: sample.value
        for family in collector.collect()
        for sample in family.samples
        if sample.name == "taxi_monitor_feature_missing_ratio"
    }
    (form,) = forms.drift(state, "m")["versions"]
    assert shares == {"x": 0.0, "z": 1.0, PREDICTION: 0.0}
    assert form["problems"] == {"z": "no row of the window has a value"}
