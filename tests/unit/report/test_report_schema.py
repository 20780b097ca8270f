"""The schema describes the report's document, all of it."""

import copy
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from support.report_rides import collapse_document

from taxi_report.render.schema import report_schema

SCHEMA = report_schema()
VALIDATOR = Draft202012Validator(SCHEMA, format_checker=Draft202012Validator.FORMAT_CHECKER)


def faults(document: Any) -> list[str]:
    return [f"{error.json_path}: {error.message}" for error in VALIDATOR.iter_errors(document)]


def fields(schema: Any, path: str = "$") -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every property of the schema with its place."""
    if isinstance(schema, dict):
        for name, one in schema.get("properties", {}).items():
            yield f"{path}.{name}", one
        for name, one in schema.items():
            yield from fields(one, f"{path}.{name}")
    elif isinstance(schema, list):
        for place, one in enumerate(schema):
            yield from fields(one, f"{path}[{place}]")


def test_schema_is_one_itself() -> None:
    Draft202012Validator.check_schema(SCHEMA)


def test_report_of_real_rides_is_valid() -> None:
    assert faults(collapse_document()) == []


def test_every_field_is_described_and_required() -> None:
    found = list(fields(SCHEMA))
    assert len(found) > 100
    assert [path for path, one in found if len(one.get("description", "")) < 8] == []


def objects(schema: Any) -> Iterator[dict[str, Any]]:
    """Yield every description of an object."""
    if isinstance(schema, dict):
        if schema.get("type") == "object":
            yield schema
        for one in schema.values():
            yield from objects(one)
    elif isinstance(schema, list):
        for one in schema:
            yield from objects(one)


def test_an_object_of_fixed_form_takes_no_other_field() -> None:
    for one in objects(SCHEMA):
        if "properties" in one:
            assert one["additionalProperties"] is False
            assert set(one["required"]) == set(one["properties"])
        else:
            assert isinstance(one["additionalProperties"], dict)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the place of every object in a document, of lists their first entry only."""
    if isinstance(value, dict):
        yield path
        for name, one in value.items():
            yield from places(one, (*path, name))
    elif isinstance(value, list) and value:
        yield from places(value[0], (*path, 0))


OPEN = {"unreadable", "unprofiled", "roles", "values"}
OBJECTS = [one for one in places(collapse_document()) if not one or one[-1] not in OPEN]


@pytest.mark.parametrize("path", OBJECTS, ids=lambda one: ".".join(map(str, one)) or "report")
def test_a_field_too_many_or_too_few_is_noticed(path: tuple[Any, ...]) -> None:
    document = copy.deepcopy(collapse_document())
    changed = document
    for step in path:
        changed = changed[step]
    name, value = next(iter(changed.items()))

    changed["another"] = 1
    assert faults(document)
    del changed["another"]
    assert not faults(document)
    del changed[name]
    assert faults(document)
    changed[name] = value
