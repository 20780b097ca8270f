"""Columns give what single rows give: features, refusals and slices."""

from datetime import datetime
from itertools import pairwise
from math import nan
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.schemas import SCALARS, few_examples, rows, schemas, values_of

from taxi_domain.errors import FieldError
from taxi_schema.column import MISSING_INTEGER, Column, FeatureType, Kind
from taxi_schema.columns.arrays import columns_of
from taxi_schema.columns.features import derive_columns
from taxi_schema.columns.limits import Refused, accepted, evaluated, refusals
from taxi_schema.columns.slices import slices_of
from taxi_schema.features import derive
from taxi_schema.fitting import Reason
from taxi_schema.reading import read_schema, schema_of
from taxi_schema.requests import RequestParser
from taxi_schema.rows import Row
from taxi_schema.slices import Bands
from taxi_schema.target import Target

MODELS = Path(__file__).parents[3] / "models"
TAXI = read_schema(MODELS / "taxi_duration" / "schema.toml")
FLIGHT = read_schema(MODELS / "flight_delay" / "schema.toml")


@few_examples
@given(st.data())
def test_columns_have_the_features_of_their_rows(data: Any) -> None:
    schema = data.draw(schemas())
    drawn = data.draw(st.lists(rows(schema), max_size=4))

    arrays = derive_columns(schema, *columns_of(schema, drawn))

    assert list(arrays) == [feature.name for feature in schema.features]
    dtypes = {FeatureType.FLOAT: "float64", FeatureType.INTEGER: "int64", FeatureType.STRING: "O"}
    assert [array.dtype for array in arrays.values()] == [
        np.dtype(dtypes[feature.type]) for feature in schema.features
    ]  # fmt: skip
    one_by_one = [derive(schema)(row) for row in drawn]
    together = list(zip(*(array.tolist() for array in arrays.values()), strict=True))
    assert [list(map(repr, row)) for row in together] == [
        list(map(repr, row)) for row in one_by_one
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("time", "hour", "weekday"),
    [(None, nan, nan), ("2021-01-31T08:15:00", 8.0, 6.0), ("1969-12-31T23:59:59", 23.0, 2.0)],
)
def test_features_of_a_ride(time: str | None, hour: float, weekday: float) -> None:
    moment = datetime.fromisoformat(time) if time else None
    row = RequestParser(TAXI).parse(
        {"PULocationID": 130, "DOLocationID": 205, "trip_distance": 3.66}
    )

    features = derive(TAXI)(row._replace(event_time=moment))

    assert repr(features) == repr((130, 205, 3.66, 130205, hour, weekday))


@pytest.mark.parametrize(
    ("first", "second", "values", "code"),
    [
        ({"minimum": 0, "maximum": 9}, {"minimum": 1, "maximum": 265}, (7, 12), 7012),
        ({"kind": "boolean"}, {"values": [40, 5]}, (True, 5), 105),
        ({"minimum": 0, "maximum": 10**12}, {"minimum": 0, "maximum": 99999}, (3, 4), 300004),
        ({"minimum": 0, "maximum": 10**12}, {"minimum": 0, "maximum": 999999}, (3, 4), "3\x1f4"),
        ({"minimum": -1, "maximum": 9}, {"kind": "boolean"}, (-1, True), "-1\x1f1"),
        ({"minimum": 0}, {"values": [1]}, (3, 1), "3\x1f1"),
        ({"values": [-1, 1]}, {"values": [1]}, (1, 1), "1\x1f1"),
        ({}, {"kind": "boolean"}, ("a", False), "a\x1f0"),
        ({"minimum": 0, "maximum": 9}, {"kind": "boolean"}, (None, True), MISSING_INTEGER),
        ({}, {"kind": "boolean"}, ("a", None), ""),
    ],
)
def test_a_cross_is_digits_where_they_fit_and_else_a_text(
    first: dict[str, Any], second: dict[str, Any], values: tuple[Any, ...], code: int | str
) -> None:
    schema = schema_of(
        {
            "target": {"name": "y"},
            "columns": [
                {"name": "a", "kind": "category", **first},
                {"name": "b", "kind": "category", **second},
            ],
            "derived": {"ab": {"cross": ["a", "b"]}},
        }
    )
    row = Row(values)

    assert derive(schema)(row)[-1] == code
    assert derive_columns(schema, *columns_of(schema, [row]))["ab"].tolist() == [code]


