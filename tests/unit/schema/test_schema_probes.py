"""Graphs are asked at the limits of the schema, and take what the schema has."""

import math
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.schemas import few_examples, schemas

from taxi_schema.column import FeatureType
from taxi_schema.probes import MAX_PROBES, not_finite, ordinary, probes
from taxi_schema.reading import read_schema, schema_of
from taxi_schema.signature import Tensor, output_of, packed_input, signature_problem

MODELS = Path(__file__).parents[3] / "models"
TAXI = read_schema(MODELS / "taxi_duration" / "schema.toml")
FLIGHT = read_schema(MODELS / "flight_delay" / "schema.toml")
FLOATS = {"duration": Tensor("tensor(float)", (None, 1))}


def test_every_combination_of_ends_of_a_ride_is_probed() -> None:
    asked = {repr((*row[:3], *row[4:])) for row in probes(TAXI)}
    times = [(math.nan, math.nan), *product((0.0, 23.0), (0.0, 6.0))]

    for pickup, dropoff, miles, time in product((1, 265), (1, 265), (0.0, 100.0), times):
        assert repr((pickup, dropoff, miles, *time)) in asked


def test_missing_values_and_closed_categories_are_probed() -> None:
    columns = list(zip(*probes(FLIGHT), strict=True))
    names = [feature.name for feature in FLIGHT.features]

    assert any(math.isnan(value) for value in columns[names.index("dep_delay")])
    assert {-120.0, 1440.0} <= set(columns[names.index("dep_delay")])
    assert {"EWR", "LGA"} <= set(columns[names.index("origin")])
    assert {0.0, 23.0} <= set(columns[names.index("hour")])
    assert any(math.isnan(value) for value in columns[names.index("weekday")])


@few_examples
@given(schemas())
def test_probes_are_few_and_have_the_types_of_the_features(schema: Any) -> None:
    rows = probes(schema)
    types = {FeatureType.FLOAT: float, FeatureType.INTEGER: int, FeatureType.STRING: str}

    assert 1 <= len(rows) <= max(MAX_PROBES, 3 * len(schema.columns) + 6)
    for row in [*rows, ordinary(schema)]:
        assert [type(value) for value in row] == [types[kind] for _, kind in schema.features]
    assert not not_finite(schema, rows, lambda asked: [1.0] * len(asked))


@few_examples
@given(st.data())
def test_each_end_of_a_limited_number_is_probed(data: Any) -> None:
    schema = data.draw(schemas())
    rows = probes(schema)

    for index, column in enumerate(schema.inputs):
        seen = {row[index] for row in rows}
        if column.type is FeatureType.FLOAT:
            assert {
                limit for limit in (column.minimum, column.maximum) if limit is not None
            } <= seen


def test_each_end_is_probed_however_many_columns_there_are() -> None:
    numbers = [
        {"name": f"c{index}", "kind": "number", "minimum": 0, "maximum": 9} for index in range(40)
    ]
    schema = schema_of(
        {
            "target": {"name": "y"},
            "event_time": {"name": "start"},
            "columns": numbers,
            "derived": {"hour": {"hour_of": "event_time"}},
        }
    )

    columns = list(zip(*probes(schema), strict=True))

    assert all({0.0, 9.0} <= set(column) for column in columns[:40])
    assert {0.0, 23.0} <= set(columns[-1])
    assert any(math.isnan(hour) for hour in columns[-1])


def test_an_answer_that_is_not_finite_names_the_row() -> None:
    rows = [row for row in probes(TAXI) if row[2] == 0.0 and math.isnan(float(row[4]))]

    text = not_finite(TAXI, rows[:1], lambda asked: [math.inf])

    assert text == (
        "gives inf for PULocationID 1, DOLocationID 1, trip_distance 0, hour missing, "
        "weekday missing"
    )
    several = not_finite(TAXI, rows, lambda asked: [math.nan] * len(asked))
    assert several.endswith(f"(and {len(rows) - 1} more of {len(rows)} probed)")


