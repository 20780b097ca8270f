"""A spool entry as BSON is what the library makes of its record."""

import math
from datetime import datetime
from typing import Any

import bson
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from taxi_predict.delivery import bson_template
from taxi_predict.delivery.bson_template import BsonTemplates
from taxi_predict.spool.record import Entry, decode, encode
from taxi_store.log.encoding import encoded


def local(year: int) -> datetime:
    """Return the first moment of a year, as rows have it: local, no zone."""
    return datetime(year, 1, 1)  # noqa: DTZ001


COLUMNS = ("zone", "_id", "größe", "x")
_FINITE = st.floats(allow_nan=False, allow_infinity=False)
_TEXT = st.sampled_from(["EWR", "é語🚕", "x" * 64, "a\0b"]) | st.text(
    st.characters(exclude_categories=["Cs"]), max_size=5
)
_VALUE = (
    st.none() | st.booleans() | _FINITE | _TEXT | st.integers(-(2**63), 2**63 - 1)
    | st.sampled_from([0, 130, 2**31 - 1, 2**31, -(2**31), -(2**31) - 1])
)  # fmt: skip
_EXTRA = st.dictionaries(st.sampled_from(["_id", "fare", "", "größe"]), _VALUE, max_size=3)
ENTRIES = st.builds(
    Entry,
    row_id=st.text("ABCXYZabcxyz0189._-", min_size=1, max_size=64),
    milliseconds=st.integers(0, 4_000_000_000_000),
    model=st.sampled_from(["taxi-duration", "other"]),
    model_version=st.sampled_from(["0123456789ab", "ffffffffffff"]),
    model_role=st.sampled_from(["champion", "candidate", "fallback"]),
    event_time=st.none() | st.datetimes(),
    values=st.tuples(*[_VALUE] * len(COLUMNS)),
    prediction=_FINITE,
    latency_seconds=st.none() | st.floats(0, 100),
    extra=st.none() | _EXTRA,
    caller=st.sampled_from(["", "shop", "billing.v2"]),
)
TEMPLATES = BsonTemplates()  # one for all examples: templates are learned from other rows


def entry(**changes: Any) -> Entry:
    usual: dict[str, Any] = {
        "row_id": "r", "milliseconds": 0, "model": "m", "model_version": "v",
        "model_role": "champion", "event_time": local(1970), "values": (1, "EWR", 0.0, None),
        "prediction": 0.0, "latency_seconds": 0.0,
    }  # fmt: skip
    return Entry(**(usual | changes))


@settings(max_examples=500)
@given(ENTRIES)
@example(entry())
@example(entry(extra={"b": 1, "_id": 2}))
@example(entry(values=(-1, "", True, False), event_time=local(1)))
def test_a_document_is_what_the_library_encodes(entry: Entry) -> None:
    assert TEMPLATES.encoded(entry, COLUMNS) == encoded(entry.record(COLUMNS))


@given(ENTRIES)
def test_an_entry_survives_the_spool(entry: Entry) -> None:
    assert decode(encode(entry)) == entry


def test_a_template_that_is_not_as_the_library_encodes_is_not_used(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(bson_template._ELEMENTS, float, (b"\x02", "d"))
    row = entry()

    assert BsonTemplates().encoded(row, COLUMNS) == encoded(row.record(COLUMNS))
    assert "one by one" in caplog.text


def test_memory_is_bounded_whatever_clients_send(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bson_template, "_MAX_TEMPLATES", 3)
    monkeypatch.setattr(bson_template, "_MAX_LENGTHS", 4)
    templates = BsonTemplates()
    for number in range(100):
        row = entry(model_version=f"v{number % 7}", values=(1, "x" * number, 0.5, None))
        assert templates.encoded(row, COLUMNS) == encoded(row.record(COLUMNS))

    assert len(templates._templates) <= 3
    for number in range(100):
        row = entry(values=(1, "x" * number, 0.5, None))
        assert templates.encoded(row, COLUMNS) == encoded(row.record(COLUMNS))
    (template,) = (template for shape, template in templates._templates.items() if shape[0] == "v")
    assert template is not None
    assert len(template._structs) <= 4


def test_values_stay_as_exact_as_they_were() -> None:
    row = entry(values=(2**53 + 1, "EWR", math.pi, None), prediction=math.e)
    document = bson.decode(BsonTemplates().encoded(row, COLUMNS))

    assert document["prediction"] == math.e
    assert document["inputs"] == {"zone": 2**53 + 1, "_id": "EWR", "größe": math.pi, "x": None}