def _any_value(column: Column) -> st.SearchStrategy[Any]:
    # NaN is missing in a column, and no JSON; so is an empty text.
    wild = SCALARS.filter(lambda value: value == value and value != "")  # noqa: PLR0124
    return st.none() | values_of(column) | wild


@few_examples
@given(st.data())
def test_columns_are_accepted_as_requests_are(data: Any) -> None:
    schema = data.draw(schemas())
    parser = RequestParser(schema)
    count = data.draw(st.integers(1, 4))
    columns = {}
    for column in schema.columns:
        columns[column.name] = np.empty(count, object)
        columns[column.name][:] = [data.draw(_any_value(column)) for _ in range(count)]

    refused = refusals(schema, columns)
    mask = accepted(schema, columns)

    for column in schema.columns:
        reasons = [rows for key, rows in refused.items() if key.column == column.name]
        assert np.sum(reasons, axis=0).max(initial=0) <= 1
    for index in range(count):
        body = {name: array[index] for name, array in columns.items()}
        field = _refused_field(parser, body)
        assert mask[index] == (field is None)
        if field is not None:
            assert field in {key.column for key, rows in refused.items() if rows[index]}


def _refused_field(parser: RequestParser, body: dict[str, Any]) -> str | None:
    try:
        parser.parse(body)
    except FieldError as error:
        return error.field
    return None


@pytest.mark.parametrize(
    ("column", "array", "reasons"),
    [
        ("km", np.array([1, 2, 11]), [None, None, "limits"]),
        ("km", np.array([np.nan, np.inf, 3.5], np.float32), ["missing", "limits", None]),
        ("km", np.array([True, False, True]), ["type"] * 3),
        ("km", np.array(["1", None, 2], object), ["type", "missing", None]),
        ("zone", np.array([1.0, 1.5, np.nan]), [None, "type", "missing"]),
        ("zone", np.array([1e300, 0.0, np.inf]), ["limits", "limits", "type"]),
        ("zone", np.array([2.0**63, -(2.0**63), 1.0]), ["limits", "limits", None]),
        ("zone", np.array([265, 266, MISSING_INTEGER]), [None, "limits", "missing"]),
        ("zone", np.array([1, 2**63, 3], np.uint64), [None, "limits", None]),
        ("zone", np.array([1, 2, 300], np.int16), [None, None, "limits"]),
        ("city", np.array(["a", "c", ""]), [None, "unknown", "missing"]),
        ("city", np.array([1, 2, 3]), ["type"] * 3),
        ("city", np.array(["a\x1f", np.nan, "b"], object), ["text", "missing", None]),
        ("paid", np.array([True, False, True]), [None, None, None]),
        ("paid", np.array([0, 1, 2]), [None, None, "type"]),
        ("paid", np.array([0.0, np.nan, 0.5]), [None, "missing", "type"]),
        ("paid", np.array([True, None, 1], object), [None, "missing", "type"]),
    ],
)
def test_a_file_may_have_any_type(column: str, array: Any, reasons: list[str | None]) -> None:
    schema = schema_of(
        {
            "target": {"name": "y"},
            "columns": [
                {"name": "km", "kind": "number", "minimum": 0, "maximum": 10},
                {"name": "zone", "kind": "category", "minimum": 1, "maximum": 265},
                {"name": "city", "kind": "category", "values": ["a", "b"]},
                {"name": "paid", "kind": "boolean"},
            ],
        }
    )

    refused = refusals(schema, {column: array})

    assert sum(mask.sum() for key, mask in refused.items() if key.column == column) == sum(
        reason is not None for reason in reasons
    )
    own = {str(key.reason): mask for key, mask in refused.items() if key.column == column}
    assert [
        next((reason for reason, mask in own.items() if mask[row]), None) for row in range(3)
    ] == reasons
    others = {"km", "zone", "city", "paid"} - {column}
    assert all(refused[Refused(other, Reason.MISSING)].all() for other in others)


