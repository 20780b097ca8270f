"""Rows come back from records, and records of other schemas are read as far as they suit."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.schemas import ANYTHING, few_examples, rows, schemas

from taxi_schema.column import MAX_INTEGER, MIN_INTEGER
from taxi_schema.columns.arrays import columns_of
from taxi_schema.columns.features import derive_columns
from taxi_schema.features import derive
from taxi_schema.reading import schema_of
from taxi_schema.records import inputs_of, row_of

SCHEMA = schema_of(
    {
        "target": {"name": "y"},
        "event_time": {"name": "start", "timezone": "America/New_York"},
        "columns": [
            {"name": "km", "kind": "number", "maximum": 10},
            {"name": "zone", "kind": "category", "minimum": 1, "maximum": 265},
            {"name": "city", "kind": "category", "values": ["a", "b"]},
            {"name": "paid", "kind": "boolean"},
        ],
        "derived": {"pair": {"cross": ["zone", "paid"]}},
    }
)


@few_examples
@given(st.data())
def test_a_row_comes_back_from_the_json_of_its_record(data: Any) -> None:
    schema = data.draw(schemas())
    row = data.draw(rows(schema))
    moment = row.event_time and row.event_time.isoformat()

    inputs, time = json.loads(json.dumps([inputs_of(schema, row), moment]))
    back, problems = row_of(schema, inputs, time)

    assert problems == {}
    assert back == row._replace(id=None)
    assert [type(value) for value in back.values] == [type(value) for value in row.values]


@few_examples
@given(st.data())
def test_a_record_of_another_schema_is_read_as_far_as_it_suits(data: Any) -> None:
    schema, other = data.draw(schemas()), data.draw(schemas())
    inputs = inputs_of(other, data.draw(rows(other)))
    inputs |= data.draw(st.dictionaries(st.sampled_from(list(inputs)), ANYTHING, max_size=2))

    row, problems = row_of(schema, inputs, data.draw(ANYTHING))

    names = {column.name for column in schema.columns}
    assert problems.keys() <= names | {schema.event_time and schema.event_time.name}
    for column, value in zip(schema.columns, row.values, strict=True):
        given_value = inputs.get(column.name)
        assert (value is None) == (given_value is None or column.name in problems)
    features = derive(schema)(row)
    arrays = derive_columns(schema, *columns_of(schema, [row]))
    assert [repr(value) for value in features] == [
        repr(array.tolist()[0]) for array in arrays.values()
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("km", "3", "type"), ("km", True, "type"), ("km", float("inf"), "limits"),
        ("km", 10**400, "limits"), ("km", {}, "type"), ("zone", 1.5, "type"),
        ("zone", MIN_INTEGER - 1, "limits"), ("zone", MAX_INTEGER + 1, "limits"),
        ("city", 3, "type"), ("city", "", "text"), ("city", "x" * 65, "text"),
        ("city", "a\x1f", "text"), ("paid", 1, "type"), ("paid", "yes", "type"),
        ("start", "soon", "type"), ("start", 5, "type"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_missing_by_reason(column: str, value: object, reason: str) -> None:
    inputs: dict[str, object] = {"km": 1.0, "zone": 1, "city": "a", "paid": True}
    if column != "start":
        inputs[column] = value

    row, problems = row_of(SCHEMA, inputs, value if column == "start" else None)

    assert problems == {column: reason}
    assert row.event_time is None
    assert sum(value is None for value in row.values) == (column != "start")


def test_what_was_served_beyond_todays_limits_stays_but_in_no_cross() -> None:
    row, problems = row_of(SCHEMA, {"km": 99, "zone": 1000, "city": "new", "paid": True})

    assert problems == {}
    assert row.values == (99.0, 1000, "new", True)
    assert derive(SCHEMA)(row)[-1] == MIN_INTEGER - 1


@pytest.mark.parametrize(
    "time", [datetime(2021, 1, 31, 8, tzinfo=UTC), "2021-01-31T08:00:00+00:00", "2021-01-31T08:00"]
)
def test_the_log_has_local_times_whatever_offset_its_library_gives_them(time: object) -> None:
    row, _ = row_of(SCHEMA, {}, time)

    assert row.event_time == datetime(2021, 1, 31, 8)  # noqa: DTZ001 - local time


@pytest.mark.parametrize("inputs", [None, [], "text", 3])
def test_a_record_without_inputs_has_a_row_of_nothing(inputs: object) -> None:
    assert row_of(SCHEMA, inputs) == (((None,) * 4, None, None, None, ()), {})
