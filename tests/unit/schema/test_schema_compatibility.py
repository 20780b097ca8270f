"""A schema may replace another one when every body and label goes on meaning the same."""

from copy import deepcopy
from typing import Any

import pytest
from hypothesis import assume, given, reject
from hypothesis import strategies as st
from support.schemas import body_of, documents, edited, few_examples, rows

from taxi_schema.compatibility import changes, meanings, newly_refused
from taxi_schema.errors import SchemaError
from taxi_schema.reading import schema_of
from taxi_schema.requests import RequestParser

OLD: dict[str, Any] = {
    "id": "ride_id",
    "event_time": {"name": "start", "timezone": "America/New_York"},
    "target": {"name": "minutes", "unit": "minutes", "maximum": 60, "label_maximum": 1440},
    "columns": [
        {"name": "km", "kind": "number", "unit": "km", "minimum": 0},
        {"name": "zone", "kind": "category", "minimum": 1, "maximum": 265},
        {"name": "city", "kind": "category", "values": ["a", "b"]},
        {"name": "fare", "kind": "number", "nullable": True},
        {"name": "vendor", "kind": "category", "role": "context"},
    ],
}


def changed(name: str = "", **keys: Any) -> dict[str, Any]:
    """Return the old schema with other keys of a column, or at its top."""
    document = deepcopy(OLD)
    (table,) = [one for one in document["columns"] if one["name"] == name] or [document]
    table.update(keys)
    for key in [key for key, value in table.items() if value is None]:
        del table[key]
    return document


def with_columns(*columns: dict[str, Any]) -> dict[str, Any]:
    return {**OLD, "columns": [*OLD["columns"], *columns]}


@pytest.mark.parametrize(
    ("document", "texts"),
    [
        (changed(id="trip_id"), ["id is trip_id, was ride_id"]),
        (changed(event_time={"name": "begin", "timezone": "America/New_York"}),
         ["event_time is begin, was start"]),
        (changed(event_time=None), ["event_time is none, was start"]),
        (changed(event_time={"name": "start"}),
         ["event_time's timezone is UTC, was America/New_York"]),
        (changed(target={"name": "hours"}), ["target is hours, was minutes"]),
        (changed(target={**OLD["target"], "unit": "seconds"}),
         ["target's unit is seconds, was minutes"]),
        (changed(target={**OLD["target"], "label_maximum": 600}),
         ["labels are up to 600, were up to 1440"]),
        (with_columns({"name": "age", "kind": "number"}), ["age is required, was absent"]),
        (changed("fare", nullable=False), ["fare is required, was nullable"]),
        (changed("km", kind="category", unit=None), [
            "km is a category (integer), was a number (float)"]),
        (changed("vendor", type="integer"), [
            "vendor is a category (integer), was a category (string)"]),
        (changed("km", unit="miles"), ["km's unit is miles, was km"]),
        (changed("km", maximum=9.5), ["km is from 0 to 9.5, was from 0"]),
        (changed("zone", minimum=2), ["zone is from 2 to 265, was from 1 to 265"]),
        (changed("zone", minimum=None, maximum=None, values=[1, 2]), ["zone is closed, was open"]),
        (changed("city", values=["a", "c"]), ["city no longer has b"]),
    ],
)  # fmt: skip
def test_what_clients_would_notice_is_said(document: dict[str, Any], texts: list[str]) -> None:
    assert changes(schema_of(OLD), schema_of(document)) == tuple(texts)


@pytest.mark.parametrize(
    "document",
    [
        OLD,
        changed(title="Another title", fallback={"monotonic": "km"}, slices=[]),
        changed(columns=OLD["columns"][:2]),
        with_columns({"name": "age", "kind": "number", "nullable": True}),
        changed("km", nullable=True, minimum=-1, drift="ignored", role="context"),
        changed("zone", maximum=300),
        changed("city", values=["a", "b", "c"]),
        changed("city", values=None),
        changed(target={**OLD["target"], "minimum": 1, "label_minimum": None, "maximum": 90})
        | {"target": {"name": "minutes", "unit": "minutes", "maximum": 90, "label_maximum": 2000}},
    ],
)
def test_what_clients_do_not_notice_is_no_change(document: dict[str, Any]) -> None:
    assert changes(schema_of(OLD), schema_of(document)) == ()


@pytest.mark.parametrize(
    ("document", "texts"),
    [
        (changed(target={"name": "delay", "unit": "minutes"}), ["target is delay, was minutes"]),
        (changed(target={"name": "minutes", "unit": "s"}), ["target's unit is s, was minutes"]),
        (changed("km", unit="miles"), ["km's unit is miles, was km"]),
        (
            changed(event_time={"name": "start", "timezone": "UTC"}),
            ["event_time's timezone is UTC, was America/New_York"],
        ),
        (
            changed(event_time={"name": "end", "timezone": "America/New_York"}),
            ["event_time is end, was start"],
        ),
        (changed(event_time=None), []),
        (changed("zone", maximum=5), []),
        (changed("fare", nullable=False), []),
        (changed(id="key"), []),
    ],
)
def test_rows_and_labels_that_mean_something_else_are_named(
    document: dict[str, Any], texts: list[str]
) -> None:
    assert list(meanings(schema_of(OLD), schema_of(document))) == texts


def test_a_closed_category_of_integers_may_get_limits_around_its_values() -> None:
    closed = changed("zone", minimum=None, maximum=None, values=[3, 7])

    assert changes(schema_of(closed), schema_of(changed("zone", minimum=3, maximum=7))) == ()
    assert changes(schema_of(closed), schema_of(changed("zone", minimum=4, maximum=7))) == (
        "zone is from 4 to 7, was from 3 to 7",
    )


@few_examples
@given(st.data())
def test_a_schema_without_changes_accepts_what_the_old_one_accepts(data: Any) -> None:
    document = data.draw(documents())
    old = schema_of(document)
    try:
        new = schema_of(data.draw(edited(document)))
    except SchemaError:
        reject()
    assume(not changes(old, new))

    # Raises a FieldError where a change was overlooked.
    RequestParser(new).parse(body_of(old, data.draw(rows(old))))


def test_what_a_staying_schema_refuses_already_is_not_said_again() -> None:
    staying, before = schema_of(OLD), schema_of(changed("fare", nullable=False))
    without = schema_of(changed(columns=OLD["columns"][1:3]))

    assert newly_refused(before, without, staying) == (
        "km is required, was absent",
        "vendor is required, was absent",
    )
    assert newly_refused(without, without, staying) == ()
    assert newly_refused(None, before, staying) == ()


@few_examples
@given(st.data())
def test_a_staying_schema_that_is_not_said_to_refuse_rows_accepts_them(data: Any) -> None:
    document = data.draw(documents())
    staying = schema_of(document)
    try:
        after = schema_of(data.draw(edited(document)))
    except SchemaError:
        reject()
    assume(after.id == staying.id and after.event_time == staying.event_time)
    assume(not newly_refused(staying, after, staying))

    RequestParser(staying).parse(body_of(after, data.draw(rows(after))))
