"""Which bodies and labels are accepted, and how a refusal names the field."""

import json
import math
from datetime import datetime
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.schemas import ANYTHING, body_of, few_examples, rows, schemas, wild_rows

from taxi_domain.errors import FieldError
from taxi_schema.extra import MAX_BYTES, MAX_FIELDS
from taxi_schema.fitting import fit
from taxi_schema.labels import LabelParser
from taxi_schema.reading import read_schema, schema_of
from taxi_schema.requests import RequestParser
from taxi_schema.rows import Row
from taxi_schema.schema import Schema

MODELS = Path(__file__).parents[3] / "models"
TAXI = read_schema(MODELS / "taxi_duration" / "schema.toml")
FLIGHT = read_schema(MODELS / "flight_delay" / "schema.toml")
parse = RequestParser(TAXI).parse
parse_flight = RequestParser(FLIGHT).parse
PLAIN = {"PULocationID": 130, "DOLocationID": 205, "trip_distance": 3.66}
LEAVING = {"carrier": "UA", "origin": "EWR", "dest": "IAH", "distance": 1400}


@few_examples
@given(st.data())
def test_a_body_makes_the_row_that_it_was_made_of(data: Any) -> None:
    schema = data.draw(schemas())
    row = data.draw(rows(schema))
    parser = RequestParser(schema)
    body = json.loads(json.dumps(body_of(schema, row)))

    parsed = parser.parse(body)

    assert parsed == row
    assert [type(value) for value in parsed.values] == [type(value) for value in row.values]
    jsonschema.validate(body, parser.json_schema(), jsonschema.Draft202012Validator)


def _row_or_refusal(parser: RequestParser, body: object) -> tuple[Row | None, FieldError | None]:
    try:
        return parser.parse(body), None
    except FieldError as error:
        return None, error


@few_examples
@given(st.data())
def test_any_body_is_a_row_within_the_limits_or_a_field_error(data: Any) -> None:
    schema = data.draw(schemas())
    body = data.draw(wild_rows(schema) | ANYTHING)

    row, refusal = _row_or_refusal(RequestParser(schema), body)
    if row is None:
        assert refusal is not None
        assert refusal.remedy
        str(refusal).encode()
        return
    assert len(row.values) == len(schema.columns)
    for column, value in zip(schema.columns, row.values, strict=True):
        assert fit(column, value) == (value, None)
    json.dumps(row.extra, allow_nan=False, ensure_ascii=False).encode()


def test_plain_body_of_the_predecessor_is_a_row() -> None:
    row = parse(PLAIN)

    assert row == ((130, 205, 3.66), None, None, None, ())


def test_integers_and_numbers_are_taken_as_json_has_them() -> None:
    row = parse({**PLAIN, "PULocationID": 130.0, "trip_distance": 4})

    assert row.values == (130, 205, 4.0)
    assert [type(value) for value in row.values] == [int, int, float]


@pytest.mark.parametrize(("sent", "key"), [("a.b-1", "a.b-1"), (7, "7"), (-3, "-3"), (None, None)])
def test_an_id_is_a_text_or_an_integer(sent: object, key: str | None) -> None:
    assert parse({**PLAIN, "ride_id": sent}).id == key


@pytest.mark.parametrize(
    ("sent", "hour"),
    [
        ("2021-01-31T08:15:00", 8), ("2021-01-31T08:15:00Z", 3), ("2021-07-31T08:15:00Z", 4),
        ("2021-01-31T08:15:00+01:00", 2), ("2021-01-31", 0),
    ],
)  # fmt: skip
def test_a_time_with_an_offset_is_converted_to_the_schemas_zone(sent: str, hour: int) -> None:
    moment = parse({**PLAIN, "lpep_pickup_datetime": sent}).event_time

    assert moment is not None
    assert (moment.hour, moment.tzinfo, moment.fold) == (hour, None, 0)


def test_a_time_of_the_repeated_hour_is_without_fold() -> None:
    moment = parse({**PLAIN, "lpep_pickup_datetime": "2021-11-07T06:30:00Z"}).event_time

    assert moment == datetime(2021, 11, 7, 1, 30)  # noqa: DTZ001 - local time
    assert moment.fold == 0


