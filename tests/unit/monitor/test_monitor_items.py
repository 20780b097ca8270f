"""Lists in bodies are counted before any item is decoded, and each item is bounded by itself."""

import json
import tracemalloc
from http import HTTPStatus

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw
from support.schemas import ANYTHING, few_examples

from taxi_domain.records import MAX_PUSHED
from taxi_monitor.http.items import MAX_ITEM_BYTES, each, field_values, id_of, items_of, listed
from taxi_monitor.records.nesting import has_more
from taxi_runtime.problems import ProblemError

MIB = 1024 * 1024


def refusal(data: bytes) -> tuple[HTTPStatus, str]:
    with pytest.raises(ProblemError) as caught:
        items_of(data, "labels")
    return caught.value.status, caught.value.field


@pytest.mark.parametrize(
    "data",
    [
        b'{"labels":[' + b"{}," * 1_000_000 + b"{}]}",
        b'{"x":[' + b"{}," * 1_000_000 + b'{}],"labels":7}',
        b'{"labels":' + b"[" * 5_000_000,
        b'{"labels":[' + b'{"a":' * 1_000_000,
    ],
)
def test_a_large_body_is_refused_without_its_objects(data: bytes) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(ProblemError):
            items_of(data, "labels")
        assert tracemalloc.get_traced_memory()[1] < 10 * MIB
    finally:
        tracemalloc.stop()


@few_examples
@given(
    value=st.lists(st.one_of(st.dictionaries(st.text(), ANYTHING), ANYTHING), max_size=8),
    most=st.integers(1, 10),
)
def test_items_are_counted_in_the_bytes(value: list[object], most: int) -> None:
    for indent in (None, 1):
        data = json.dumps(value, indent=indent, ensure_ascii=bool(indent)).encode(errors="replace")
        assert has_more(data, most, 1) == (len(value) > most)
        assert has_more(b'{"a":' + data + b"}", most, 2) == (len(value) > most)


def test_bodies_without_the_list_are_problems() -> None:
    many = b'{"labels":[' + b"7," * MAX_PUSHED + b"7]}"
    assert refusal(many) == (HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "labels")
    for data in (b"{}", b"[]", b"7", b'{"labels":{}}', b'{"rows":[]}'):
        assert refusal(data) == (HTTPStatus.UNPROCESSABLE_ENTITY, "labels")
    for data in (b"", b"{", b"\xff", b'{"labels":[1,]}'):
        assert refusal(data) == (HTTPStatus.BAD_REQUEST, "")
    assert len(items_of(many.replace(b"[7,", b"[", 1), "labels")) == MAX_PUSHED
    with pytest.raises(ProblemError):
        listed(b'{"events":[]}', "events", 5)


def test_items_are_decoded_one_by_one_and_refused_alone() -> None:
    large = b'{"a":"' + b"x" * MAX_ITEM_BYTES + b'"}'
    deep = b"[" * 5000 + b"]" * 5000
    items = items_of(b'{"labels":[{"a":1},' + large + b',7,{"a":"\xff"},{"a":2}]}', "labels")

    good, refused = each(items, lambda item: item.get("a"))

    assert good == [1, None, 2]
    assert [(one["index"], one["field"]) for one in refused] == [(1, "item"), (3, "item")]
    assert refusal(b'{"labels":[' + deep + b"]}")[0] == HTTPStatus.BAD_REQUEST


def test_fields_are_read_without_the_rest() -> None:
    items = items_of(b'{"labels":[{"v":"a","x":[]},{"v":7},7,{},{"v":"b"}]}', "labels")
    assert list(field_values(items, "v")) == ["a", "b"]


@pytest.mark.parametrize(
    ("item", "found"),
    [
        (b'{"ride id": "r-1"}', "r-1"), (b'{"ride id": 5}', ""), (b'{"other": "r-1"}', ""),
        (b"[1]", ""), (b'{"ride id": "r-1"', ""),
    ],
)  # fmt: skip
def test_id_is_read_of_whatever_was_posted(item: bytes, found: str) -> None:
    assert id_of(Raw(item), "ride id") == found
