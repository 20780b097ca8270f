"""A spool entry as BSON is what the library makes of its record."""

import math
from datetime import datetime

import bson
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from taxi_predict.delivery.bson_template import BsonTemplates
from taxi_predict.spool.record import Entry, decode, encode
from taxi_store.log.encoding import encoded


def local(year: int) -> datetime:
    """Return the first moment of a year, as rides have it: New York's clocks, no zone."""
    return datetime(year, 1, 1)  # noqa: DTZ001


_ID = st.text("ABCXYZabcxyz0189._-", min_size=1, max_size=64)
_ZONE = st.integers(1, 265)
ENTRIES = st.builds(
    Entry,
    ride_id=_ID,
    milliseconds=st.integers(0, 4_000_000_000_000),
    model=st.sampled_from(["taxi-duration", "other"]),
    model_version=st.sampled_from(["0123456789ab", "ffffffffffff"]),
    model_role=st.sampled_from(["champion", "candidate", "fallback"]),
    pickup_zone=_ZONE,
    dropoff_zone=_ZONE,
    trip_distance_miles=st.floats(0, 100),
    pickup_at=st.none() | st.datetimes(local(1900), local(2999)),
    hour=st.just(math.nan) | st.integers(0, 23).map(float),
    weekday=st.just(math.nan) | st.integers(0, 6).map(float),
    prediction=st.floats(0, 1e6),
    latency_seconds=st.floats(0, 100),
)
DOCUMENTS = BsonTemplates()  # one for all examples: layouts are learned from other rides


@settings(max_examples=500)
@given(ENTRIES)
@example(Entry("r", 0, "m", "v", "champion", 1, 265, 0.0, local(1970), 0.0, 0.0, 0.0, 0.0))
def test_a_document_is_what_the_library_encodes(entry: Entry) -> None:
    assert DOCUMENTS.encoded(entry) == encoded(entry.record())


def test_an_entry_survives_the_spool() -> None:
    entry = Entry("r-1", 5, "m", "v", "champion", 1, 2, 3.5, local(2021), 3.0, 4.0, 9.5, 0.1)

    assert decode(encode(entry)) == entry


def test_a_layout_that_cannot_be_learned_is_none(caplog: pytest.LogCaptureFixture) -> None:
    entry = Entry("r", 1, "~", "v", "champion", 1, 2, 3.0, None, 1.0, 2.0, 4.0, 0.1)

    assert BsonTemplates().encoded(entry) == encoded(entry.record())
    assert "one by one" in caplog.text


def test_values_like_those_of_the_sample_do_no_harm() -> None:
    entry = Entry(
        "~", 1_234_567_890_123, "m", "v", "champion", 130, 205, math.pi, None, math.sqrt(2),
        math.sqrt(3), math.e, math.sqrt(5),
    )  # fmt: skip
    document = bson.decode(BsonTemplates().encoded(entry))

    assert document["prediction"] == math.e
    assert document["ride"]["trip_distance"] == math.pi