@pytest.mark.parametrize(
    ("field", "value", "text"),
    [
        ("PULocationID", None, "is missing; send an integer from 1 to 265"),
        ("PULocationID", "130", "is not an integer; send an integer from 1 to 265"),
        ("PULocationID", True, "is not an integer"),
        ("PULocationID", 0, "0 is out of its limits; send an integer from 1 to 265"),
        ("DOLocationID", 266, "266 is out of its limits"),
        ("DOLocationID", 1.5, "is not an integer"),
        ("DOLocationID", 10**4000, "an integer beyond 64 bits is out of its limits"),
        ("DOLocationID", 1e300, "is out of its limits"),
        ("DOLocationID", [1], "is not a scalar"),
        ("trip_distance", None, "is missing; send miles from 0 to 100"),
        ("trip_distance", "1.01", "is not a number"),
        ("trip_distance", -0.1, "is out of its limits; send miles from 0 to 100"),
        ("trip_distance", 100.1, "is out of its limits"),
        ("trip_distance", math.nan, "is out of its limits"),
        ("trip_distance", math.inf, "is out of its limits"),
        ("trip_distance", 10**400, "is out of its limits"),
        ("trip_distance", False, "is not a number"),
        ("lpep_pickup_datetime", "yesterday", "is not a date and time; send New York time as 2021"),
        ("lpep_pickup_datetime", 1612080900, "is not a date and time"),
        ("lpep_pickup_datetime", "0001-01-01T00:00:00+14:00", "is not a date and time"),
        ("lpep_pickup_datetime", "9999-12-31T23:59:59-14:00", "is not a date and time"),
        ("ride_id", "", "is not an id; send 1 to 64 of A-Z a-z 0-9 . _ -"),
        ("ride_id", "a" * 65, "is not an id"),
        ("ride_id", "a/b", "is not an id"),
        ("ride_id", "a\n", "is not an id"),
        ("ride_id", True, "is not an id"),
        ("ride_id", 7.0, "is not an id"),
        ("ride_id", 10**64, "is not an id"),
        ("nested", {"a": 1}, "is not a scalar; send numbers, strings or null only"),
        ("nested", [1], "is not a scalar"),
    ],
)
def test_refusal_of_a_ride_names_the_field(field: str, value: object, text: str) -> None:
    with pytest.raises(FieldError) as refusal:
        parse({**PLAIN, field: value})

    assert refusal.value.field == field
    assert text in str(refusal.value)


@pytest.mark.parametrize(
    ("field", "value", "text"),
    [
        ("origin", "BOS", "'BOS' is not one of its values; send one of EWR, JFK, LGA"),
        ("origin", 3, "is not a text; send one of EWR, JFK, LGA"),
        ("carrier", "", "is not a text of 1 to 64 characters"),
        ("carrier", "x" * 65, "send a text of 1 to 64 characters"),
        ("carrier", "a\x1fb", "without control characters"),
        ("carrier", "\ud800", "without control characters"),
        ("dep_delay", "late", "is not a number; send minutes from -120 to 1440"),
    ],
)
def test_refusal_of_a_flight_names_the_field(field: str, value: object, text: str) -> None:
    with pytest.raises(FieldError) as refusal:
        parse_flight({**LEAVING, field: value})

    assert refusal.value.field == field
    assert text in str(refusal.value)
    str(refusal.value).encode()


@pytest.mark.parametrize("body", [LEAVING, {**LEAVING, "dep_delay": None}])
def test_a_nullable_column_may_be_null_or_absent(body: dict[str, object]) -> None:
    assert parse_flight(body).values == ("UA", "EWR", "IAH", 1400.0, None)


@pytest.mark.parametrize("body", [None, [], "text", 3, True])
def test_body_that_is_no_object_is_refused(body: object) -> None:
    with pytest.raises(FieldError, match="JSON object"):
        parse(body)


def test_a_boolean_is_true_or_false_only() -> None:
    schema = schema_of(
        {"target": {"name": "y"}, "columns": [{"name": "paid", "kind": "boolean"}]}
    )  # fmt: skip
    parser = RequestParser(schema)

    assert parser.parse({"paid": True}).values == (True,)
    for value in (0, 1, 1.0, "true"):
        with pytest.raises(FieldError, match="paid: is not true or false; send true or false"):
            parser.parse({"paid": value})


def test_undeclared_scalars_are_kept() -> None:
    row = parse({**PLAIN, "fare": 12.5, "vendor": None, "app": "1.2", "tip": True, "a.b": 3})

    assert row.extra == {"fare": 12.5, "vendor": None, "app": "1.2", "tip": True, "a.b": 3}
    assert row.dropped == ()


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("$set", 1, "name"), ("a\0b", 1, "name"), ("\ud800", 1, "name"),
        ("x", 2**63, "value"), ("x", math.nan, "value"), ("x", "\ud800", "value"),
        ("x", "y" * MAX_BYTES, "too_large"), ("x" * 10**6, 1, "too_large"),
        ("x", "語" * (MAX_BYTES // 3 + 1), "too_large"),
    ],
)  # fmt: skip
def test_what_the_log_cannot_hold_is_dropped_by_reason(
    name: str, value: object, reason: str
) -> None:
    row = parse({**PLAIN, name: value, "kept": 1})

    assert row.extra == {"kept": 1}
    assert row.dropped == (reason,)