def test_columns_of_different_lengths_are_a_defect() -> None:
    with pytest.raises(ValueError, match="different lengths"):
        derive_columns(TAXI, {"PULocationID": np.ones(2), "DOLocationID": np.ones(3)})


def test_labels_are_evaluated_as_one_is() -> None:
    target = Target("y", minimum=1.0, maximum=60.0)
    labels = np.array([0.5, 1.0, 60.0, 60.5, np.nan, np.inf])

    assert evaluated(target, labels).tolist() == [target.is_evaluated(label) for label in labels]


def test_a_ride_is_in_its_slices() -> None:
    columns = {
        "PULocationID": np.array([132, 4, 265]),
        "trip_distance": np.array([0.5, 1.0, 8.0]),
    }
    times = np.array(["2021-01-31T05:59", "2021-01-31T06:00", "NaT"], "datetime64[us]")

    masks = slices_of(TAXI, columns, times)

    members = [{name for name, mask in masks.items() if mask[row]} for row in range(3)]
    assert members == [
        {"borough=Queens", "airport=yes", "hours=below-6", "distance=below-1"},
        {"borough=Manhattan", "hours=6-10", "distance=1-2"},
        {"borough=unknown", "distance=from-8"},
    ]


def test_a_flight_is_in_the_slices_of_texts_and_missing_numbers_in_none() -> None:
    columns = {
        "origin": np.array(["JFK", "BOS", None], object),
        "distance": np.array([499, 500, 5000]),
        "dep_delay": np.array([-1.0, np.nan, 60.0]),
    }

    masks = slices_of(FLIGHT, columns)

    members = [{name for name, mask in masks.items() if mask[row]} for row in range(3)]
    assert members == [
        {"origin=JFK", "distance=below-500", "departure_delay=below-0"},
        {"distance=500-1000"},
        {"distance=from-2000", "departure_delay=from-60"},
    ]


@few_examples
@given(st.data())
def test_a_row_is_in_one_band_and_at_most_one_group_of_a_slice(data: Any) -> None:
    schema = data.draw(schemas())
    drawn = data.draw(st.lists(rows(schema), min_size=1, max_size=3))
    columns, times = columns_of(schema, drawn)

    masks = slices_of(schema, columns, times)

    for part in schema.slices:
        own = [mask for name, mask in masks.items() if name.startswith(f"{part.name}=")]
        column = next(column for column in schema.columns if column.name == part.column)
        missing = columns[part.column] != columns[part.column]  # only NaN is
        assert len(own) == len(part.labels if isinstance(part, Bands) else part.groups)
        if column.kind is Kind.NUMBER:
            assert (np.sum(own, axis=0) == ~missing).all()
        assert (np.sum(own, axis=0) <= 1).all()


def test_bounds_that_are_nearly_equal_have_labels_of_their_own() -> None:
    bounds = (1.0, np.nextafter(1.0, 2.0), np.nextafter(np.nextafter(1.0, 2.0), 2.0), 1e16)

    labels = Bands("s", "x", tuple(map(float, bounds))).labels

    assert all(first != second for first, second in pairwise(labels))
    assert len(set(labels)) == len(labels) == 5


@pytest.mark.parametrize(("drift", "largest"), [("decides", 2**53), ("ignored", 2**63 - 1)])
def test_open_integers_are_as_large_as_drift_can_tell_apart(drift: str, largest: int) -> None:
    column = {"name": "order", "kind": "category", "type": "integer", "drift": drift}
    schema = schema_of({"target": {"name": "y"}, "columns": [column]})

    found = accepted(schema, {"order": np.array([-largest, largest])})
    assert found.all()
    assert RequestParser(schema).parse({"order": largest}).values == (largest,)
    if drift == "decides":
        assert not accepted(schema, {"order": np.array([-largest - 1, largest + 1])}).any()
        with pytest.raises(FieldError, match="an integer from -9007199254740992 to 90071"):
            RequestParser(schema).parse({"order": largest + 1})
