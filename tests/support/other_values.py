"""Values of the chart other than they are, by what its schema allows."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import jsonschema

Keys = tuple[str, ...]


def leaves(values: Mapping[str, Any], path: Keys = ()) -> Iterator[Keys]:
    """Yield the paths of all values that are no mapping, or an empty one."""
    for name, value in values.items():
        if isinstance(value, dict) and value:
            yield from leaves(value, (*path, name))
        else:
            yield (*path, name)


def at(values: Any, path: Keys) -> Any:
    """Return what stands at a path, None where nothing does."""
    for name in path:
        values = values.get(name) if isinstance(values, dict) else None
    return values


def nested(path: Keys, value: Any) -> dict[str, Any]:
    """Return values that have one at a path."""
    for name in reversed(path):
        value = {name: value}
    return dict(value)


def merged(values: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Return values with others over them, as Helm does it."""
    whole = dict(values)
    for name, value in over.items():
        below = whole.get(name)
        if isinstance(value, dict) and isinstance(below, dict):
            whole[name] = merged(below, value)
        else:
            whole[name] = value
    return whole


class OtherValues:
    """Makes values that a schema allows."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        """Take the whole schema, with its definitions."""
        self._schema = schema

    def marked(self, path: Keys, number: int) -> tuple[Any, str] | None:
        """Return a value for a path and the text by which a render shows it.

        None where the schema leaves no room for one: switches, words to choose from, small numbers.
        """
        for value in self._candidates(self._at(path), number):
            # Marks are of values, and a list's or a map's is of what is in it.
            mark = next((one for one in _texts(value) if str(number) in one), "")
            if mark:
                return value, mark
        return None

    def others(self, path: Keys, now: Any) -> list[Any]:
        """Return values for a path that differ from its own: one, or all other words."""
        schema = self._at(path)
        found = [one for one in self._candidates(schema, 417) if one != now]
        return found if "enum" in schema else found[:1]

    def _at(self, path: Keys) -> Mapping[str, Any]:
        found = self._schema
        for name in path:
            found = self._resolved(found)
            found = found.get("properties", {}).get(name) or found["additionalProperties"]
        return self._resolved(found)

    def _resolved(self, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        reference = schema.get("$ref")
        if not reference:
            return schema
        found: Mapping[str, Any] = self._schema["$defs"][reference.rsplit("/", 1)[1]]
        return found

    def _candidates(self, schema: Mapping[str, Any], number: int) -> Iterator[Any]:
        """Yield valid values, those with the number first."""
        schema = self._resolved(schema)
        rules = {**schema, "$defs": self._schema["$defs"]}
        check = jsonschema.Draft202012Validator(rules)
        for value in self._proposals(schema, number):
            if check.is_valid(value):
                yield value

    def _proposals(self, schema: Mapping[str, Any], number: int) -> Iterator[Any]:
        kinds = schema.get("type", [])
        kinds = [kinds] if isinstance(kinds, str) else kinds
        for one in schema.get("anyOf", []):
            yield from self._candidates(one, number)
        if "object" in kinds:
            yield from self._objects(schema, number)
        if "array" in kinds:
            items = schema.get("items", {"type": "string"})
            yield from ([one] for one in self._candidates(items, number))
        if "string" in kinds:
            yield from _words(number)
        if {"integer", "number"} & set(kinds):
            yield from (7_000_000 + number, 20_000 + number, number, 1, 2)
        if "number" in kinds:
            yield from (0.5 + number / 1_000_000, 0.25)
        if "boolean" in kinds:
            yield from (True, False)
        yield from schema.get("enum", [])

    def _objects(self, schema: Mapping[str, Any], number: int) -> Iterator[Any]:
        own = {name: one for name, one in schema.get("properties", {}).items() if one}
        required = {
            name: next(self._candidates(own.get(name, {"type": "string"}), number), None)
            for name in schema.get("required", [])
        }
        if required:
            yield required
        for name, one in own.items():
            yield from ({**required, name: value} for value in self._candidates(one, number))
        for name in schema.get("propertyNames", {}).get("enum", [f"mark{number}"]):
            more = schema.get("additionalProperties", {"type": "string"})
            if isinstance(more, dict):
                yield from ({name: value} for value in self._candidates(more, number))


def _words(number: int) -> Sequence[str]:
    mark = f"mark{number}"
    return (
        mark, f"{number}Mi", f"{number}s", f"{number}m", f"{number}d", f"http://{mark}:80",
        f"tcp://{mark}:80", f"s3://{mark}/a", f"10.0.0.0/{number % 30}", f"::{number}",
        f"{number % 60} 1 * * *", f"{number % 100}%", f"sha256:{number:064}", f"/{mark}",
        f"{mark}/a", f"Mark{number}", "Letters", "2021-01-17",
    )  # fmt: skip


def _texts(value: Any) -> Iterator[str]:
    """Yield what is in a value, as JSON writes it, but for the quotes of texts."""
    if isinstance(value, dict):
        for below in value.values():
            yield from _texts(below)
    elif isinstance(value, list):
        for below in value:
            yield from _texts(below)
    else:
        yield value if isinstance(value, str) else json.dumps(value)