def test_a_nested_field_of_any_name_is_refused_in_a_text_that_can_be_written() -> None:
    for name in ("\ud800", "x" * 10_000):
        with pytest.raises(FieldError, match="is not a scalar") as refusal:
            parse({**PLAIN, name: []})

        assert len(str(refusal.value).encode()) < 200


def test_undeclared_fields_are_few_and_small() -> None:
    row = parse({**PLAIN, **{f"field{number}": number for number in range(1000)}})
    large = parse({**PLAIN, **{f"{number:02}": "x" * 98 for number in range(30)}})

    assert row.extra is not None
    assert large.extra is not None
    assert (len(row.extra), row.dropped) == (MAX_FIELDS, ("too_many",))
    assert (len(large.extra), large.dropped) == (MAX_BYTES // 100, ("too_large",))


def test_a_nested_value_is_refused_however_many_fields_come_before() -> None:
    with pytest.raises(FieldError, match=r"^last: is not a scalar"):
        parse({**PLAIN, **{f"field{number}": 1 for number in range(100)}, "last": []})


def test_the_json_schema_of_a_ride() -> None:
    document = RequestParser(TAXI).json_schema()

    jsonschema.Draft202012Validator.check_schema(document)
    assert document["required"] == ["PULocationID", "DOLocationID", "trip_distance"]
    assert document["properties"]["trip_distance"] == {
        "type": "number", "minimum": 0, "maximum": 100,
        "description": "Distance of the ride. Unit: miles.",
    }  # fmt: skip
    assert {"PULocationID", "lpep_pickup_datetime", "ride_id"} <= document["properties"].keys()


def test_a_label_is_the_target_of_a_row() -> None:
    assert LabelParser(TAXI).parse({"ride_id": "r1", "duration": 12}) == ("r1", 12.0)
    assert LabelParser(TAXI).parse({"ride_id": 1, "duration": 611.5}) == ("1", 611.5)
    assert not TAXI.target.is_evaluated(611.5)


@pytest.mark.parametrize(
    ("body", "field", "text"),
    [
        (None, "label", "send ride_id and duration"),
        ({"duration": 3}, "ride_id", "is missing"),
        ({"ride_id": "r1"}, "duration", "is missing; send minutes as a number"),
        ({"ride_id": "r1", "duration": "3"}, "duration", "is not a number; send minutes"),
        ({"ride_id": "r1", "duration": True}, "duration", "is not a number"),
        ({"ride_id": "r1", "duration": -1}, "duration", "send minutes from 0 to 1440"),
        ({"ride_id": "r1", "duration": 1441}, "duration", "is out of its limits"),
        ({"ride_id": "r1", "duration": math.nan}, "duration", "is out of its limits"),
        ({"ride_id": "r1", "duration": 10**400}, "duration", "is out of its limits"),
    ],
)
def test_refused_label_names_the_field(body: object, field: str, text: str) -> None:
    with pytest.raises(FieldError) as refusal:
        LabelParser(TAXI).parse(body)

    assert refusal.value.field == field
    assert text in str(refusal.value)


@pytest.mark.parametrize(
    ("limits", "value"),
    [({}, 1e101), ({}, -1e200), ({}, 10**400), ({"label_minimum": 0, "minimum": 0}, 1e200)],
)
def test_labels_of_open_limits_are_bounded(limits: dict[str, float], value: float) -> None:
    target: dict[str, Any] = {"name": "y", **limits}
    schema = schema_of({"target": target, "columns": [{"name": "x", "kind": "number"}]})

    assert LabelParser(schema).parse({"id": 1, "y": 1e100}) == ("1", 1e100)
    with pytest.raises(FieldError, match=r"up to 1e\+100 in size; label_minimum and label_maximum"):
        LabelParser(schema).parse({"id": 1, "y": value})


@given(st.sampled_from([TAXI, FLIGHT]), ANYTHING, ANYTHING | st.floats(-200, 1500))
def test_any_label_is_within_the_limits_or_a_field_error(
    schema: Schema, key: object, value: object
) -> None:
    try:
        label = LabelParser(schema).parse({schema.id: key, schema.target.name: value})
    except FieldError:
        return

    target = schema.target
    assert target.label_minimum is not None
    assert target.label_maximum is not None
    assert target.label_minimum <= label.value <= target.label_maximum
