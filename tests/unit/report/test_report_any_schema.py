"""Whatever the schema: rows of a report are what the schema reads, and the report is whole."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import jsonschema
import numpy as np
import pytest
from bson.datetime_ms import DatetimeMS
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.artifacts import random_rows
from support.references import reference_for
from support.schemas import rows, schemas

from taxi_domain.numbers import MAX_NUMBER
from taxi_profiles.reference import PREDICTION, Reference
from taxi_report.collect.columns import rows_of
from taxi_report.collect.reference import rows_of_reference
from taxi_report.document import Served, VersionFacts, document_of
from taxi_report.profile.layout import Layout, layout_of
from taxi_report.profile.version import merge, profile_of
from taxi_report.render.schema import report_schema
from taxi_report.rows import Rows
from taxi_report.spans import Span
from taxi_report.subject import Subject
from taxi_schema.column import FeatureType, Kind
from taxi_schema.columns.arrays import columns_of, is_missing
from taxi_schema.columns.rows import LabelledRows
from taxi_schema.columns.slices import slices_of
from taxi_schema.reading import schema_of
from taxi_schema.records import inputs_of, row_of
from taxi_schema.rows import Row
from taxi_schema.schema import Schema
from taxi_store.log.partitions import LabelValue

START = datetime(2021, 3, 1, tzinfo=UTC)
some_examples = settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)


def layout_for(schema: Schema, reference: Reference) -> Layout:
    span = (START.timestamp(), START.timestamp() + 86_400)
    return layout_of("v1", schema, reference, span=span, sample_rows=100)


def documents_of(schema: Schema, served: Sequence[Row]) -> list[dict[str, Any]]:
    """Return rows as documents of the log, a minute apart."""
    epoch = datetime(1970, 1, 1)  # noqa: DTZ001 - local
    milliseconds = timedelta(milliseconds=1)
    return [
        {
            "_id": f"r{number:04d}",
            "ts": DatetimeMS(START + timedelta(minutes=number)),
            "event_time": None
            if row.event_time is None
            else DatetimeMS((row.event_time - epoch) // milliseconds),
            "model_version": "v1", "model_role": "champion", "inputs": inputs_of(schema, row),
            "prediction": float(number % 5), "latency_seconds": 0.01,
        }
        for number, row in enumerate(served)
    ]  # fmt: skip


def value_of(layout: Layout, rows: Rows, name: str, place: int) -> object:
    """Return a value of a row as a schema has it."""
    column = next(column for column, _ in layout.inputs if column.name == name)
    code = rows.columns[name][place]
    if np.isnan(code):
        return None
    if column.type is FeatureType.STRING:
        return rows.texts.get(name, {}).get(code) or layout.column(name).category(code)
    if column.kind is Kind.BOOLEAN:
        return bool(code)
    return code


@some_examples
@given(st.data())
def test_rows_are_what_the_schema_reads(data: st.DataObject) -> None:
    schema, other = data.draw(schemas()), data.draw(schemas())
    layout = layout_for(schema, reference_for(schema))
    documents = documents_of(schema, data.draw(st.lists(rows(schema), min_size=1, max_size=5)))
    documents += documents_of(other, data.draw(st.lists(rows(other), max_size=3)))
    documents = [{**found, "_id": f"r{place:04d}"} for place, found in enumerate(documents)]
    documents.sort(key=lambda found: (int(found["ts"]), found["_id"]))

    found = rows_of(documents, layout, {})

    for place, document in enumerate(documents):
        row, _ = row_of(schema, document["inputs"])
        for column, value in zip(schema.columns, row.values, strict=True):
            if column.drift == "ignored":
                continue
            beyond = isinstance(value, int | float) and abs(value) > MAX_NUMBER
            expected = None if beyond else value
            assert value_of(layout, found, column.name, place) == (
                float(expected) if type(expected) is int else expected
            )


@some_examples
@given(st.data())
def test_slices_are_those_of_the_schema(data: st.DataObject) -> None:
    schema = data.draw(schemas())
    layout = layout_for(schema, reference_for(schema))
    served = [*random_rows(schema, 20, seed=5), *data.draw(st.lists(rows(schema), max_size=5))]
    columns, times = columns_of(schema, served)
    # Reports take numbers beyond for missing, and codes are floats, which hold no larger integer.
    columns = {
        name: np.where(np.abs(array) > MAX_NUMBER, np.nan, array) if array.dtype == float else array
        for name, array in columns.items()
    }
    small = all(
        (np.abs(columns[column.name][~is_missing(column, columns[column.name])]) < 2**53).all()
        for column in schema.columns
        if column.type is FeatureType.INTEGER
    )

    found = rows_of(documents_of(schema, served), layout, {})

    expected = slices_of(schema, columns, times)
    cells = layout.slices(found)
    masks = {
        layout.label(place, cell): cells[place] == cell
        for place, size in enumerate(layout.slice_sizes())
        for cell in range(size)
        if place >= layout.plain and layout.is_slice(place, cell)
    }
    assert list(masks) == list(expected)
    for name, mask in masks.items():
        if small:
            np.testing.assert_array_equal(mask, expected[name], name)


@settings(some_examples, max_examples=15)
@given(st.data())
def test_a_report_of_any_schema_is_whole(data: st.DataObject) -> None:
    schema = data.draw(schemas())
    document = report_of(schema, random_rows(schema, 30, seed=7))

    jsonschema.validate(json.loads(json.dumps(document, allow_nan=False)), report_schema())
    (version,) = document["versions"]
    assert version["rows"] == 30
    assert (version["schema"]["target"], version["schema"]["digest"]) == (
        schema.target.name, schema.digest,
    )  # fmt: skip
    assert (version["without_event_time_ratio"] is None) == (schema.event_time is None)


def report_of(schema: Schema, served: Sequence[Row]) -> dict[str, Any]:
    reference = reference_for(schema)
    layout = layout_for(schema, reference)
    sampled = random_rows(schema, 60)
    columns, times = columns_of(schema, sampled)
    target = np.array([number % 7 + 1.0 for number in range(60)], np.float64)
    predicted = np.add(target, 0.5)
    known = rows_of_reference(
        LabelledRows(columns, times, target, predicted, np.full(60, np.nan)), layout
    )
    documents = documents_of(schema, served)
    labels = {
        document["_id"]: LabelValue(3.0, int(document["ts"]) + 60_000) for document in documents
    }
    half = len(documents) // 2
    parts = [
        profile_of(rows_of(part, layout, labels), layout)
        for part in (documents[:half], documents[half:])
    ]
    current = merge(parts[0], parts[1], layout)
    facts = VersionFacts(layout, reference, profile_of(known, layout), current, None)
    served_rows = Served(len(served), 0, None, None, {}, {})
    span = Span(START, START + timedelta(days=1), ZoneInfo("UTC"))
    return document_of(Subject("m", span, None), served_rows, [facts], [])


def test_texts_that_the_reference_never_had_keep_their_names() -> None:
    schema = schema_of({
        "target": {"name": "delay", "maximum": 100},
        "columns": [{"name": "carrier", "kind": "category"}, {"name": "late", "kind": "boolean"}],
        "slices": [{"name": "carrier", "column": "carrier", "groups": {"new": ["ZZ"]}}],
    })  # fmt: skip
    served = [Row(("ZZ" if number < 7 else "YY", True)) for number in range(10)]

    (version,) = report_of(schema, served)["versions"]

    carrier, late = version["columns"][:2]
    assert carrier["quality"]["unseen"] == [["ZZ", 7], ["YY", 3]]
    assert carrier["current"]["labels"][-2:] == ["other", "unseen"]
    assert set(carrier["reference"]["labels"][:-2]) == set("ABCDEFGH")
    assert late["current"]["labels"][:2] in (["false", "true"], ["true", "false"])
    shown = {(part["name"], part["value"]): part["rows"] for part in version["slices"]}
    assert shown["carrier (slice)", "carrier=new"] == 7
    assert not any(name.startswith("event ") for name, _ in shown)
    assert version["target_limits"] == [None, 100]
    assert version["columns"][2]["name"] == PREDICTION


@pytest.mark.parametrize("word", ["other", "unseen", "missing"])
def test_a_category_may_have_the_name_of_a_word(word: str) -> None:
    schema = schema_of({
        "target": {"name": "y"},
        "columns": [{"name": "x", "kind": "category", "nullable": True, "values": ["a", word]}],
    })  # fmt: skip
    served = [Row(((word, "a", None)[number % 3],)) for number in range(30)]

    (version,) = report_of(schema, served)["versions"]

    labels = version["columns"][0]["current"]["labels"]
    values = [part["value"] for part in version["slices"] if part["name"] == "x"]
    assert len(set(labels)) == len(labels)
    assert len(set(values)) == len(values) == 3
