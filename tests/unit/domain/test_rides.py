"""Which rides are accepted, and how a refusal names the field."""

import math
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taxi_domain.errors import FieldError
from taxi_domain.rides import RideFields

parse = RideFields().parse
PLAIN = {"PULocationID": 130, "DOLocationID": 205, "trip_distance": 3.66}


def test_plain_body_of_the_predecessor_is_a_ride() -> None:
    ride = parse(PLAIN)

    assert (ride.pickup_zone, ride.dropoff_zone, ride.trip_distance_miles) == (130, 205, 3.66)
    assert ride.pickup_at is None
    assert ride.ride_id is None


def test_integer_with_a_point_is_an_integer() -> None:
    ride = parse({**PLAIN, "PULocationID": 130.0})

    assert ride == parse(PLAIN)
    assert isinstance(ride.pickup_zone, int)


def test_pickup_time_and_id_are_taken_over() -> None:
    ride = parse({**PLAIN, "lpep_pickup_datetime": "2021-01-31T08:15:00", "ride_id": "a.b-1"})

    assert ride.pickup_at == datetime(2021, 1, 31, 8, 15)  # noqa: DTZ001 - local time
    assert ride.ride_id == "a.b-1"


def test_unknown_scalar_fields_are_ignored() -> None:
    assert parse({**PLAIN, "fare_amount": 12.5, "vendor": None}) == parse(PLAIN)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("PULocationID", None),
        ("PULocationID", "130"),
        ("PULocationID", True),
        ("PULocationID", 0),
        ("DOLocationID", 266),
        ("DOLocationID", 1.5),
        ("trip_distance", None),
        ("trip_distance", "1.01"),
        ("trip_distance", -0.1),
        ("trip_distance", 100.1),
        ("trip_distance", math.nan),
        ("trip_distance", math.inf),
        ("trip_distance", 10**400),
        ("trip_distance", False),
        ("lpep_pickup_datetime", "yesterday"),
        ("lpep_pickup_datetime", "2021-01-31T08:15:00Z"),
        ("lpep_pickup_datetime", 1612080900),
        ("ride_id", ""),
        ("ride_id", "a" * 65),
        ("ride_id", "a/b"),
        ("ride_id", 7),
        ("nested", {"a": 1}),
        ("nested", [1]),
    ],
)
def test_refusal_names_the_field(field: str, value: object) -> None:
    with pytest.raises(FieldError) as refusal:
        parse({**PLAIN, field: value})

    assert refusal.value.field == field
    assert refusal.value.remedy


@pytest.mark.parametrize("body", [None, [], "text", 3, True])
def test_body_that_is_no_object_is_refused(body: object) -> None:
    with pytest.raises(FieldError, match="JSON object"):
        parse(body)


_scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=70)
_zones = st.sampled_from([0, 1, 130, 205, 265, 266])
_near = st.fixed_dictionaries(
    {
        "PULocationID": _zones,
        "DOLocationID": _zones,
        "trip_distance": st.sampled_from([-0.5, 0.0, 3.66, 100.0, 100.5]),
    }
)


@given(
    _near,
    st.dictionaries(
        st.sampled_from([*PLAIN, "lpep_pickup_datetime", "ride_id", "other"]),
        _scalars | st.lists(_scalars, max_size=2),
        max_size=2,
    ),
)
def test_any_object_is_a_ride_within_the_limits_or_a_field_error(
    start: dict[str, object], changes: dict[str, object]
) -> None:
    try:
        ride = parse({**start, **changes})
    except FieldError:
        return

    assert 1 <= ride.pickup_zone <= 265
    assert 1 <= ride.dropoff_zone <= 265
    assert 0 <= ride.trip_distance_miles <= 100