COLUMN = (None, 1)
NAMED = {
    "PULocationID": Tensor("tensor(int64)", COLUMN), "PU_DO": Tensor("tensor(int64)", (None,)),
    "trip_distance": Tensor("tensor(float)", ("rows", 1)), "hour": Tensor("tensor(float)", COLUMN),
}  # fmt: skip


def test_a_graph_takes_some_features_by_name() -> None:
    assert signature_problem(TAXI, NAMED, FLOATS) == ""
    assert packed_input(TAXI, NAMED) == ""


def test_a_graph_takes_all_features_as_one_tensor() -> None:
    inputs = {"X": Tensor("tensor(float)", (None, 6))}
    outputs = {"variable": Tensor("tensor(double)", (None, 1)), "other": Tensor("tensor(int64)")}

    assert signature_problem(TAXI, inputs, outputs) == ""
    assert packed_input(TAXI, inputs) == "X"
    assert output_of(TAXI, outputs) == "variable"
    assert output_of(TAXI, {**outputs, **FLOATS}) == "duration"


@pytest.mark.parametrize(
    ("inputs", "outputs", "fragment"),
    [
        ({}, FLOATS, "takes {}; it must take some of {'PULocationID': 'tensor(int64)'"),
        ({"hour": Tensor("tensor(string)", COLUMN)}, FLOATS, "takes {'hour': 'tensor(string)'}"),
        ({"minute": Tensor("tensor(float)", COLUMN)}, FLOATS, "of shape (None, 1); it must be"),
        ({**NAMED, "X": Tensor("tensor(float)", COLUMN)}, FLOATS, "it must take some of"),
        ({"hour": Tensor("tensor(float)", (None, 2))}, FLOATS, "shape (None, 2)"),
        ({"X": Tensor("tensor(float)", (None, 5))}, FLOATS, "(n, 6) with the features ['PULoc"),
        ({"X": Tensor("tensor(double)", (None, 6))}, FLOATS, "one tensor(float) of shape (n, 6)"),
        (NAMED, {}, "gives {}; it must give duration as tensor(float)"),
        (NAMED, {"duration": Tensor("tensor(int64)")}, "gives {'duration': 'tensor(int64)'}"),
        (NAMED, {"duration": Tensor("tensor(int64)"), "x": Tensor("tensor(float)")}, "gives"),
    ],
)
def test_another_signature_is_refused(
    inputs: dict[str, Tensor], outputs: dict[str, Tensor], fragment: str
) -> None:
    assert fragment in signature_problem(TAXI, inputs, outputs)


@pytest.mark.parametrize(
    ("column", "fragment"),
    [
        ({"kind": "category"}, "cannot hold c (strings); take c by name as tensor(string)"),
        ({"kind": "category", "type": "integer"}, "cannot hold c (more than 16777216)"),
        ({"kind": "category", "values": [1, 2**24 + 1]}, "cannot hold c (more than 16777216)"),
        ({"kind": "category", "minimum": -3, "maximum": 2**24}, ""),
        ({"kind": "boolean"}, ""),
    ],
)
def test_one_float_tensor_holds_small_integers_only(column: dict[str, Any], fragment: str) -> None:
    schema = schema_of({"target": {"name": "duration"}, "columns": [{"name": "c", **column}]})

    problem = signature_problem(schema, {"X": Tensor("tensor(float)", (None, 1))}, FLOATS)

    assert fragment in problem
    assert bool(fragment) == bool(problem)


@pytest.mark.parametrize(("largest", "fits"), [(999, True), (9999, False)])
def test_one_float_tensor_holds_small_crosses_only(largest: int, fits: bool) -> None:
    zone = {"kind": "category", "minimum": 0, "maximum": largest}
    schema = schema_of(
        {
            "target": {"name": "duration"},
            "columns": [{"name": "a", **zone}, {"name": "b", **zone}],
            "derived": {"ab": {"cross": ["a", "b"]}},
        }
    )

    problem = signature_problem(schema, {"X": Tensor("tensor(float)", (None, 3))}, FLOATS)

    assert ("cannot hold ab" in problem) == (not fits)
